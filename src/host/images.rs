//! The files mapped into this process: which one an address lies in, which are a libssl, who called us.
//!
//! Asked of `dl_iterate_phdr`, whose lock is held for moments only: `dladdr` and `dlsym` wait for the loader's, which
//! `dlopen` holds while it runs constructors.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, NonNull};
use std::env;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use once_cell::race::OnceBox;

/// A mapped file: the addresses from its first to its last segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image {
    start: usize,
    end: usize,
}

impl Image {
    /// Whether `address` lies in it.
    pub fn contains(&self, address: *const c_void) -> bool {
        (self.start..self.end).contains(&(address as usize))
    }

    /// The image that this code is part of.
    pub fn ours() -> Option<Self> {
        static OURS: OnceBox<Image> = OnceBox::new();
        let find = || Located::of(Self::ours as *const c_void).ok_or(());
        OURS.get_or_try_init(|| find().map(|located| Box::new(located.image)))
            .ok()
            .copied()
    }
}

/// The name under which the loader knows the file that `address` lies in; empty for the main program.
pub fn file_of(address: *const c_void) -> Option<CString> {
    Located::of(address).map(|located| located.path)
}

/// An image and the name under which the loader knows it; empty for the main program.
pub(super) struct Located {
    pub image: Image,
    pub path: CString,
}

impl Located {
    /// The image that `address` lies in.
    pub fn of(address: *const c_void) -> Option<Self> {
        let mut found = None;
        each_image(&mut |image, name| {
            if image.contains(address) {
                found = Some((image, name));
            }
            found.is_some()
        });
        let (image, name) = found?;
        // SAFETY: the loader's NUL-terminated name of a file that is in use and therefore stays loaded.
        let path = unsafe { CStr::from_ptr(name) }.to_owned();
        Some(Self { image, path })
    }
}

/// Visits every image until `visit` says that it has seen enough. Nothing may be allocated meanwhile.
fn each_image(visit: &mut dyn FnMut(Image, *const c_char) -> bool) {
    unsafe extern "C" fn step(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        visit: *mut c_void,
    ) -> c_int {
        // SAFETY: dl_iterate_phdr passes a valid record.
        let info = unsafe { &*info };
        // SAFETY: the record says how many program headers there are.
        let headers =
            unsafe { core::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
        let mut image = Image {
            start: usize::MAX,
            end: 0,
        };
        for header in headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
        {
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            image.start = image.start.min(start);
            image.end = image.end.max(start.wrapping_add(header.p_memsz as usize));
        }
        // SAFETY: what `each_image` passed.
        let visit = unsafe { &mut *visit.cast::<&mut dyn FnMut(Image, *const c_char) -> bool>() };
        c_int::from(visit(image, info.dlpi_name))
    }
    let mut visit = visit;
    // SAFETY: `step` treats its last argument as the closure it is.
    unsafe { libc::dl_iterate_phdr(Some(step), (&raw mut visit).cast()) };
}

/// Paths of the loaded files that are named like a libssl: `libssl.so.3`, and the renamed copies that
/// some packages bring along (`libssl-1a2b3c.so.3`). At most as many as could be hosts.
pub(super) fn libssl_paths() -> Vec<CString> {
    let mut names: Vec<*const c_char> = Vec::with_capacity(super::locate::MAX_HOSTS);
    each_image(&mut |_, name| {
        if name.is_null() || names.len() == names.capacity() {
            return false;
        }
        // SAFETY: the loader's NUL-terminated name of a file.
        let path = unsafe { CStr::from_ptr(name) }.to_bytes();
        let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if file.starts_with(b"libssl") && file.windows(3).any(|part| part == b".so") {
            names.push(name);
        }
        false
    });
    // SAFETY: as above; a libssl is not unloaded once it was used.
    names
        .into_iter()
        .map(|name| unsafe { CStr::from_ptr(name) }.to_owned())
        .collect()
}

/// A reference on a library that is loaded already; given back on drop.
pub(super) struct Handle(NonNull<c_void>);

// SAFETY: a handle is only a key for the loader, which any thread may ask.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// The library known under `path`, if it is loaded; the main program, and all that is in the global scope
    /// with it, where that is empty. Never loads anything.
    pub fn of_loaded(path: &CStr) -> Option<Self> {
        let path = if path.is_empty() {
            ptr::null()
        } else {
            path.as_ptr()
        };
        // SAFETY: null or a C string; RTLD_NOLOAD runs no constructor.
        let handle = unsafe { libc::dlopen(path, libc::RTLD_LAZY | libc::RTLD_NOLOAD) };
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
        // SAFETY: the handle was opened by `of_loaded` and is closed once.
        unsafe { libc::dlclose(self.0.as_ptr()) };
    }
}

