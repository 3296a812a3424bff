//! What sets the supported releases of OpenSSL apart, decided once for each host.
//!
//! Which functions a release has is a matter of the tables: `Newer` in [`table`](super::table) has those that only some
//! have. Here is what differs although the functions are the same.

use super::table::Libssl;

/// A line of releases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// OpenSSL 3.0 to 3.6.
    V3,
    /// OpenSSL 4.0.
    V4,
}

impl Kind {
    /// The line that a library is of.
    pub fn of(libssl: &Libssl) -> Self {
        // SAFETY: the function takes no arguments and only returns a number.
        match unsafe { (libssl.OPENSSL_version_major)() } {
            ..=3 => Self::V3,
            _ => Self::V4,
        }
    }

    /// Whether the names and e-mail addresses that a connection's verification parameters have are C strings. 4.0 copies
    /// those of a context to its connections without the NUL at their end, and no function tells their length.
    pub fn ends_names(self) -> bool {
        self < Self::V4
    }
}
