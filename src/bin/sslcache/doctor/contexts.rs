//! A context: what keeps its sessions from being resumed.

use sslcache::host::abi::{
    SSL_OP_NO_TICKET, SSL_SESS_CACHE_BOTH, SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
    SSL_SESS_CACHE_NO_INTERNAL_STORE, SSL_SESS_CACHE_SERVER, SSL_VERIFY_PEER,
};
use sslcache::page::Context;

use super::Report;

/// Says what is known of a context that has done handshakes. `own_keys`: of several processes each may make ticket keys.
pub fn describe(number: usize, context: &Context, own_keys: bool, report: &mut Report) {
    let name = format!("context {number}");
    let size = match context.capacity {
        0 => "without limit".to_owned(),
        capacity => format!("for {capacity}"),
    };
    report.fine(format!(
        "{name}: {} handshakes, {} resumed; {} sessions cached, {size}; {} hits, {} misses",
        context.accepted, context.resumed, context.sessions, context.hits, context.misses
    ));
    let has_tickets = context.options & SSL_OP_NO_TICKET == 0;
    let asks_for_certificates = u32::from(context.verify) & SSL_VERIFY_PEER as u32 != 0;
    if asks_for_certificates && context.id_context == 0 {
        report.finding(
            format_args!("{name} asks for client certificates and has no session id context: libssl resumes nothing"),
            "have the program call SSL_CTX_set_session_id_context; without client certificates none is needed",
        );
    }
    if !context.is(Context::FORCED) {
        describe_mode(&name, context, report);
    } else if asks_for_certificates && context.sessions + context.hits + context.misses == 0 {
        // A program may ask less of its connections than of the context: then the cache has been at work.
        report.finding(
            format_args!("{name} asks for client certificates, and SSLCACHE_FORCE gives connections that do no cache"),
            "switch the session cache on in the program (nginx: ssl_session_cache builtin;)",
        );
    }
    if has_tickets {
        describe_tickets(&name, context, own_keys, report);
    }
    if context.capacity == 1 {
        report.finding(
            format_args!("{name} has a cache for one session"),
            "raise its size (SSL_CTX_sess_set_cache_size; nginx: ssl_session_cache builtin:20480)",
        );
    }
}

fn describe_mode(name: &str, context: &Context, report: &mut Report) {
    if context.mode & SSL_SESS_CACHE_BOTH == 0 || context.mode & SSL_SESS_CACHE_SERVER == 0 {
        report.finding(
            format_args!("{name} has its session cache switched off by the program"),
            "switch it on there (nginx: ssl_session_cache builtin;), or set SSLCACHE_FORCE=1",
        );
        return;
    }
    let outside = SSL_SESS_CACHE_NO_INTERNAL_LOOKUP | SSL_SESS_CACHE_NO_INTERNAL_STORE;
    if context.mode & outside == 0 {
        return;
    }
    if context.is(Context::CALLBACKS) {
        report.fine(format!(
            "{name} keeps its sessions by callbacks of the program, not in a cache of libssl's"
        ));
    } else {
        report.finding(
            format_args!("{name} has no internal cache, and no callbacks in its place: nobody keeps its sessions"),
            "switch the internal cache on in the program, or set SSLCACHE_FORCE=1",
        );
    }
}

fn describe_tickets(name: &str, context: &Context, own_keys: bool, report: &mut Report) {
    report.fine(format!(
        "{name} gives stateless tickets: clients that take them, and all of TLS 1.3, do not use the cache"
    ));
    if own_keys && context.is(Context::MADE_AFTER_FORK) {
        report.finding(
            format_args!("{name} was made in this process alone, with ticket keys that the others do not have"),
            "set SSLCACHE_TICKET_KEYS=shared, or switch tickets off (SSL_OP_NO_TICKET; nginx: ssl_session_tickets off;)",
        );
    }
}
