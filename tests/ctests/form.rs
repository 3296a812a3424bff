//! The forms in which sslcache is loaded into a program, and the hosts.

use std::fmt;

/// The form in which sslcache is loaded. The object file of a program is the same in all forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Without sslcache.
    Plain,
    /// By `-lsslcache` before `-lssl`.
    Linked,
    /// By `LD_PRELOAD`.
    Preloaded,
    /// As the `libssl.so.3` or `libssl.so.4` that is found first.
    Replaced,
}

impl Form {
    pub const ALL: [Self; 4] = [Self::Plain, Self::Linked, Self::Preloaded, Self::Replaced];
    pub const OURS: [Self; 3] = [Self::Linked, Self::Preloaded, Self::Replaced];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Linked => "linked",
            Self::Preloaded => "preloaded",
            Self::Replaced => "replaced",
        })
    }
}

/// The libssl behind sslcache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// The distribution's libssl. Debian's calls its own cache functions through the PLT.
    System,
    /// A libssl linked as upstream links it, with -Bsymbolic: its internal calls do not go through the PLT.
    Bsymbolic,
    /// OpenSSL 4.0, linked in the same way. The library has another name and other headers.
    Openssl4,
}

impl Host {
    pub const ALL: [Self; 3] = [Self::System, Self::Bsymbolic, Self::Openssl4];
    /// The hosts that one program file runs on.
    pub const OF_OPENSSL_3: [Self; 2] = [Self::System, Self::Bsymbolic];
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Bsymbolic => "bsymbolic",
            Self::Openssl4 => "openssl4",
        })
    }
}
