//! Sessions of the fleet: what this process tree tells the agent of its own, and asks it for.
//!
//! Only sessions of a group go abroad, and only under ids that the [fleet](crate::context::fleet::ids) has made. A session of
//! another host comes as the same record as one of another process, and passes the same examination: its tag is compared.
//!
//! * **Removals** are told to the agent, and the agent tells those of other hosts as news, which each process applies to the
//!   region before it uses that.
//! * **Early data.** A session for early data leaves its host only if the settings say so. Then each use of it, at home too,
//!   is a take at the store, so that it is used once on all hosts; in doubt it is not used.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use super::common::common;
use super::exchange::{must_stay, tagged};
use super::missed;
use super::state::{Realm, Scope, number_of};
use crate::cache::{Expiry, Key};
use crate::config::EarlyData;
use crate::context::Context;
use crate::context::alike::rule::Terms;
use crate::context::fleet::{self, ids};
use crate::context::session::{Usage, expiry_of, key_of, now};
use crate::host::SessionRef;
use crate::host::record::Record;
use crate::host::types::SSL_SESSION;
use crate::mailbox::{Mailbox, News, Request, SessionName};
use crate::shm::Partition;
use crate::sys::guard::attempt;

/// A copy of another host's session is kept so long, in seconds: should its removal never arrive here, it ends with that.
const FOREIGN_SECONDS: i64 = 30;

/// The expiry in this host's region of a session of another host.
pub fn foreign_expiry(session: &SessionRef, now: i64) -> Expiry {
    Expiry::at(
        expiry_of(session)
            .secs()
            .min(now.saturating_add(FOREIGN_SECONDS)),
    )
}

/// The mailbox, for a context whose sessions may go abroad, or may have gone.
fn mailbox_of(context: &Context) -> Option<&'static Mailbox> {
    fleet::mailbox().filter(|_| context.settings.share_with_hosts())
}

/// The mailbox, for a context whose sessions go abroad now.
fn mailbox_for(context: &Context) -> Option<&'static Mailbox> {
    mailbox_of(context).filter(|_| !context.sharing.has_own_ids.load(Relaxed))
}

/// Whether the sessions of a context go to other hosts, unless the application makes their ids.
pub fn goes_abroad(context: &Context) -> bool {
    mailbox_of(context).is_some()
}

/// Whether sessions leave the host, and those for early data, too: a part of the realm. A process that does not ask at the store
/// must not meet sessions that may have been used or removed there, as in a region in a file.
pub fn mode(context: &Context) -> u8 {
    match (mailbox_for(context), context.settings.early_data) {
        (None, _) => 0,
        (Some(_), EarlyData::Home) => 1,
        (Some(_), EarlyData::Fleet) => 2,
    }
}

/// The name of a session on all hosts; `None` if `may` says of its id that the session is at home only.
fn name_of(
    context: &Context,
    partition: &Partition<'_>,
    key: &Key,
    may: impl FnOnce(&[u8]) -> bool,
) -> Option<SessionName> {
    let realm = context.realm_of(partition)?;
    key.with_id(|id| may(id).then(|| SessionName::new(realm, key.version(), id)))?
}

fn is_of_fleet(id: &[u8]) -> bool {
    ids::is_of_fleet(id, now())
}

/// Offers a session to the other hosts, if the region has it. Nobody waits for that.
pub fn export(context: &Context, scope: Scope, session: &SessionRef, terms: &Terms) {
    attempt(|| {
        let (Some(partition), Some(tag)) = (scope.partition(), terms.shared_tag()) else {
            return None;
        };
        let mailbox = mailbox_for(context).filter(|mailbox| mailbox.is_served())?;
        let is_used_once = session.allows_early_data();
        let may_leave = !is_used_once || may_be_taken(context, mailbox);
        if !may_leave || must_stay(context, session, terms) || session.is_marked_not_resumable() {
            return None;
        }
        // The region's record is what tells this host that the session was withdrawn, removed or used.
        let key = key_of(session)?;
        if partition.holds(&key, session.digest(), now()) != Some(true) {
            return None;
        }
        let name = name_of(context, &partition, &key, is_of_fleet)?;
        let told = mailbox.tell(&Request::Put {
            name: &name,
            made: session.time_and_timeout().0,
            expiry: expiry_of(session).secs(),
            is_used_once,
            record: &tagged(Some(tag), session.encode())?,
        });
        let counter = match told {
            Ok(()) => &context.counters.fleet_told,
            Err(_) => &context.counters.fleet_untold,
        };
        counter.fetch_add(1, Relaxed);
        Some(())
    });
}

/// Whether sessions for early data may be used on other hosts.
fn may_be_taken(context: &Context, mailbox: &Mailbox) -> bool {
    context.settings.early_data == EarlyData::Fleet && mailbox.serves_early_data()
}

/// Asks the other hosts for a session. True if `record` is one.
pub fn find(
    context: &Context,
    partition: &Partition<'_>,
    key: &Key,
    usage: Usage,
    record: &mut Record,
) -> bool {
    attempt(|| {
        let mailbox = mailbox_for(context)?;
        let name = name_of(context, partition, key, is_of_fleet)?;
        if usage.consumes() && !may_be_taken(context, mailbox) {
            return None;
        }
        let request = match usage.consumes() {
            true => Request::Take(&name),
            false => Request::Look(&name),
        };
        if missed::has(&name, now()) {
            return None;
        }
        match ask(context, mailbox, &request, record) {
            Some(true) => Some(()),
            Some(false) => {
                missed::note(&name, now());
                None
            }
            None => None,
        }
    })
    .is_some()
}

