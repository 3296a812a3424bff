//! The table of attributes: everything that is compared before a session made under one context is resumed under another,
//! or in another process. This is the only place where that is decided.

use core::ffi::{c_int, c_void};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use super::learned::{Learned, parameters_were_set};
use super::sink::Sink;
use super::subject::{Kind, Store, Subject};
use crate::context::connections;
use crate::host::abi::*;
use crate::host::types::*;

/// An attribute by which two contexts may differ.
pub struct Attribute {
    /// The name in the documents and in the output of `sslcache doctor`.
    pub name: &'static str,
    /// The reason for comparing it.
    pub why: &'static str,
    /// Reads it; `None` if it cannot be told, so that the subject shares with no other process.
    pub read: fn(&Subject<'_>, &mut dyn Sink) -> Option<()>,
}

impl Attribute {
    /// Whether a setting may leave it out.
    pub fn is_certificates(&self) -> bool {
        self.name == "certificates"
    }
}

/// Every attribute. Besides these, the server name that the client sent is a part of the tag, and libssl itself compares
/// the session id context at each resumption.
///
/// Not compared, because they decide neither who the peer is nor what it may do: ALPN and its callbacks (libssl compares
/// the protocol for early data, where it matters), DH parameters, record sizes and padding, timeouts and ticket numbers,
/// certificate status, and info, message and key log callbacks.
pub static ATTRIBUTES: [Attribute; 15] = [
    Attribute {
        name: "certificates",
        why: "a session stands for the server that the client has verified",
        read: certificates,
    },
    Attribute {
        name: "verify mode",
        why: "whether a client is asked for a certificate, has to show one, and when",
        read: verify_mode,
    },
    Attribute {
        name: "verify callbacks",
        why: "the program's own say on a certificate",
        read: verify_callbacks,
    },
    Attribute {
        name: "verification parameters",
        why: "depth, flags, names, addresses, purpose, trust, level and time that a certificate has to meet",
        read: parameters,
    },
    Attribute {
        name: "trusted store",
        why: "the authorities and revocation lists by which a certificate is verified, and how",
        read: trusted_store,
    },
    Attribute {
        name: "named authorities",
        why: "which certificates a client is asked for",
        read: named_authorities,
    },
    Attribute {
        name: "client certificate types",
        why: "whether a raw public key does in place of a certificate",
        read: client_certificate_types,
    },
    Attribute {
        name: "PSK and SRP",
        why: "an identity that is known in one context may be unknown in another, and no function tells which are",
        read: secrets,
    },
    Attribute {
        name: "not-resumable callback",
        why: "a program that may refuse its own sessions is asked about each one where the session was made",
        read: refusals,
    },
    Attribute {
        name: "protocol versions",
        why: "a session must not lead below the version that is demanded",
        read: versions,
    },
    Attribute {
        name: "cipher suites",
        why: "a session keeps its cipher suite",
        read: ciphers,
    },
    Attribute {
        name: "groups and signature algorithms",
        why: "what a session's secret and its peer's certificate rest on",
        read: lists,
    },
    Attribute {
        name: "security level",
        why: "which keys and algorithms are good enough",
        read: security,
    },
    Attribute {
        name: "options",
        why: "SSL_OP_*: renegotiation, tickets, the order of ciphers and what else the program has ruled",
        read: options,
    },
    Attribute {
        name: "provider query",
        why: "which implementations of algorithms may be used, such as FIPS 140's",
        read: provider_query,
    },
];

fn certificates(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let host = subject.host;
    subject.each_certificate(|certificate| {
        sink.certificate(certificate.leaf)?;
        // SAFETY: the subject keeps the owner of the chain alive.
        unsafe { host.each_in(certificate.chain, |entry| sink.certificate(entry.cast())) }?;
        sink.bytes(b";");
        Some(())
    })
}

fn verify_mode(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    sink.number(subject.verify_mode()? as u64);
    Some(())
}

fn verify_callbacks(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let callback = subject.verify_callback()?;
    sink.function(callback)?;
    // libssl calls the callback of the context that the connection has now.
    let learned = subject.learned_of_current();
    let (function, argument) = learned.cert_verify();
    sink.function(function)?;
    if !argument.is_null() {
        // The object behind the argument cannot be compared by value.
        sink.address(argument)?;
        sink.number(learned.address_stamp.load(Relaxed));
    }
    let data_stamp = learned.data_stamp.load(Relaxed);
    if !callback.is_null() || !function.is_null() {
        sink.number(data_stamp);
        if data_stamp != 0 {
            sink.address(ptr::null())?; // other hosts may have the stamp
        }
    }
    Some(())
}

fn parameters(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let is_asked = subject.verify_mode()? & SSL_VERIFY_PEER != 0;
    let param = subject.param()?;
    // SAFETY: the subject keeps its parameters alive.
    unsafe { parameters_of(subject, param, is_asked, sink) }?;
    for learned in subject.all_learned() {
        sink.number(learned.purpose.load(Relaxed) as u64);
        sink.number(learned.trust.load(Relaxed) as u64);
        if is_asked && learned.param_untold.load(Relaxed) {
            return None;
        }
    }
    // Purpose and trust have no getter in most hosts, policies in none: if the program has set any, it is not known which.
    (!is_asked || !parameters_were_set()).then_some(())
}

/// Reads verification parameters. Those that cost much are left out if no certificate is asked for (`is_asked`).
///
/// # Safety
/// * `param` is alive during the call.
unsafe fn parameters_of(
    subject: &Subject<'_>,
    param: *mut X509_VERIFY_PARAM,
    is_asked: bool,
    sink: &mut dyn Sink,
) -> Option<()> {
    let traits = subject.traits();
    // SAFETY: the caller keeps `param` alive, here and in all calls below.
    let flags = unsafe { traits.X509_VERIFY_PARAM_get_flags?(param) };
    if flags & X509_V_FLAG_POLICY_CHECK != 0 {
        return None; // no function tells the policies that are demanded
    }
    sink.number(flags);
    // SAFETY: as above.
    unsafe {
        sink.number(traits.X509_VERIFY_PARAM_get_depth?(param) as u64);
        sink.number(traits.X509_VERIFY_PARAM_get_auth_level?(param) as u64);
        sink.number(traits.X509_VERIFY_PARAM_get_hostflags?(param) as u64);
        sink.number(traits.X509_VERIFY_PARAM_get_inh_flags?(param) as u64);
        sink.number(traits.X509_VERIFY_PARAM_get_time?(param) as u64);
        if let Some(purpose) = subject.host.newer.X509_VERIFY_PARAM_get_purpose {
            sink.number(purpose(param) as u64);
        }
    }
    if !traits.tell_names() {
        // 1.1.1 tells neither names nor addresses, but whether any is demanded can be found out.
        let verification = subject.host.verification.as_ref();
        // SAFETY: as above.
        let demand = || unsafe { verification?.demand_a_name(param) };
        return (!is_asked || demand() == Some(false)).then_some(());
    }
    // SAFETY: as above.
    let email = unsafe { traits.X509_VERIFY_PARAM_get0_email?(param) };
    for number in 0.. {
        // SAFETY: as above.
        let name = unsafe { traits.X509_VERIFY_PARAM_get0_host?(param, number) };
        let is_demanded = !name.is_null() || !email.is_null();
        if is_demanded && !subject.host.kind.ends_names() {
            return None;
        }
        if name.is_null() {
            break;
        }
        sink.text(name);
    }
    sink.text(email);
    if !is_asked {
        return Some(()); // without an address, the getter raises an error, which takes long
    }
    // SAFETY: as above; the getter returns a copy, which is freed below.
    let address = unsafe { traits.X509_VERIFY_PARAM_get1_ip_asc?(param) };
    sink.text(address);
    // SAFETY: libcrypto has allocated the copy, and it is not used any more.
    unsafe { traits.CRYPTO_free?(address.cast(), ptr::null(), 0) };
    Some(())
}

fn trusted_store(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let traits = subject.traits();
    let is_asked = subject.verify_mode()? & SSL_VERIFY_PEER != 0;
    let store = match subject.verifying_store()? {
        Store::Told(store) => store,
        // It matters only where a certificate is asked for.
        Store::Untold => return (!is_asked).then_some(()),
    };
    // SAFETY: the subject keeps the store alive.
    let param = unsafe { traits.X509_STORE_get0_param?(store) };
    if !param.is_null() {
        // SAFETY: the store owns its parameters, and the subject keeps the store alive.
        unsafe { parameters_of(subject, param, is_asked, sink) }?;
    }
    for get in [
        traits.X509_STORE_get_verify,
        traits.X509_STORE_get_verify_cb,
        traits.X509_STORE_get_get_issuer,
        traits.X509_STORE_get_check_issued,
        traits.X509_STORE_get_check_revocation,
        traits.X509_STORE_get_get_crl,
        traits.X509_STORE_get_check_crl,
        traits.X509_STORE_get_cert_crl,
        traits.X509_STORE_get_check_policy,
        traits.X509_STORE_get_lookup_certs,
        traits.X509_STORE_get_lookup_crls,
    ] {
        // SAFETY: the subject keeps the store alive.
        sink.function(unsafe { get?(store) })?;
    }
    let mut has_any_place = false;
    for learned in subject.all_learned() {
        let mut has_places = false;
        learned.places.each(|kind, place| {
            has_places = true;
            sink.number(kind as u64);
            sink.bytes(place);
        })?;
        has_any_place |= has_places;
        if has_places && is_asked {
            // Directories are not read. Only processes that inherited the context are taken to see the same contents.
            sink.address(ptr::without_provenance(1))?;
            sink.number(learned.address_stamp.load(Relaxed));
        }
    }
    if !is_asked {
        return Some(()); // no client is verified by the store
    }
    // SAFETY: the subject keeps the store alive, which owns its list.
    let number = unsafe { traits.OPENSSL_sk_num?(traits.X509_STORE_get0_objects?(store)) };
    let verifies_itself = !subject.learned_of_current().cert_verify().0.is_null();
    if number == 0 && !has_any_place && !verifies_itself {
        return None; // clients are verified by authorities that functions of libcrypto have added unseen
    }
    sink.trusted(subject, store)
}

fn named_authorities(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let get_der = subject.traits().X509_NAME_get0_der?;
    let lists = [subject.authorities()?, subject.all_authorities()?];
    let read_list = |list, sink: &mut dyn Sink| {
        sink.begin_set();
        let mut read_name = |name: *mut c_void| {
            let (mut der, mut len) = (ptr::null(), 0);
            // SAFETY: `name` is an entry of the subject's list, and owns the encoding that is returned.
            if unsafe { get_der(name.cast(), &mut der, &mut len) } != 1 || der.is_null() {
                return None;
            }
            // SAFETY: the host has returned `len` bytes at `der`, which the name owns.
            sink.bytes(unsafe { core::slice::from_raw_parts(der, len) });
            Some(())
        };
        // SAFETY: the subject keeps the owner of the list alive.
        let read = unsafe { subject.host.each_in(list, &mut read_name) };
        sink.end_set();
        read
    };
    lists.into_iter().try_for_each(|list| read_list(list, sink))
}

fn client_certificate_types(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let newer = &subject.host.newer;
    let (mut types, mut len) = (ptr::null_mut(), 0);
    // SAFETY: the subject keeps connection and context alive; the getters write to `types` and `len`.
    let told = unsafe {
        match subject.kind {
            Kind::Connection(ssl) => newer
                .SSL_get0_client_cert_type
                .map(|get| get(ssl, &mut types, &mut len)),
            Kind::Context => newer
                .SSL_CTX_get0_client_cert_type
                .map(|get| get(subject.ctx, &mut types, &mut len)),
        }
    };
    if told == Some(1) && !types.is_null() {
        // SAFETY: the host has returned `len` bytes at `types`, which the subject owns.
        sink.bytes(unsafe { core::slice::from_raw_parts(types, len) });
    }
    Some(())
}

fn secrets(subject: &Subject<'_>, _: &mut dyn Sink) -> Option<()> {
    let known = |learned: &Learned| learned.knows_secrets.load(Relaxed);
    (!subject.all_learned().any(known)).then_some(())
}

fn refusals(subject: &Subject<'_>, _: &mut dyn Sink) -> Option<()> {
    let mut learned = subject.all_learned();
    (!learned.any(|learned| learned.may_refuse.load(Relaxed))).then_some(())
}

fn versions(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    for command in [
        SSL_CTRL_GET_MIN_PROTO_VERSION,
        SSL_CTRL_GET_MAX_PROTO_VERSION,
    ] {
        sink.number(subject.control(command)? as u64);
    }
    Some(())
}

fn ciphers(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let id = subject.traits().SSL_CIPHER_get_id?;
    let list = subject.ciphers()?;
    // SAFETY: the subject keeps the owner of the list alive; its entries are constants of libssl.
    unsafe {
        subject.host.each_in(list, |cipher| {
            sink.number(u64::from(id(cipher.cast())));
            Some(())
        })
    }
}

fn lists(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    sink.number(match subject.kind {
        Kind::Connection(ssl) => connections::lists(ssl),
        Kind::Context => 0,
    });
    for learned in subject.all_learned() {
        learned.lists.each(|command: c_int, list| {
            sink.number(command as u64);
            sink.bytes(list);
        })?;
        sink.bytes(b";");
    }
    Some(())
}

fn security(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    sink.number(subject.security_level()? as u64);
    let data = subject.security_data()?;
    if !data.is_null() {
        sink.address(data)?;
        for learned in subject.all_learned() {
            sink.number(learned.address_stamp.load(Relaxed));
        }
    }
    let callback = subject.security_callback()?;
    // libssl's own callback is the default, and the same in every build as far as this comparison goes.
    match subject.host.image.contains(callback) {
        true => Some(()),
        false => sink.function(callback),
    }
}

fn options(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    sink.number(subject.options());
    Some(())
}

fn provider_query(subject: &Subject<'_>, sink: &mut dyn Sink) -> Option<()> {
    let origin = subject.origin;
    if !origin.libctx.is_null() {
        // No function tells which providers a library context has loaded, so it is compared by its address.
        sink.address(origin.libctx.cast())?;
    }
    if let Some(query) = &origin.propq {
        sink.bytes(query.as_bytes());
    }
    Some(())
}
