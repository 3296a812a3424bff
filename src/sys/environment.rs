//! The process's environment, of which only what is wanted is copied: `std::env::vars_os` copies all of it, and a program may
//! have megabytes there.

use core::ffi::{CStr, c_char};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

unsafe extern "C" {
    /// environ(7).
    static environ: *const *const c_char;
}

/// The variables whose names begin with `prefix`, and their values, in order. Called before the program has threads that
/// change its environment, or at its own risk, as getenv(3) is.
pub fn beginning_with(prefix: &str) -> Vec<(OsString, OsString)> {
    let mut found = Vec::new();
    // SAFETY: the C library's list ends with a null pointer; a program may set `environ` itself to null.
    let mut next = unsafe { environ };
    // SAFETY: `next` is null, or within the list.
    while let Some(&entry) = unsafe { next.as_ref() }
        && !entry.is_null()
    {
        // SAFETY: each entry is a string that the environment keeps.
        let entry = unsafe { CStr::from_ptr(entry) }.to_bytes();
        if entry.starts_with(prefix.as_bytes())
            && let Some(length) = entry.iter().position(|&byte| byte == b'=')
        {
            let (name, value) = (&entry[..length], &entry[length + 1..]);
            found.push((
                OsStr::from_bytes(name).into(),
                OsStr::from_bytes(value).into(),
            ));
        }
        // SAFETY: `entry` was not the end of the list.
        next = unsafe { next.add(1) };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_the_beginning_of_their_names() {
        let all: Vec<_> = std::env::vars_os().collect();
        assert_eq!(beginning_with(""), all);
        let cargo = beginning_with("CARGO_");
        assert!(cargo.iter().any(|(name, _)| name == "CARGO_PKG_NAME"));
        assert!(cargo.len() < all.len());
        assert_eq!(beginning_with("CARGO_PKG_NAME=").len(), 1);
    }
}
