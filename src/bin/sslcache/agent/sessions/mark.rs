//! The last news of each counter that is known to stand in the store, by which the store is known again.
//!
//! A store that has gone back to what it knew earlier counts on from there. Once other hosts have told it as much as it has
//! forgotten, its counters no longer show that; the news under the same number is another one then. News that is not there
//! shows nothing: it ends by itself, and a store without room lets go of it.

use super::digest_of;

/// News that stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub number: u64,
    pub digest: [u8; 32],
}

impl Mark {
    /// News of this number, which has this value in the store.
    pub fn new(number: u64, value: &[u8]) -> Self {
        Self {
            number,
            digest: digest_of(value),
        }
    }

    /// Whether a store that has counted so far, and has this value under the number of the news, may be the one that was told it.
    pub fn stands(&self, count: Option<u64>, value: Option<&[u8]>) -> bool {
        let is_same = value.is_none_or(|value| *self == Self::new(self.number, value));
        is_same && count.is_some_and(|count| count >= self.number)
    }
}

/// The latest mark of each counter, by its place among the counters.
#[derive(Clone, Debug, Default)]
pub struct Marks(Vec<Option<Mark>>);

impl Marks {
    pub fn of(&self, counter: usize) -> Option<&Mark> {
        self.0.get(counter)?.as_ref()
    }

    /// News was put into the store, or found there.
    pub fn note(&mut self, counter: usize, mark: Mark) {
        if self.0.len() <= counter {
            self.0.resize(counter + 1, None);
        }
        let known = &mut self.0[counter];
        if known
            .as_ref()
            .is_none_or(|known| known.number < mark.number)
        {
            *known = Some(mark);
        }
    }

    /// The store has gone back: nothing is known to stand there.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_has_gone_back_is_known_by_its_counter_or_its_news() {
        let mark = Mark::new(7, b"seventh");
        for (count, value, expected) in [
            (Some(7), Some(&b"seventh"[..]), true),
            (Some(8), Some(b"seventh"), true),
            (Some(6), Some(b"seventh"), false),
            (Some(6), None, false),
            (None, None, false),
            // It has caught up with news of other hosts.
            (Some(7), Some(b"another"), false),
            (Some(8), Some(b"another"), false),
            // The news has ended by itself.
            (Some(7), None, true),
            (Some(8), None, true),
        ] {
            assert_eq!(mark.stands(count, value), expected, "{count:?} {value:?}");
        }
    }

    #[test]
    fn the_latest_news_of_a_counter_is_known() {
        let mut marks = Marks::default();
        marks.note(1, Mark::new(7, b"seventh"));
        // Told in the other order.
        marks.note(1, Mark::new(6, b"sixth"));
        assert_eq!(marks.of(1), Some(&Mark::new(7, b"seventh")));
        assert_eq!((marks.of(0), marks.of(2)), (None, None));
        marks.forget();
        assert_eq!(marks.of(1), None);
    }
}
