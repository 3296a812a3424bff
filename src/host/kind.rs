//! What sets the supported releases of OpenSSL apart, decided once for each host.
//!
//! Which functions a release has is a matter of the [tables](super::table), and what stands in for those that it lacks is in
//! `stand_ins`. Here is what differs although the functions are the same. docs/LIBSSL.md has the
//! observations.

use super::abi::TLS1_3_VERSION;
use super::session::SessionRef;
use super::table::Libssl;

/// A line of releases.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// OpenSSL 1.1.1.
    V1_1_1,
    /// OpenSSL 3.0 to 3.6.
    V3,
    /// OpenSSL 4.0.
    V4,
}

impl Kind {
    /// The line that a library is of; `None` if it is LibreSSL, which says 2.0.0 for ever. Its sessions are linked to each
    /// other by fields of their own and leave its cache by their address, so that a session must not be in two caches.
    pub fn of(libssl: &Libssl) -> Option<Self> {
        // SAFETY: the function takes no arguments and only returns a number.
        match unsafe { (libssl.OpenSSL_version_num)() } >> 28 {
            ..=1 => Some(Self::V1_1_1),
            2 => None,
            3 => Some(Self::V3),
            _ => Some(Self::V4),
        }
    }

    /// Whether the names and e-mail addresses that a connection's verification parameters have are C strings. 4.0 copies
    /// those of a context to its connections without the NUL at their end, and no function tells their length.
    pub fn ends_names(self) -> bool {
        self < Self::V4
    }

    /// Whether a server must not be given this session because it is marked not resumable. A server of 3.0 and later refuses
    /// it. One of 1.1.1 does not look at the mark before its ServerHello, which then lacks the id: that ends a handshake of
    /// TLS 1.2. It does not matter in TLS 1.3, where the ticket that follows a connection with early data is marked from the
    /// beginning.
    pub fn refuses(self, session: &SessionRef) -> bool {
        let resumes = self == Self::V1_1_1 && session.identity().1 == TLS1_3_VERSION;
        !resumes && session.is_marked_not_resumable()
    }

    /// Whether a server drops a marked session that the program's get callback has returned.
    pub fn drops_marked(self) -> bool {
        self > Self::V1_1_1
    }

    /// Whether SSL_SESS_CACHE_UPDATE_TIME means anything.
    pub fn knows_update_time(self) -> bool {
        self > Self::V1_1_1
    }
}
