//! A context: the reasons why its sessions are not resumed.

use sslcache::context::key_source::KeySource;
use sslcache::host::abi::{
    SSL_OP_NO_TICKET, SSL_SESS_CACHE_BOTH, SSL_SESS_CACHE_NO_INTERNAL_LOOKUP,
    SSL_SESS_CACHE_NO_INTERNAL_STORE, SSL_SESS_CACHE_SERVER, SSL_VERIFY_PEER,
};
use sslcache::page::Context;

use super::Report;
use crate::keys;
use crate::processes::Tree;

/// The circumstances of a context that matter to it.
pub struct Surroundings {
    /// True if contexts that are alike share: in a group, or in a named region.
    pub is_grouped: bool,
    /// True if the group has a name.
    is_group_named: bool,
    /// True if each of several processes may make ticket keys of its own.
    has_own_keys: bool,
    /// True if all processes are to have the same ticket keys.
    pub shares_keys: bool,
    /// True if sessions are kept in a file, or ticket keys by the agent, which outlive the processes.
    pub outlives_processes: bool,
}

impl Surroundings {
    /// The circumstances of a tree, in which one process has done handshakes or several have.
    pub fn new(tree: &Tree, has_relatives: bool) -> Self {
        let (group, region) = (tree.page.setting("group"), tree.page.setting("region"));
        let shares_keys = keys::shares(tree);
        Self {
            is_grouped: group.is_some() || region.is_some(),
            is_group_named: group.is_some_and(|group| group != "certificate"),
            has_own_keys: !shares_keys && has_relatives,
            shares_keys,
            outlives_processes: region.is_some() || keys::of_fleet(tree) == Some(true),
        }
    }
}

/// Reports on a context that has done handshakes.
pub fn describe(number: usize, context: &Context, around: &Surroundings, report: &mut Report) {
    let name = format!("context {number}");
    if context.accepted == 0 {
        return report.fine(format!(
            "{name} is a client's: {} handshakes, {} resumed",
            context.connected, context.resumed
        ));
    }
    let size = match context.capacity {
        0 => String::new(),
        capacity => format!("of at most {capacity} "),
    };
    report.fine(format!(
        "{name}: {} handshakes, {} resumed; {} {size}sessions cached; {} hits, {} misses",
        context.handshakes(),
        context.resumed,
        context.sessions,
        context.hits,
        context.misses
    ));
    let has_tickets = context.options & SSL_OP_NO_TICKET == 0;
    let asks_for_certificates = u32::from(context.verify) & SSL_VERIFY_PEER as u32 != 0;
    if asks_for_certificates && context.id_context == 0 {
        report_unidentified(format_args!("{name}"), report);
    }
    if asks_for_certificates && around.is_grouped && !around.is_group_named {
        describe_reach(&name, context, report);
    }
    if has_tickets && !keeps_sessions(context) {
        report.fine(format!(
            "{name} keeps no sessions: clients that take no tickets are not resumed"
        ));
    } else if !context.is(Context::FORCED) {
        describe_mode(&name, context, report);
    } else if asks_for_certificates && (context.sessions, context.hits, context.misses) == (0, 0, 0)
    {
        // A program may demand less of a connection than of its context: hits show that the cache was used.
        report.finding(
            format_args!("{name} asks for client certificates, and SSLCACHE_FORCE gives connections that do no cache"),
            "switch the session cache on in the program (nginx: ssl_session_cache builtin;)",
        );
    }
    if has_tickets {
        describe_tickets(&name, context, around, report);
    }
    if context.capacity == 1 && keeps_sessions(context) {
        report.finding(
            format_args!("{name} has a cache for one session"),
            "raise its size (SSL_CTX_sess_set_cache_size; nginx: ssl_session_cache builtin:20480)",
        );
    }
}

/// Reports that contexts ask for certificates and have no session id context.
pub fn report_unidentified(what: impl std::fmt::Display, report: &mut Report) {
    report.finding(
        format_args!("client certificates, and no session id context, in {what}: libssl resumes nothing"),
        "have the program call SSL_CTX_set_session_id_context, or ask for no client certificates, which need none (PHP asks \
         unless its ssl option verify_peer is false)",
    );
}

/// Reports whether other contexts may resume the sessions of clients with certificates.
fn describe_reach(name: &str, context: &Context, report: &mut Report) {
    if context.is(Context::MADE_AFTER_FORK) {
        report.finding(
            format_args!("{name} asks for client certificates, and was made in this process alone: nobody else has its sessions"),
            "give the group a name of your own (SSLCACHE_GROUP=NAME), so that contexts which are alike share these, too",
        );
    } else {
        report.fine(format!(
            "{name} asks for client certificates: sessions of clients that show one are shared by fork alone, with the \
             processes that have this very context"
        ));
    }
}

/// True if somebody keeps the sessions of clients that take no tickets.
fn keeps_sessions(context: &Context) -> bool {
    let outside = SSL_SESS_CACHE_NO_INTERNAL_LOOKUP | SSL_SESS_CACHE_NO_INTERNAL_STORE;
    context.is(Context::FORCED)
        || context.mode & SSL_SESS_CACHE_SERVER != 0
            && (context.mode & outside == 0 || context.is(Context::CALLBACKS))
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

fn describe_tickets(name: &str, context: &Context, around: &Surroundings, report: &mut Report) {
    report.fine(format!(
        "{name} gives stateless tickets: clients that take them, and all of TLS 1.3, do not use the cache"
    ));
    let source = KeySource::of(context.keys).unwrap_or(KeySource::Untold);
    if let Some(reason) = source.reason() {
        report.fine(format!(
            "{name} makes its tickets with keys of its own: {reason}"
        ));
    }
    if around.shares_keys || source == KeySource::Program {
        return;
    }
    let what = match around.has_own_keys && context.is(Context::MADE_AFTER_FORK) {
        true => "was made in this process alone, with ticket keys that the others do not have",
        false => {
            "gives tickets that a reload or restart makes worthless, with keys that are never changed"
        }
    };
    report.finding(
        format_args!("{name} {what}"),
        "set SSLCACHE_TICKET_KEYS=shared, or switch tickets off (SSL_OP_NO_TICKET; nginx: ssl_session_tickets off;)",
    );
}
