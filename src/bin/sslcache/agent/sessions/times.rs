//! The clock, and for how long things are in the store.

use std::time::Duration;

use crate::agent::state::now;

/// A generation, which agents put again where it is gone, is there for longer than any session.
pub const GENERATION_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// A tombstone outlasts a session that was put before it, by the clock of any host, and one that is on its way.
pub const LONGER: Duration = Duration::from_secs(3600);

/// The present second since 1970.
pub fn seconds() -> i64 {
    i64::try_from(now()).unwrap_or(i64::MAX)
}

/// A generation later than this one: the millisecond since 1970, so that one that was lost does not come back.
pub fn after(last: u64) -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    u64::try_from(millis)
        .unwrap_or(0)
        .max(last.saturating_add(1))
}
