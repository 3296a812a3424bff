//! The scope of a context: whether it shares with no other process, with its copies in the processes of its tree, or with
//! the contexts of a group. The question is asked anew by each operation, because a fork or a setter changes the answer.

use core::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};
use smallvec::{SmallVec, smallvec};

use super::common::{Common, common, partition_or_say};
use super::state::{Grouped, InGroup, Realm, Scope, number_of};
use super::{abroad, migration, private};
use crate::config::{Group, Settings};
use crate::context::Context;
use crate::context::alike::decide::rule_of_context;
use crate::context::alike::rule::{Client, Rule};
use crate::host::types::SSL_CTX;
use crate::shm::{Partition, PartitionId, Region};
use crate::sys::guard::attempt;

/// The scope for sessions of connections that ask their clients for a certificate or not, as `client` says.
pub fn of(context: &Context, ctx: *mut SSL_CTX, client: Client) -> Scope {
    let Some(common) = common() else {
        return Scope::Own;
    };
    if context.may_group()
        && let Some(partition) =
            attempt(|| partition_in_group(context, ctx, &common.region, client))
    {
        return Scope::Shared(partition);
    }
    alone(context, ctx, common)
}

/// All scopes in which the context may have sessions: several in a group, whose partitions differ by [`Client`]. What was
/// withdrawn from them is private when this returns, so that an operation which counts or lists both misses none.
pub fn each(context: &Context, ctx: *mut SSL_CTX) -> SmallVec<[Scope; 2]> {
    private::own_private(context, ctx);
    let Some(common) = common().filter(|_| context.may_group()) else {
        return smallvec![of(context, ctx, Client::Anybody)];
    };
    let in_group = |client| attempt(|| partition_in_group(context, ctx, &common.region, client));
    let both = [Client::Anybody, Client::Certified].map(in_group);
    let partitions = both.into_iter().flatten();
    let mut scopes: SmallVec<[Scope; 2]> = partitions.map(Scope::Shared).collect();
    if scopes.len() < both.len() {
        scopes.push(alone(context, ctx, common));
    }
    scopes
}

/// The scope of a context that shares only with its copies in other processes.
fn alone(context: &Context, ctx: *mut SSL_CTX, common: &'static Common) -> Scope {
    let Some(id) = context.sharing.id.filter(|_| context.has_forked()) else {
        return Scope::Own;
    };
    let Some(partition) = attempt(|| partition_alone(context, &common.region, id)) else {
        return Scope::Own; // the table of partitions is full
    };
    let is_settled = || {
        context.sharing.settled.load(Ordering::Acquire)
            || partition.is_placed() && migration::settle(context, ctx, partition)
    };
    if is_settled() {
        Scope::Shared(partition)
    } else {
        Scope::Unsettled(partition)
    }
}

fn partition_alone(
    context: &Context,
    region: &'static Region,
    id: PartitionId,
) -> Option<Partition<'static>> {
    let alone = &context.sharing.alone;
    if let Some(&partition) = alone.get() {
        return Some(partition);
    }
    let partition = partition_or_say(region, id, context.cache.capacity())?;
    if partition.is_placed() {
        let _ = alone.set(Box::new(partition)); // another thread has set the same
    }
    Some(partition)
}

fn partition_in_group(
    context: &Context,
    ctx: *mut SSL_CTX,
    region: &'static Region,
    client: Client,
) -> Option<Partition<'static>> {
    if !context.may_group() {
        return None;
    }
    if !context.can_be_asked() {
        return (*context.sharing.in_group.lock()?)?.partitions[client as usize]?
            .map(|place| place.partition);
    }
    let certificate = context.host.traits.SSL_CTX_get0_certificate?;
    // SAFETY: `ctx` is the SSL_CTX of `context`, which the caller keeps alive, and `can_be_asked` says that it is not being
    // freed. Without a certificate the context is being set up, or is a client's.
    let has_certificate = !unsafe { certificate(ctx) }.is_null();
    let rule = has_certificate
        .then(|| rule_of_context(context, ctx))
        .flatten();
    let id_context = context.id_context.changes();
    let mode = abroad::mode(context);
    let is_in_force = |known: &Grouped| {
        rule.is_some_and(|rule| known.rule.digest == rule.digest)
            && (known.mode, known.id_context) == (mode, id_context)
    };
    let mut known = context.sharing.in_group.lock()?;
    // Also where the context is in no group any more: its sessions may yet be removed.
    if let Some(earlier) = known.filter(|known| !is_in_force(known)) {
        *known = None;
        drop(known);
        for forgotten in context.sharing.former.add(&earlier) {
            forget(context, &forgotten);
        }
        known = context.sharing.in_group.lock()?;
    }
    let rule = rule?;
    let mut grouped = known.filter(is_in_force).unwrap_or(Grouped {
        rule,
        mode,
        id_context,
        partitions: [None; 2],
    });
    if let Some(place) = grouped.partitions[client as usize] {
        return place.map(|place| place.partition);
    }
    let realm = realm_in_group(context, &rule, mode, client, context.settings);
    let find = |realm| partition_or_say(region, number_of(&realm), context.cache.capacity());
    let partition = realm.and_then(find);
    if let Some(partition) = partition
        && context.sharing.sized.load(Ordering::Relaxed)
    {
        partition.set_capacity(context.cache.capacity());
    }
    // Without a place yet, because the table was full or its lock not had in time, the next call tries again.
    let is_known = partition.map_or(realm.is_none(), |partition| partition.is_placed());
    if is_known {
        let place = partition.zip(realm);
        let place = place.map(|(partition, realm)| InGroup { partition, realm });
        grouped.partitions[client as usize] = Some(place);
        *known = Some(grouped);
    }
    partition
}

/// Ends the sessions of a partition that the context can no longer remove any from.
fn forget(context: &Context, place: &InGroup) {
    abroad::flush_realm(context, &place.realm);
    attempt(|| Some(place.partition.flush(None)));
}

/// What names the group's partition: all that its contexts have in common. `None` if these sessions are shared with no other
/// context: where clients are asked for certificates, only a group with a name shares.
fn realm_in_group(
    context: &Context,
    rule: &Rule,
    mode: u8,
    client: Client,
    settings: &Settings,
) -> Option<Realm> {
    let name = match &settings.group {
        Group::Named(name) => name.as_bytes(),
        _ if client == Client::Certified => return None,
        _ => b"",
    };
    let id_context = context.id_context.get()?;
    let mut sum = Sha256::new();
    sum.update(b"sslcache group 6");
    sum.update([mode]);
    sum.update(rule.digest);
    sum.update([client as u8, id_context.len() as u8]);
    sum.update(id_context);
    sum.update(name);
    Some(sum.finalize().into())
}
