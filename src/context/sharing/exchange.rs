//! Sessions on their way into the region and out of it. A record is the [`Tag`] of the connections that may resume the
//! session, followed by the session as DER.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::cache::{Expiry, Key};
use crate::context::Context;
use crate::context::alike::rule::{Client, Tag, Terms};
use crate::context::session::expiry_of;
use crate::host::SessionRef;
use crate::host::record::Record;
use crate::shm::Partition;
use crate::sys::guard::attempt;

/// Whether this process has ever put a session into the region or looked for one there.
static SHARED: AtomicBool = AtomicBool::new(false);

/// Notes that the region is used for sessions.
pub fn note_shared() {
    // Relaxed: a thread that holds a shared session sees what was stored before it got that session.
    if !SHARED.load(Ordering::Relaxed) {
        SHARED.store(true, Ordering::Relaxed);
    }
}

/// Whether any context of this process may have a session that other processes have, too.
pub fn any_is_shared() -> bool {
    SHARED.load(Ordering::Relaxed)
}

/// Encodes a session and passes the record to `put`; `true` if the region has it for certain. Without a tag, the session
/// is only for processes that have a copy in their own cache already.
pub fn publish(
    session: &SessionRef,
    tag: Option<Tag>,
    put: impl FnOnce(&[u8], Expiry) -> bool,
) -> bool {
    note_shared();
    attempt(|| {
        let record = tagged(tag, session.encode())?;
        put(&record, expiry_of(session)).then_some(())
    })
    .is_some()
}

/// Removes the record of `key`, and returns whether there was one. `None` if the region could not get its lock in time:
/// no later look-up finds the record, but another process may be consuming it now.
pub fn remove_shared(partition: Partition<'static>, key: &Key) -> Option<bool> {
    attempt(|| partition.remove(key))
}

/// The tag of a session that is only for processes that have a copy already: it fits no connection.
pub const FOR_NOBODY: Tag = Tag([0; 32]);

/// The record of a session: its tag and its DER. `None` without memory.
pub fn tagged(tag: Option<Tag>, der: Option<Record>) -> Option<Record> {
    let der = der?;
    let mut record = Record::default();
    record
        .try_reserve_exact(size_of::<Tag>() + der.len())
        .ok()?;
    record.extend_from_slice(&tag.unwrap_or(FOR_NOBODY).0);
    record.extend_from_slice(&der);
    Some(record)
}

/// The DER of a record, if its session is for connections with this tag.
pub fn der_of(record: &[u8], tag: Tag) -> Option<&[u8]> {
    let (&of, der) = record.split_first_chunk()?;
    (Tag(of) == tag && tag != FOR_NOBODY).then_some(der)
}

/// Whether a session must stay in its process: it has ex_data of the application, or carries the certificate of a client
/// although connections on these terms are asked for none.
pub fn must_stay(context: &Context, session: &SessionRef, terms: &Terms) -> bool {
    session.has_application_data()
        || terms.client == Client::Anybody && session.has_peer_certificate(context.host)
}
