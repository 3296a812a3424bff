//! How far the news is known, and what is to be done about that. Told what the counter says.

use std::time::Instant;

/// The most news that is caught up with.
const MOST: u64 = 256;

/// A place in the news that one counter counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nobody has looked yet.
    Unknown,
    /// There was no counter.
    Gone,
    /// All up to this number is known; the next one is awaited since then.
    At(u64, Option<Instant>),
}

impl Place {
    /// All up to what the counter says is known, or of no use.
    pub fn since(number: Option<u64>) -> Self {
        number.map_or(Self::Gone, |number| Self::At(number, None))
    }

    /// The same, as it is kept.
    pub fn without_time(self) -> Self {
        match self {
            Self::At(number, _) => Self::At(number, None),
            other => other,
        }
    }
}

/// What to do about a counter.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Nothing,
    /// Ask for the news after the first number, up to the second.
    Ask(u64, u64),
    /// Some is missed.
    Lost,
    /// The store has lost what it knew, or has gone back to what it knew before.
    Back,
}

/// The next step for a counter that stands at `number`, and the place after that.
pub fn step(place: Place, number: Option<u64>) -> (Step, Place) {
    match (place, number) {
        (Place::Unknown | Place::Gone, None) => (Step::Nothing, Place::Gone),
        (Place::Unknown, Some(_)) => (Step::Nothing, Place::since(number)),
        // What was counted since it was not there is not known.
        (Place::Gone, Some(number)) => (Step::Lost, Place::At(number, None)),
        (Place::At(..), None) => (Step::Back, Place::Gone),
        (Place::At(seen, _), Some(number)) if number == seen => {
            (Step::Nothing, Place::At(seen, None))
        }
        (Place::At(seen, _), Some(number)) if number < seen => {
            (Step::Back, Place::At(number, None))
        }
        (Place::At(seen, _), Some(number)) if number - seen > MOST => {
            (Step::Lost, Place::At(number, None))
        }
        (Place::At(seen, since), Some(number)) => (Step::Ask(seen, number), Place::At(seen, since)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_asked_for_from_where_it_is_known() {
        let at = |number| Place::At(number, None);
        for (place, number, expected, after) in [
            (Place::Unknown, None, Step::Nothing, Place::Gone),
            (Place::Unknown, Some(7), Step::Nothing, at(7)),
            (at(7), Some(7), Step::Nothing, at(7)),
            (at(7), Some(9), Step::Ask(7, 9), at(7)),
            (at(7), Some(7 + MOST), Step::Ask(7, 7 + MOST), at(7)),
            (at(7), Some(8 + MOST), Step::Lost, at(8 + MOST)),
            (at(7), Some(6), Step::Back, at(6)),
            (at(7), None, Step::Back, Place::Gone),
            (Place::Gone, None, Step::Nothing, Place::Gone),
            (Place::Gone, Some(1), Step::Lost, at(1)),
        ] {
            assert_eq!(
                step(place, number),
                (expected, after),
                "{place:?} {number:?}"
            );
        }
    }
}
