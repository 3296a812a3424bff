//! Questions about a connection for which libssl has no single function.

use core::ffi::c_int;

use super::abi::*;
use super::table::Libssl;
use super::types::*;

/// The result of SSL_version for a QUIC connection: OSSL_QUIC1_VERSION of 3.2 and later. Its sessions are TLS 1.3's.
const QUIC_VERSION: c_int = 1;

/// True if an SSL is a QUIC connection, or a stream of one. Getters that take the lock of its connection must not be called
/// inside a callback, which libssl calls with that lock held.
///
/// # Safety
/// * `ssl` is alive.
pub unsafe fn is_quic(libssl: &Libssl, ssl: *const SSL) -> bool {
    // SAFETY: `ssl` is alive by the contract above.
    unsafe { (libssl.SSL_version)(ssl) == QUIC_VERSION }
}

/// The version under which the sessions of a connection are cached.
///
/// # Safety
/// * `ssl` is alive.
pub unsafe fn version_of(libssl: &Libssl, ssl: *const SSL) -> c_int {
    // SAFETY: `ssl` is alive by the contract above.
    match unsafe { (libssl.SSL_version)(ssl) } {
        QUIC_VERSION => TLS1_3_VERSION,
        version => version,
    }
}