/// `name` as this library would bind it: from the global scope or from what it depends on itself.
pub(super) fn default_symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: `name` is a C string.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// The next `name` after our own in the order of the search.
pub(super) fn next_symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: `name` is a C string.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) })
}

/// `name` as what calls us would have bound it without us: in its own file and what that depends on.
pub fn symbol_for_caller(name: &CStr) -> Option<NonNull<c_void>> {
    let scope = Handle::of_loaded(&Located::of(caller()?)?.path)?;
    let ours = Image::ours()?;
    scope
        .symbol(name)
        .filter(|found| !ours.contains(found.as_ptr()))
}

/// Whether `name`, which we export, is ours where the program looks for it.
pub fn is_bound_to_us(name: &CStr) -> bool {
    let ours = Image::ours();
    default_symbol(name).is_some_and(|found| ours.is_some_and(|ours| ours.contains(found.as_ptr())))
}

/// The next `name` after our own in the order of the search.
pub fn symbol_behind_us(name: &CStr) -> Option<NonNull<c_void>> {
    next_symbol(name)
}

/// `name` in a libcrypto that is loaded under one of its own names.
pub fn symbol_of_libcrypto(name: &CStr) -> Option<NonNull<c_void>> {
    let loaded = [c"libcrypto.so.3", c"libcrypto.so.4", c"libcrypto.so.1.1"];
    loaded
        .into_iter()
        .find_map(|file| Handle::of_loaded(file)?.symbol(name))
}

/// The nearest address on the stack that is not in our own image: in whoever called us. A function that ends
/// by jumping to us has left no trace there; its caller is found instead.
pub fn caller() -> Option<*const c_void> {
    let ours = Image::ours()?;
    nearest(&mut |address| !ours.contains(address))
}

/// The nearest address on the stack that is the one that is looked for.
pub(super) fn nearest(is_it: &mut dyn FnMut(*const c_void) -> bool) -> Option<*const c_void> {
    // libgcc's unwinder, which the standard library brings along for panics.
    unsafe extern "C" {
        fn _Unwind_Backtrace(
            visit: unsafe extern "C" fn(*mut c_void, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(frame: *mut c_void) -> usize;
    }
    struct Search<'a> {
        is_it: &'a mut dyn FnMut(*const c_void) -> bool,
        found: Option<*const c_void>,
        frames_left: u32,
    }
    unsafe extern "C" fn visit(frame: *mut c_void, argument: *mut c_void) -> c_int {
        const GO_ON: c_int = 0; // _URC_NO_REASON
        const STOP: c_int = 4; // _URC_NORMAL_STOP
        // SAFETY: `argument` is the Search that `nearest` passed.
        let search = unsafe { &mut *argument.cast::<Search>() };
        // SAFETY: the unwinder passes a valid frame.
        let address = unsafe { _Unwind_GetIP(frame) } as *const c_void;
        if (search.is_it)(address) {
            search.found = Some(address);
            return STOP;
        }
        search.frames_left -= 1;
        if search.frames_left == 0 { STOP } else { GO_ON }
    }
    let mut search = Search {
        is_it,
        found: None,
        frames_left: 64,
    };
    // SAFETY: `visit` treats its last argument as the Search it is.
    unsafe { _Unwind_Backtrace(visit, (&raw mut search).cast()) };
    search.found
}

/// The file that a function lies in, and where in it; `None` for one that was made at run time.
pub fn place_of(function: *const c_void) -> Option<(PathBuf, usize)> {
    let located = Located::of(function)?;
    let offset = (function as usize).wrapping_sub(located.image.start);
    let file = match located.path.is_empty() {
        true => env::current_exe().ok()?, // the loader has no name for the main program
        false => OsString::from_vec(located.path.into_bytes()).into(),
    };
    Some((file, offset))
}
