//! The files mapped into this process: which one an address belongs to, which are a libssl, who called us.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, NonNull};
use std::ffi::CString;

/// A mapped file, named by the address at which it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image(usize);

/// An image and the path under which the loader knows it.
pub(super) struct Located {
    pub image: Image,
    pub path: CString,
}

impl Located {
    /// The image that `address` lies in.
    pub fn of(address: *const c_void) -> Option<Self> {
        // SAFETY: all zeroes is a valid Dl_info.
        let mut info: libc::Dl_info = unsafe { core::mem::zeroed() };
        // SAFETY: dladdr takes any address and fills `info` when it answers non-zero.
        if unsafe { libc::dladdr(address, &mut info) } == 0 || info.dli_fname.is_null() {
            return None;
        }
        // SAFETY: dladdr answered with the loader's NUL-terminated name of a mapped file.
        let path = unsafe { CStr::from_ptr(info.dli_fname) }.to_owned();
        Some(Self {
            image: Image(info.dli_fbase as usize),
            path,
        })
    }
}

impl Image {
    /// The image that this code is part of.
    pub fn ours() -> Option<Self> {
        Located::of(Self::ours as *const c_void).map(|located| located.image)
    }
}

/// A reference on a library that is loaded already; given back on drop.
pub(super) struct Handle(NonNull<c_void>);

impl Handle {
    /// The library known under `path`, if it is loaded. Never loads anything.
    pub fn of_loaded(path: &CStr) -> Option<Self> {
        // SAFETY: `path` is a C string; RTLD_NOLOAD runs no constructor.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        NonNull::new(handle).map(Self)
    }

    /// The main program and all that is in the global scope with it.
    pub fn of_program() -> Option<Self> {
        // SAFETY: a null path names the main program, which is always loaded.
        let handle = unsafe { libc::dlopen(ptr::null(), libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
        NonNull::new(handle).map(Self)
    }

    /// `name` as defined in this library or in what it depends on.
    pub fn symbol(&self, name: &CStr) -> Option<NonNull<c_void>> {
        // SAFETY: the handle is open for as long as `self` is.
        NonNull::new(unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle was opened by `of_loaded` or `of_program` and is closed once.
        unsafe { libc::dlclose(self.0.as_ptr()) };
    }
}

/// `name` as this library would bind it: from the global scope or from what it depends on itself.
pub(super) fn default_symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: `name` is a C string.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Paths of the loaded files that are named like a libssl: `libssl.so.3`, and the renamed copies that
/// some packages bring along (`libssl-1a2b3c.so.3`).
pub(super) fn libssl_paths() -> Vec<CString> {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: dl_iterate_phdr passes a valid record.
        let name: *const c_char = unsafe { (*info).dlpi_name };
        if !name.is_null() {
            // SAFETY: the loader's NUL-terminated name of a file.
            let path = unsafe { CStr::from_ptr(name) };
            let file = path
                .to_bytes()
                .rsplit(|&byte| byte == b'/')
                .next()
                .unwrap_or_default();
            if file.starts_with(b"libssl") && file.windows(3).any(|part| part == b".so") {
                // SAFETY: `found` is the vector that the caller below passed, alive and ours alone.
                unsafe { (*found.cast::<Vec<CString>>()).push(path.to_owned()) };
            }
        }
        0
    }
    let mut found: Vec<CString> = Vec::new();
    // SAFETY: `visit` treats its last argument as the vector it is.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut found).cast()) };
    found
}

/// How often a file was mapped or unmapped so far: while it stays the same, so does what is loaded.
pub(super) fn generation() -> u64 {
    unsafe extern "C" fn visit(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        sum: *mut c_void,
    ) -> c_int {
        // SAFETY: dl_iterate_phdr passes a valid record.
        let (adds, subs) = unsafe { ((*info).dlpi_adds, (*info).dlpi_subs) };
        // SAFETY: `sum` is the number that the caller below passed.
        unsafe { *sum.cast::<u64>() = adds.wrapping_add(subs) };
        1 // the first record says it all
    }
    let mut sum = 0u64;
    // SAFETY: `visit` treats its last argument as the number it is.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut sum).cast()) };
    sum
}

/// The nearest address on the stack that is not in our own image: in whoever called us.
pub(super) fn caller() -> Option<*const c_void> {
    // libgcc's unwinder, which the standard library brings along for panics.
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            visit: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(frame: *mut c_void) -> usize;
    }
    struct Search {
        ours: Option<Image>,
        found: Option<*const c_void>,
        frames_left: u32,
    }
    unsafe extern "C" fn visit(frame: *mut c_void, argument: *mut c_void) -> c_int {
        const GO_ON: c_int = 0; // _URC_NO_REASON
        const STOP: c_int = 4; // _URC_NORMAL_STOP
        // SAFETY: `argument` is the Search that `caller` passed.
        let search = unsafe { &mut *argument.cast::<Search>() };
        // SAFETY: the unwinder passes a valid frame.
        let address = unsafe { _Unwind_GetIP(frame) } as *const c_void;
        match Located::of(address) {
            Some(located) if Some(located.image) == search.ours && search.frames_left > 0 => {
                search.frames_left -= 1;
                GO_ON
            }
            _ => {
                search.found = Some(address);
                STOP
            }
        }
    }
    let mut search = Search {
        ours: Image::ours(),
        found: None,
        frames_left: 64,
    };
    // SAFETY: `visit` treats its last argument as the Search it is.
    unsafe { _Unwind_Backtrace(visit, (&raw mut search).cast()) };
    search.found
}
