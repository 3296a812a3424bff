//! Migration: one process puts the sessions that were cached before a fork into the region; the others wait for it.
//!
//! The process is chosen by an election. If it dies or is slow, a process that has waited for [`MIGRATION_TIMEOUT`] ends
//! the migration, and no process migrates anything afterwards.

use core::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{exchange, private};
use crate::cache::ClientHistory;
use crate::context::Context;
use crate::context::session::{expiry_of, key_of, now};
use crate::host::SessionRef;
use crate::host::types::SSL_CTX;
use crate::shm::{Partition, Turn};

/// At most this many sessions are migrated, which takes a tenth of a second once in the life of a context. The others
/// stay in each process as inherited sessions.
const MIGRATED_MOST: usize = 20_480;

/// A process waits for a migration no longer than this: the migrating process has died or is too slow.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Migrates the sessions that were cached before the fork, or keeps them as inherited. `false` while another process
/// migrates them.
#[cold]
pub fn settle(context: &Context, ctx: *mut SSL_CTX, partition: Partition<'static>) -> bool {
    let sharing = &context.sharing;
    let election = sharing.election.get().copied().flatten();
    match election {
        // The parent does not know this process and goes on alone until it sees the observer: of the sessions that both
        // have, neither may consume one.
        Some(election) if sharing.made.was_forked_unseen() => {
            election.note_observer();
            keep_inherited(context, ctx, |_| true);
        }
        Some(election) => match election.begin() {
            Turn::Ours => {
                migrate(context, ctx, partition, &|| election.is_under_way());
                election.end();
            }
            Turn::Theirs if waits(context) => return false,
            Turn::Theirs | Turn::Over => {
                // A session that is removed from now on must not come back.
                election.end();
                keep_inherited(context, ctx, |session| session.has_application_data());
            }
        },
        // Either nothing was cached before the fork, or no election was left.
        None => keep_inherited(context, ctx, |_| true),
    }
    // Release: a thread that sees `settled` sees the sessions where they are now.
    sharing.settled.store(true, Ordering::Release);
    true
}

/// Whether this process goes on waiting for the migrating one. The time runs from the first call.
fn waits(context: &Context) -> bool {
    let since = context
        .sharing
        .waiting_since
        .get_or_init(|| Box::new(Instant::now()));
    since.elapsed() < MIGRATION_TIMEOUT
}

/// Moves the `wanted` sessions of the own cache to the inherited private ones.
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

/// Puts the sessions cached before the fork into the region, while `may` says that the migration has not been ended by
/// another process.
fn migrate(
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
            // A removal takes the session out of the own cache first and out of the region afterwards, so one of the two
            // threads sees the other's change.
            if !is_cached() {
                exchange::remove_shared(partition, &key);
            }
        } else if !may() {
            return keep_inherited(context, ctx, |session| session.has_application_data());
        } else {
            let to = match exchange::remove_shared(partition, &key) {
                Some(_) => private::own_private(context, ctx),
                None => context.inherited_private(), // another process may have it
            };
            private::make_private(context, ctx, &session, &context.cache, to);
        }
    }
}
