//! The verdict on a process tree, in one line: what sslcache brings it, and what would bring more.

use sslcache::context::key_source::KeySource;
use sslcache::host::abi::{SSL_OP_NO_TICKET, SSL_SESS_CACHE_SERVER, SSL_VERIFY_PEER};
use sslcache::page::reading::Process;
use sslcache::page::{Context, Figure, Sums};

use super::contexts::Surroundings;

/// What the verdict goes by.
pub struct Facts<'a> {
    /// The sums of all processes of the tree, the departed ones included.
    pub all: &'a Sums,
    /// The processes that have done handshakes.
    pub busy: &'a [&'a Process],
    pub around: &'a Surroundings,
    /// True if the program makes a context for each connection, or nearly so.
    pub makes_passing_contexts: bool,
    /// True if nginx gives its tickets keys from a file, or turns them itself.
    pub has_keys_of_program: bool,
}

impl Facts<'_> {
    fn contexts(&self) -> impl Iterator<Item = &Context> {
        let contexts = self.busy.iter().flat_map(|process| &process.contexts);
        contexts.filter(|context| context.accepted > 0)
    }

    fn gives_tickets(&self) -> bool {
        self.contexts()
            .any(|context| context.options & SSL_OP_NO_TICKET == 0)
    }

    fn has_keys_of_program(&self) -> bool {
        let of_program =
            |context: &Context| KeySource::of(context.keys) == Some(KeySource::Program);
        self.has_keys_of_program || self.contexts().any(of_program)
    }

    /// True if several processes have made contexts of their own after the fork.
    fn makes_contexts_after_fork(&self) -> bool {
        let has_own = |process: &&&Process| {
            let mut contexts = process.contexts.iter();
            contexts.any(|context| context.accepted > 0 && context.is(Context::MADE_AFTER_FORK))
        };
        self.busy.iter().filter(has_own).count() > 1
    }

    fn is_unidentified(&self) -> bool {
        let asks = |context: &Context| u32::from(context.verify) & SSL_VERIFY_PEER as u32 != 0;
        self.contexts()
            .any(|context| asks(context) && context.id_context == 0)
            || self.all.get(Figure::UnidentifiedGone) > 0
    }

    fn has_no_cache(&self) -> bool {
        let is_off = |context: &Context| context.mode & SSL_SESS_CACHE_SERVER == 0;
        self.contexts().any(|context| {
            is_off(context) && !context.is(Context::FORCED) && !context.is(Context::CALLBACKS)
        })
    }

    /// What would bring more, most of it first.
    fn remedy(&self) -> Option<&'static str> {
        let around = self.around;
        Some(if self.is_unidentified() {
            "libssl resumes none of its clients: it asks for certificates, and has set no session id context"
        } else if self.gives_tickets() && self.has_keys_of_program() {
            return None; // its tickets are the program's, and TLS 1.3 has nothing else
        } else if self.gives_tickets() && !around.shares_keys {
            "set SSLCACHE_TICKET_KEYS=shared: it gives tickets, whose keys end with a reload"
        } else if !around.is_grouped && self.makes_passing_contexts {
            "set SSLCACHE_GROUP=certificate: it makes a context for each connection"
        } else if !around.is_grouped && self.makes_contexts_after_fork() {
            "set SSLCACHE_GROUP=certificate: each process has made contexts of its own"
        } else if self.has_no_cache() && !self.gives_tickets() {
            "set SSLCACHE_FORCE=1: the program has switched its session cache off"
        } else if !around.outlives_processes {
            "set SSLCACHE_REGION=FILE to keep them over a restart, too (of a service: sslcache enable --force UNIT region=auto)"
        } else {
            return None;
        })
    }
}

/// The verdict.
pub fn on(facts: &Facts<'_>) -> String {
    let figure = |figure| facts.all.get(figure);
    let connects = figure(Figure::Connects);
    let served = figure(Figure::Handshakes).saturating_sub(connects);
    if served == 0 {
        return match connects {
            0 => "nothing can be told yet: it has served no client".to_owned(),
            _ => "it is a client only: sslcache keeps nothing for it that libssl would not"
                .to_owned(),
        };
    }
    let resumed = figure(Figure::Resumed).min(served);
    let shared = figure(Figure::HitsRegion)
        .saturating_add(figure(Figure::TicketsOpenedShared))
        .min(resumed);
    let gain = match shared {
        0 => "none of them by what processes share".to_owned(),
        _ => format!("up to {shared} of them by what sslcache shares between processes"),
    };
    let by_id = facts.all.hits().min(resumed);
    let mut verdict = format!(
        "{resumed} of {served} handshakes were resumed ({} %: {by_id} by id, {} by ticket), {gain}",
        resumed.saturating_mul(100) / served,
        resumed - by_id
    );
    match facts.remedy() {
        Some(remedy) => verdict += &format!("; {remedy}"),
        None if facts.gives_tickets() && facts.has_keys_of_program() => {
            verdict +=
                "; its tickets have keys of the program's own, to which sslcache adds nothing";
        }
        None => {}
    }
    verdict
}
