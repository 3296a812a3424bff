//! Questions about a connection for which libssl has no single function.

use core::ffi::c_int;

use super::abi::*;
use super::table::Libssl;
use super::types::*;

/// The result of SSL_version for a QUIC connection: OSSL_QUIC1_VERSION of 3.2 and later. Its sessions are TLS 1.3's.
pub const QUIC_VERSION: c_int = 1;

/// True if the server accepts early data and uses each ticket once.
///
/// # Safety
/// * `ctx` and `ssl` are alive.
pub unsafe fn guards_replay(libssl: &Libssl, ctx: *mut SSL_CTX, ssl: *const SSL) -> bool {
    // SAFETY: `ssl` is alive by the contract above.
    let early_data = unsafe { (libssl.SSL_get_max_early_data)(ssl) } > 0;
    // SAFETY: `ctx` and `ssl` are alive by the contract above.
    early_data && unsafe { options(libssl, ctx, ssl) } & SSL_OP_NO_ANTI_REPLAY == 0
}

/// The options of a connection.
///
/// # Safety
/// * `ctx` and `ssl` are alive.
pub unsafe fn options(libssl: &Libssl, ctx: *mut SSL_CTX, ssl: *const SSL) -> u64 {
    // SAFETY: `ssl` is alive by the contract above.
    if unsafe { (libssl.SSL_version)(ssl) } == QUIC_VERSION {
        // SSL_get_options takes the lock of a QUIC connection, which the host holds while it calls sslcache. The TLS
        // connection inside has the context's options.
        // SAFETY: `ctx` is alive by the contract above.
        return unsafe { (libssl.SSL_CTX_get_options)(ctx) };
    }
    // SAFETY: `ssl` is alive by the contract above.
    unsafe { (libssl.SSL_get_options)(ssl) }
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
