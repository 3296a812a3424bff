//! The last news of each counter that is known to stand in the store, by which the store is known again.
//!
//! A store that has gone back to what it knew earlier counts on from there. Once other hosts have told it as much as it has
//! forgotten, its counters no longer show that; the news under the same number is another one then.

use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};

/// News that has been known for longer may be gone from the store by itself. It may have been old when it was heard.
const STAYS: Duration = Duration::from_secs(60);

/// News that stands in the store.
#[derive(Clone, Debug)]
pub struct Mark {
    /// Which counter has counted it.
    pub counter: usize,
    pub number: u64,
    digest: [u8; 32],
    since: Instant,
}

/// What a store says of a mark.
pub struct Seen<'a> {
    /// The number at which the counter stands.
    pub count: Option<u64>,
    /// The value of the news, where it was asked for.
    pub value: Option<Option<&'a [u8]>>,
}

impl Mark {
    /// Whether the store still knows the news, or has forgotten it in due time.
    fn stands(&self, seen: &Seen<'_>, now: Instant) -> bool {
        let is_same = match seen.value {
            None => true,
            Some(None) => now - self.since >= STAYS,
            Some(Some(value)) => digest_of(value) == self.digest,
        };
        is_same && seen.count.is_some_and(|count| count >= self.number)
    }
}

/// The latest mark of each counter.
#[derive(Clone, Default)]
pub struct Marks(Vec<Mark>);

impl Marks {
    /// News of this number and value was put into the store, or found there.
    pub fn note(&mut self, counter: usize, number: u64, value: &[u8], now: Instant) {
        let mark = Mark {
            counter,
            number,
            digest: digest_of(value),
            since: now,
        };
        match self.0.iter_mut().find(|known| known.counter == counter) {
            Some(known) if known.number >= number => {}
            Some(known) => *known = mark,
            None => self.0.push(mark),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Mark> {
        self.0.iter()
    }

    /// Whether the store, seen so for this counter, is the one that was told all that is known of it.
    pub fn stand(&self, counter: usize, seen: &Seen<'_>, now: Instant) -> bool {
        let mut of_counter = self.0.iter().filter(|mark| mark.counter == counter);
        of_counter.all(|mark| mark.stands(seen, now))
    }

    /// The store has gone back: nothing is known to stand there.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

fn digest_of(value: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, value).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_has_gone_back_is_known_by_its_counter_or_its_news() {
        let now = Instant::now();
        let mut marks = Marks::default();
        marks.note(1, 7, b"seventh", now);
        // Told in the other order.
        marks.note(1, 6, b"sixth", now);
        marks.note(0, 9, b"another counter's", now);
        for (count, value, later, expected) in [
            (Some(7), None, 0, true),
            (Some(8), None, 0, true),
            (Some(6), None, 0, false),
            (None, None, 0, false),
            (Some(7), Some(Some(&b"seventh"[..])), 0, true),
            (Some(8), Some(Some(b"seventh")), 0, true),
            // It has caught up with news of other hosts.
            (Some(7), Some(Some(b"another")), 0, false),
            (Some(8), Some(Some(b"another")), 0, false),
            (Some(8), Some(Some(b"sixth")), 0, false),
            (Some(8), Some(None), 0, false),
            (Some(8), Some(None), 60, true),
            (Some(6), Some(None), 60, false),
        ] {
            let seen = Seen { count, value };
            let then = now + Duration::from_secs(later);
            assert_eq!(
                marks.stand(1, &seen, then),
                expected,
                "{count:?} {value:?} {later}"
            );
        }
        marks.forget();
        let empty = Seen {
            count: None,
            value: None,
        };
        assert!(marks.stand(1, &empty, now));
    }
}
