//! The files mapped into this process: the one that an address lies in, those that are a libssl, and the caller's.
//!
//! They are listed by `dl_iterate_phdr`, whose lock is only held for moments: `dladdr` and `dlsym` wait for the loader's
//! lock, which `dlopen` holds while it runs constructors.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr::{self, NonNull};
use std::ffi::CString;

use once_cell::race::OnceBox;
use smallvec::SmallVec;

/// A mapped file: the addresses from its first to its last segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image {
    start: usize,
    end: usize,
}

impl Image {
    /// True if `address` lies in it.
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

/// Visits every image, with its name, until `visit` says that it has seen enough. Nothing may be allocated meanwhile.
fn each_image(visit: &mut dyn FnMut(Image, *const c_char) -> bool) {
    each_loaded(&mut |image, info| visit(image, info.dlpi_name));
}

/// Whether an address lies in the main program, which is never unloaded.
pub fn is_in_program(address: *const c_void) -> bool {
    static PROGRAM: OnceBox<Image> = OnceBox::new();
    let first = || {
        let mut first = None;
        each_loaded(&mut |image, _| {
            first = Some(image); // the loader begins with the program
            true
        });
        first.map(Box::new).ok_or(())
    };
    PROGRAM
        .get_or_try_init(first)
        .is_ok_and(|program| program.contains(address))
}

/// How many files the loader has unloaded: another one may have come to the address of a function since.
pub fn unloaded() -> u64 {
    let mut unloaded = 0;
    each_loaded(&mut |_, info| {
        unloaded = info.dlpi_subs;
        true
    });
    unloaded
}

/// Visits every image like [`each_image`], with the loader's whole record.
fn each_loaded(visit: &mut dyn FnMut(Image, &libc::dl_phdr_info) -> bool) {
    unsafe extern "C" fn step(
        info: *mut libc::dl_phdr_info,
        _: libc::size_t,
        visit: *mut c_void,
    ) -> c_int {
        // SAFETY: dl_iterate_phdr passes a valid record.
        let info = unsafe { &*info };
        let mut image = Image {
            start: usize::MAX,
            end: 0,
        };
        for header in headers_of(info)
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
        {
            let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
            image.start = image.start.min(start);
            image.end = image.end.max(start.wrapping_add(header.p_memsz as usize));
        }
        // SAFETY: what `each_loaded` passed.
        let visit =
            unsafe { &mut *visit.cast::<&mut dyn FnMut(Image, &libc::dl_phdr_info) -> bool>() };
        c_int::from(visit(image, info))
    }
    let mut visit = visit;
    // SAFETY: `step` treats its last argument as the closure it is.
    unsafe { libc::dl_iterate_phdr(Some(step), (&raw mut visit).cast()) };
}

fn headers_of(info: &libc::dl_phdr_info) -> &[libc::Elf64_Phdr] {
    // SAFETY: the record says how many program headers there are; they are mapped while the file is.
    unsafe { core::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) }
}

/// Paths of the loaded files that are named like a libssl: `libssl.so.3`, and the renamed copies that
/// some packages bring along (`libssl-1a2b3c.so.3`). Returns at most so many.
pub(super) fn libssl_paths(most: usize) -> Vec<CString> {
    let mut names: Vec<*const c_char> = Vec::with_capacity(most);
    each_image(&mut |_, name| {
        if name.is_null() || names.len() == most {
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
    // SAFETY: these are the loader's NUL-terminated names of files that stay loaded: a libssl that was used is not unloaded.
    names
        .into_iter()
        .map(|name| unsafe { CStr::from_ptr(name) }.to_owned())
        .collect()
}

/// A reference to a library that is already loaded; released on drop.
pub(super) struct Handle(NonNull<c_void>);

// SAFETY: a handle is only a key for the loader, which any thread may ask.
unsafe impl Send for Handle {}
// SAFETY: a handle is only a key for the loader, which lets threads share it.
unsafe impl Sync for Handle {}

impl Handle {
    /// The library known under `path`, if it is loaded; for an empty path the main program with the global scope. Never loads
    /// a library.
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

/// The next `name` after sslcache's own in the search order.
pub(super) fn next_symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: `name` is a C string.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) })
}

/// `name` as the calling file would have bound it without sslcache: in the file itself and what it depends on.
pub fn symbol_for_caller(name: &CStr) -> Option<NonNull<c_void>> {
    let scope = Handle::of_loaded(&Located::of(caller()?)?.path)?;
    let ours = Image::ours()?;
    scope
        .symbol(name)
        .filter(|found| !ours.contains(found.as_ptr()))
}

