//! Records that the host decodes: any bytes may come out of a region or from another host.
//!
//! The host is the libssl.so.3 of this machine. It is not instrumented: what is covered of it the fuzzer does not see.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::sync::OnceLock;

use sslcache::host::scratch::Origin;
use sslcache::host::{Host, SessionRef, locate};

fn host() -> &'static Host {
    static HOST: OnceLock<&'static Host> = OnceLock::new();
    HOST.get_or_init(|| {
        // SAFETY: the name is a C string; libssl's constructors may run at any time.
        let found =
            unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
        assert!(!found.is_null(), "no libssl.so.3 here");
        locate::host().expect("a host")
    })
}

sslcache_fuzz::target!(|bytes: &[u8]| {
    let host = host();
    let Some(session) = SessionRef::decode(host, &Origin::default(), bytes) else {
        return;
    };
    let (id, version) = session.identity();
    assert!(id.len() <= 32);
    session.time_and_timeout();
    session.has_peer_certificate(host);
    session.has_no_id_context();
    session.is_marked_not_resumable();
    assert!(!session.has_application_data());
    // A session that was decoded is written, and read as the same.
    let Some(record) = session.encode() else {
        return;
    };
    let again = SessionRef::decode(host, &Origin::default(), &record)
        .expect("a session of this host's own making");
    assert_eq!(again.identity(), (id, version));
    assert_eq!(again.digest(), session.digest());
    assert_eq!(again.allows_early_data(), session.allows_early_data());
});
