//! What was cached before a fork: one process hands it over, the others wait for that one.

use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::common::Common;
use super::{exchange, private};
use crate::cache::ClientHistory;
use crate::context::Context;
use crate::context::session::{expiry_of, key_of, now};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::shm::{Partition, Turn};

/// How many sessions of before the fork are handed over: a tenth of a second, once in the life of a context. Those
/// beyond stay in each process as it has inherited them.
const MIGRATED_MOST: usize = 20_480;

/// After this nobody waits any more for a process that hands over: it has died, or comes too late.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Deals with what was cached before the fork; whether that is done.
#[cold]
pub fn settle(
    context: &Context,
    ctx: *mut SSL_CTX,
    common: &Common,
    partition: Partition<'static>,
) -> bool {
    let sharing = &context.sharing;
    let election = sharing.election.get().copied().flatten();
    match election {
        // Its parent goes on by itself until it sees that there is somebody: what the two have in common is used
        // up by neither.
        Some(election) if sharing.made.was_forked_unseen() => {
            common.elections.note_observer(election);
            keep_inherited(context, ctx, |_| true);
        }
        Some(election) => match common.elections.begin(election) {
            Turn::Ours => {
                migrate(context, ctx, partition, &|| {
                    common.elections.is_under_way(election)
                });
                common.elections.end(election);
            }
            Turn::Theirs if waits(context) => return false,
            Turn::Theirs | Turn::Over => {
                // What is removed from now on is not to come back.
                common.elections.end(election);
                keep_inherited(context, ctx, |session| session.has_application_data());
            }
        },
        None => keep_inherited(context, ctx, |_| true), // nothing, unless there were no lots left
    }
    // Release: whoever sees it sees what was done.
    sharing.settled.store(true, Ordering::Release);
    true
}

/// Whether there is time to wait for the process that hands over; it begins with the first question.
pub fn waits(context: &Context) -> bool {
    let since = context
        .sharing
        .waiting_since
        .get_or_init(|| Box::new(Instant::now()));
    since.elapsed() < MIGRATION_TIMEOUT
}

/// Makes those of the inherited sessions private that are `wanted`.
fn keep_inherited(context: &Context, ctx: *mut SSL_CTX, wanted: impl Fn(&SessionRef) -> bool) {
    let Some(batches) = context.with_cache(|cache| cache.iter()) else {
        return;
    };
    for session in batches.flatten().filter(wanted) {
        private::make_private(
            context,
            ctx,
            &session,
            &context.cache,
            context.inherited_private(),
        );
    }
}

/// Gives the region what was cached before the fork, while it `may`: nobody has given up waiting.
pub fn migrate(
    context: &Context,
    ctx: *mut SSL_CTX,
    partition: Partition<'static>,
    may: &dyn Fn() -> bool,
) {
    let Some(batches) = context.with_cache(|cache| cache.iter()) else {
        return;
    };
    let mut left = MIGRATED_MOST;
    for session in batches.flatten() {
        let Some(key) = key_of(&session) else {
            continue;
        };
        let is_cached = || {
            let expiry = expiry_of(&session);
            context.with_cache(|cache| cache.set_expiry_if_same(&key, &session, expiry))
                == Some(true)
        };
        let put = |record: &[u8], expiry| {
            let what = (&key, session.digest(), record);
            partition.put_while(what, expiry, ClientHistory::New, may, now())
        };
        if !is_cached() {
            continue;
        }
        let stays = session.has_application_data();
        if left > 0 && !stays && exchange::publish(&session, None, put) {
            left -= 1;
            // A removal takes the session from the own cache first, and from the region then.
            if !is_cached() {
                exchange::remove_shared(partition, &key);
            }
        } else if !may() {
            return keep_inherited(context, ctx, |session| session.has_application_data());
        } else {
            let to = match exchange::remove_shared(partition, &key) {
                Some(_) => private::own_private(context, ctx),
                None => context.inherited_private(), // others may have it
            };
            private::make_private(context, ctx, &session, &context.cache, to);
        }
    }
}