/// True if the program finds sslcache's own `name`, which sslcache exports.
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

/// The nearest address on the stack outside sslcache's image: in the caller. A function that ends with a jump into sslcache
/// has left no frame; its caller is found instead.
pub fn caller() -> Option<*const c_void> {
    let ours = Image::ours()?;
    nearest(&mut |address| !ours.contains(address))
}

/// The nearest address on the stack for which `is_it` answers true.
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

/// Where a function is, told so that all processes that have the same code there tell the same.
pub struct Place {
    /// What the linker has given the file as its identity: another version of it has another one.
    pub build: BuildId,
    /// Where in the file's image it lies.
    pub offset: usize,
}

/// The place of a function; `None` for one that was made at run time, or lies in a file that was linked without a build id.
pub fn place_of(function: *const c_void) -> Option<Place> {
    let mut place = None;
    each_loaded(&mut |image, info| {
        let is_there = image.contains(function);
        if is_there {
            let offset = (function as usize).wrapping_sub(image.start);
            place = build_of(image, info).map(|build| Place { build, offset });
        }
        is_there
    });
    place
}

/// A file's build id, of whatever length the linker was told to give it.
pub type BuildId = SmallVec<[u8; 64]>;

/// The build id in the notes of a loaded file, as elf(5) has them.
fn build_of(image: Image, info: &libc::dl_phdr_info) -> Option<BuildId> {
    const PT_NOTE: u32 = 4;
    headers_of(info).iter().find_map(|header| {
        if header.p_type != PT_NOTE {
            return None;
        }
        let start = (info.dlpi_addr as usize).wrapping_add(header.p_vaddr as usize);
        let len = header.p_memsz as usize;
        let end = start.checked_add(len)?;
        if start < image.start || end > image.end {
            return None;
        }
        // SAFETY: the loader has mapped the file's notes, which lie within its segments.
        let notes = unsafe { core::slice::from_raw_parts(start as *const u8, len) };
        build_in(notes, header.p_align as usize)
    })
}

fn build_in(mut notes: &[u8], align: usize) -> Option<BuildId> {
    const NT_GNU_BUILD_ID: u32 = 3;
    let align = if align == 8 { 8 } else { 4 };
    let word = |from: &[u8], at: usize| {
        let bytes = from.get(at..at + 4)?;
        Some(u32::from_ne_bytes(*bytes.first_chunk()?))
    };
    loop {
        let (name_len, len) = (word(notes, 0)? as usize, word(notes, 4)? as usize);
        let kind = word(notes, 8)?;
        let name = notes.get(12..12 + name_len)?;
        let begin = (12 + name_len).next_multiple_of(align);
        let text = notes.get(begin..begin + len)?;
        if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
            // No longer than what needs no allocation.
            return (1..=BuildId::new().inline_size())
                .contains(&text.len())
                .then(|| text.into());
        }
        notes = notes.get((begin + len).next_multiple_of(align)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_id_is_found_among_other_notes() {
        let note = |kind: u32, name: &[u8], text: &[u8], align: usize| {
            let mut note = Vec::new();
            note.extend((name.len() as u32).to_ne_bytes());
            note.extend((text.len() as u32).to_ne_bytes());
            note.extend(kind.to_ne_bytes());
            note.extend(name);
            note.resize(note.len().next_multiple_of(align), 0);
            note.extend(text);
            note.resize(note.len().next_multiple_of(align), 0);
            note
        };
        for align in [4, 8] {
            let mut notes = note(5, b"GNU\0", b"property", align);
            notes.extend(note(3, b"Go\0\0", b"other", align));
            notes.extend(note(3, b"GNU\0", b"twenty bytes of a sum", align));
            let found = build_in(&notes, align);
            assert_eq!(found.as_deref(), Some(&b"twenty bytes of a sum"[..]));
            for len in 0..notes.len() - align {
                assert_eq!(build_in(&notes[..len], align), None, "{len}");
            }
        }
        assert_eq!(build_in(&note(3, b"GNU\0", &[1; 65], 4), 4), None);
        assert_eq!(build_in(&[0xff; 64], 4), None);
    }

    #[test]
    fn place_of_a_function_is_its_offset_in_a_build() {
        let here = place_of(place_of as *const c_void);
        let there = place_of(file_of as *const c_void);
        // Without a build id in this test's executable both are nowhere.
        if let (Some(here), Some(there)) = (here, there) {
            assert_eq!(here.build, there.build);
            assert_ne!(here.offset, there.offset);
        }
        let made_at_run_time = Box::new(0_u64);
        assert!(place_of((&raw const *made_at_run_time).cast()).is_none());
    }
}
