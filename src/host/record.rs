//! A session as bytes, for other processes.
//!
//! DER contains everything that a resumption needs, but not the whole session: it lacks the application's ex_data, and all
//! of the peer's certificates but the first.

use core::ffi::{c_int, c_long};
use core::ptr;

use zeroize::Zeroizing;

use super::library::Host;
use super::scratch::Origin;
use super::session::SessionRef;

/// The bytes of a session. They contain its secret and are wiped on drop.
pub type Record = Zeroizing<Vec<u8>>;

/// SSL_MAX_MASTER_KEY_LENGTH, the room that a session has for its secret, of which TLS 1.2 uses 48 bytes.
const LONGEST_SECRET: usize = 256;

/// Another thread may set the session's time or timeout between the query of the length and the encoding. All numbers of
/// the DER together cannot grow by more than this.
const LONGER: usize = 256;

/// The number of ex_data indices that are checked. libcrypto does not tell how many there are; programs register one or
/// two.
const EX_DATA_INDICES: c_int = 32;

impl SessionRef {
    /// The session as DER; `None` if there is no memory, or the host cannot encode it.
    pub fn encode(&self) -> Option<Record> {
        let (libssl, session) = (self.libssl(), self.as_ptr());
        libssl.without_errors(|| {
            // SAFETY: `self` holds a reference; a null place only queries the length.
            let len = unsafe { (libssl.i2d_SSL_SESSION)(session, ptr::null_mut()) };
            let len = usize::try_from(len).ok().filter(|len| *len > 0)?;
            let mut record = Record::default();
            record.try_reserve_exact(len + LONGER).ok()?;
            let mut end = record.as_mut_ptr();
            // SAFETY: `self` holds a reference, and `record` has `LONGER` bytes more of room than the host has just asked for.
            let written = unsafe { (libssl.i2d_SSL_SESSION)(session, &mut end) };
            let written = usize::try_from(written).ok()?;
            // SAFETY: the host has written that many bytes, and the length stays within the reserved room.
            unsafe { record.set_len(written.min(len + LONGER)) };
            Some(record)
        })
    }

    /// Makes a session of this host from DER, for a context of this origin; `None` if the DER is no session.
    pub fn decode(host: &'static Host, origin: &Origin, der: &[u8]) -> Option<Self> {
        let libssl = host.libssl.as_ref().ok()?;
        let len = c_long::try_from(der.len()).ok()?;
        let propq = origin
            .propq
            .as_ref()
            .map_or(ptr::null(), |propq| propq.as_ptr());
        libssl.without_errors(|| {
            let mut next = der.as_ptr();
            let made = match host.newer.d2i_SSL_SESSION_ex {
                // SAFETY: `next` points to `len` bytes; the host makes a new session, or returns null. The library context is
                // null, or alive because a context of this origin is.
                Some(decode) => unsafe {
                    decode(ptr::null_mut(), &mut next, len, origin.libctx, propq)
                },
                // SAFETY: `next` points to `len` bytes; the host makes a new session, or returns null.
                None => unsafe { (libssl.d2i_SSL_SESSION)(ptr::null_mut(), &mut next, len) },
            };
            // SAFETY: `made` is null, or a reference that belongs to the caller of the host.
            unsafe { Self::adopt(libssl, made) }
        })
    }

    /// A short digest of the session's secret, which tells whether two sessions with one id are the same to TLS. The digest
    /// is not secret.
    pub fn digest(&self) -> u32 {
        let mut secret = Zeroizing::new([0u8; LONGEST_SECRET]);
        // SAFETY: `self` holds a reference; the host writes at most `LONGEST_SECRET` bytes, the length of `secret`.
        let len = unsafe {
            (self.libssl().SSL_SESSION_get_master_key)(
                self.as_ptr(),
                secret.as_mut_ptr(),
                LONGEST_SECRET,
            )
        };
        let used = secret.get(..len).unwrap_or_default();
        let folded = used.chunks(8).fold(used.len() as u64, |sum, chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            // An odd constant from the golden ratio spreads each bit over the upper half, which is kept.
            (sum ^ u64::from_ne_bytes(word))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29)
        });
        (folded.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
    }

    /// True if it has a certificate of its peer, or if the host cannot tell.
    pub fn has_peer_certificate(&self, host: &Host) -> bool {
        let Some(get) = host.traits.SSL_SESSION_get0_peer else {
            return true;
        };
        // SAFETY: `self` holds a reference, so the session is alive.
        !unsafe { get(self.as_ptr()) }.is_null()
    }

    /// True if it has no session id context.
    pub fn has_no_id_context(&self) -> bool {
        let mut len = 0;
        // SAFETY: `self` holds a reference, and `len` is a place for the length.
        unsafe { (self.libssl().SSL_SESSION_get0_id_context)(self.as_ptr(), &mut len) };
        len == 0
    }

    /// True if the application keeps ex_data with the session.
    pub fn has_application_data(&self) -> bool {
        let get = self.libssl().SSL_SESSION_get_ex_data;
        // SAFETY: `self` holds a reference; for an unregistered index the host returns null.
        (0..EX_DATA_INDICES).any(|index| !unsafe { get(self.as_ptr(), index) }.is_null())
    }
}
