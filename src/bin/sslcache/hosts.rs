//! The libssls whose session cache is taken over, by the name that programs are linked with.

use std::ffi::CStr;

/// Their names, the most frequent first.
pub const NAMES: [&str; 3] = ["libssl.so.3", "libssl.so.4", "libssl.so.1.1"];

/// The same for the loader.
pub const C_NAMES: [&CStr; 3] = [c"libssl.so.3", c"libssl.so.4", c"libssl.so.1.1"];

/// What to do about a program with another libssl.
pub const BUILD: &str = "take a build of it for OpenSSL 1.1.1 or later";

/// True if a libssl of this name is taken over.
pub fn is_taken_over(name: &str) -> bool {
    NAMES.contains(&name)
}

/// What is lacking with a libssl of this name.
pub fn lacks(name: &str) -> Option<&'static str> {
    (name == "libssl.so.1.1").then_some(
        "of OpenSSL 1.1.1, which does not tell which names a certificate has to have: contexts that ask clients for one share \
         with no other process",
    )
}
