//! Sessions on their way to the region and out of it: records, each with the tag of those that it is for.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::cache::{Expiry, Key};
use crate::context::alike::rule::Tag;
use crate::context::session::expiry_of;
use crate::host::SessionRef;
use crate::host::record::Record;
use crate::shm::Partition;
use crate::sys::guard::attempt;

/// Whether sessions were ever put where other processes have them, or came from there.
static SHARED: AtomicBool = AtomicBool::new(false);

/// Notes that it was so.
pub fn note_shared() {
    // Relaxed: it is asked by threads that have seen such a session.
    if !SHARED.load(Ordering::Relaxed) {
        SHARED.store(true, Ordering::Relaxed);
    }
}

/// Whether any context may have a session that other processes have, too.
pub fn any_is_shared() -> bool {
    SHARED.load(Ordering::Relaxed)
}

/// Gives a session to the region, by `put`; whether it has it for sure. One without a tag is for those alone who have
/// a copy already.
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

/// Removes what the region has; whether it had it. `None` where it has no time: nobody finds it from now on, but
/// another process may be taking it.
pub fn remove_shared(partition: Partition<'static>, key: &Key) -> Option<bool> {
    attempt(|| partition.remove(key))
}

/// The tag of a session that is for those alone who have a copy already.
pub const FOR_NOBODY: Tag = Tag([0; 16]);

/// What the region keeps of a session: for whom it is, and the session.
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

/// The session in a record, if it is for connections of this tag.
pub fn der_of(record: &[u8], tag: Tag) -> Option<&[u8]> {
    let (&of, der) = record.split_first_chunk()?;
    (Tag(of) == tag && tag != FOR_NOBODY).then_some(der)
}
