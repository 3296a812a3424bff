//! The scope of a context: whether it shares with no other process, with its copies in the processes of its tree, or with
//! the contexts of a group. The question is asked anew by each operation, because a fork or a setter changes the answer.

use core::sync::atomic::Ordering;

use sha2::{Digest as _, Sha256};
use smallvec::{SmallVec, smallvec};

use super::common::{Common, common, partition_or_say};
use super::state::{Grouped, Scope};
use super::{migration, private};
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
            || partition.is_placed() && migration::settle(context, ctx, common, partition)
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
        return (*context.sharing.in_group.lock()?)?.partitions[client as usize]?;
    }
    let has_certificate = context.host.traits.SSL_CTX_get0_certificate?;
    // SAFETY: `ctx` is the SSL_CTX of `context`, which the caller keeps alive, and `can_be_asked` says that it is not being
    // freed.
    if unsafe { has_certificate(ctx) }.is_null() {
        return None; // the context is being set up, or is a client's
    }
    let rule = rule_of_context(context, ctx)?;
    let id_context = context.id_context.changes();
    let mut known = context.sharing.in_group.lock()?;
    let is_in_force =
        |known: &Grouped| known.rule.digest == rule.digest && known.id_context == id_context;
    if let Some(earlier) = known.filter(|known| !is_in_force(known)) {
        context.sharing.former.add(&earlier);
    }
    let mut grouped = known.filter(is_in_force).unwrap_or(Grouped {
        rule,
        id_context,
        partitions: [None; 2],
    });
    if let Some(place) = grouped.partitions[client as usize] {
        return place;
    }
    let id = id_in_group(context, &rule, client, context.settings);
    let partition = id.and_then(|id| partition_or_say(region, id, context.cache.capacity()));
    if let Some(partition) = partition
        && context.sharing.sized.load(Ordering::Relaxed)
    {
        partition.set_capacity(context.cache.capacity());
    }
    // Without a place yet, because the table was full or its lock not had in time, the next call tries again.
    let is_known = partition.map_or(id.is_none(), |partition| partition.is_placed());
    if is_known {
        grouped.partitions[client as usize] = Some(partition);
        *known = Some(grouped);
    }
    partition
}

/// The number of the group's partition, by all that its contexts have in common. `None` if these sessions are shared with
/// no other context: where clients are asked for certificates, only a group with a name shares.
fn id_in_group(
    context: &Context,
    rule: &Rule,
    client: Client,
    settings: &Settings,
) -> Option<PartitionId> {
    let name = match &settings.group {
        Group::Named(name) => name.as_bytes(),
        _ if client == Client::Certified => return None,
        _ => b"",
    };
    let id_context = context.id_context.get()?;
    let mut sum = Sha256::new();
    sum.update(b"sslcache group 5");
    sum.update(rule.digest);
    sum.update([client as u8, id_context.len() as u8]);
    sum.update(id_context);
    sum.update(name);
    let digest: [u8; 32] = sum.finalize().into();
    Some(PartitionId::named(u128::from_be_bytes(
        *digest.first_chunk()?,
    )))
}