/// Whether a session that was consumed on this host may be used: one that other hosts may have, too, has to be taken at the
/// store.
pub fn may_use(
    context: &Context,
    partition: &Partition<'_>,
    key: &Key,
    session: &SessionRef,
) -> bool {
    if context.settings.early_data == EarlyData::Home || !session.allows_early_data() {
        return true;
    }
    let Some(mailbox) = mailbox_for(context) else {
        return true; // of those that it shares now, none has ever left this host
    };
    attempt(|| {
        // Its id may be of a key that has ended here and not everywhere: whether the session has left is not asked.
        let name = name_of(context, partition, key, |_| true)?;
        let mut record = Record::default();
        (ask(context, mailbox, &Request::Take(&name), &mut record) == Some(true)).then_some(())
    })
    .is_some()
}

thread_local! {
    /// The session that this thread is about to [`export`], while the application is told of it.
    static ANNOUNCED: Cell<*const SSL_SESSION> = const { Cell::new(ptr::null()) };
}

/// Runs `begin`, which adds a new session and tells the application of it. For what the application changes in it by then it
/// need not be [withdrawn](withdraw): the session goes abroad afterwards.
pub fn while_announced<T>(session: *const SSL_SESSION, begin: impl FnOnce() -> T) -> T {
    struct Restore(*const SSL_SESSION);
    impl Drop for Restore {
        fn drop(&mut self) {
            ANNOUNCED.set(self.0);
        }
    }
    let _restore = Restore(ANNOUNCED.replace(session));
    begin()
}

fn is_announced(session: &SessionRef) -> bool {
    ptr::eq(ANNOUNCED.get(), session.as_ptr())
}

/// Whether other hosts may have this session: a change to it has to reach them, whatever holds it here.
pub fn may_have_left(session: &SessionRef) -> bool {
    fleet::mailbox().is_some()
        && !is_announced(session)
        && ids::may_be_of_fleet(session.identity().0)
}

/// Takes back a session that the application has changed: other hosts would resume it without the change. False if one of them
/// may have used it up.
pub fn withdraw(
    context: &Context,
    partition: &Partition<'_>,
    key: &Key,
    session: &SessionRef,
) -> bool {
    let is_only_here = is_announced(session) || may_use(context, partition, key, session);
    withdraw_copies(context, partition, key, session);
    is_only_here
}

/// Takes back the copies that other hosts may have.
pub fn withdraw_copies(
    context: &Context,
    partition: &Partition<'_>,
    key: &Key,
    session: &SessionRef,
) {
    if !is_announced(session) {
        remove(context, partition, key);
    }
}

/// Asks the agent and waits for its answer, whether there is one; `None` in doubt.
fn ask(
    context: &Context,
    mailbox: &Mailbox,
    request: &Request<'_>,
    record: &mut Record,
) -> Option<bool> {
    if !mailbox.is_served() {
        return None;
    }
    let answer = mailbox.ask(request, context.settings.agent_wait, record);
    let counter = match answer {
        Ok(_) => &context.counters.fleet_answered,
        Err(_) => &context.counters.fleet_unanswered,
    };
    counter.fetch_add(1, Relaxed);
    answer.ok()
}

/// Tells the other hosts that a session is removed. The mailbox keeps that for as long as it takes.
pub fn remove(context: &Context, partition: &Partition<'_>, key: &Key) {
    attempt(|| {
        let mailbox = mailbox_of(context)?;
        let name = name_of(context, partition, key, ids::may_be_of_fleet)?;
        tell(context, mailbox, &Request::Remove(&name));
        Some(())
    });
}

/// Tells the other hosts that all sessions of a partition are flushed.
pub fn flush(context: &Context, partition: &Partition<'_>) {
    if let Some(realm) = attempt(|| context.realm_of(partition)) {
        flush_realm(context, &realm);
    }
}

/// Tells the other hosts that all sessions of a realm are flushed.
pub fn flush_realm(context: &Context, realm: &Realm) {
    attempt(|| {
        let until = now();
        tell(
            context,
            mailbox_of(context)?,
            &Request::Flush { realm, until },
        );
        Some(())
    });
}

fn tell(context: &Context, mailbox: &Mailbox, request: &Request<'_>) {
    if mailbox.tell(request).is_err() {
        context.failed(); // nobody asks until the agent has seen to that
    }
}

/// Applies to the region what other hosts have removed and flushed, before the region is used. Returns what
/// [`follow_news_since`] takes.
pub fn follow_news(context: &Context) -> u64 {
    let seen = mailbox_of(context).map_or(0, Mailbox::applied_news);
    follow_news_since(context, seen);
    seen
}

/// Applies the news since those that had been `seen`: for a session that came from abroad meanwhile.
///
/// What one process has applied to the region of its tree is applied; two that do so at once do no harm.
pub fn follow_news_since(context: &Context, mut seen: u64) {
    let (Some(mailbox), Some(common)) = (mailbox_of(context), common()) else {
        return;
    };
    if mailbox.latest_news() == seen {
        return;
    }
    let region = &common.region;
    attempt(|| {
        mailbox.news(&mut seen, |news| match news {
            News::Removed(name) => {
                let partition = region.partition_if_any(number_of(name.realm()));
                let key = Key::new(name.id(), name.version().into());
                if let (Some(partition), Some(key)) = (partition, key) {
                    partition.remove(&key);
                }
            }
            News::Flushed(realm) => {
                if let Some(partition) = region.partition_if_any(number_of(&realm)) {
                    partition.flush(None);
                }
            }
            News::Lost => {
                region.flush();
            }
        });
        mailbox.note_applied(seen);
        Some(())
    });
}
