//! Verdicts: which rule a name leads to. libssl asks for a session before the servername and certificate callbacks run, and
//! these may give the connection another context or ask its client for a certificate. So the rule that they made of a name
//! is remembered: a later client of that name may have a session only if it was made under the rule that the name leads to
//! in this process. For a name without a verdict, the look-up misses, and the full handshake that follows teaches one.

use super::rule::Rule;
use crate::sys::lock::Lock;

/// The first size of the table of verdicts.
const PLACES_FIRST: usize = 16;
/// The table does not grow beyond this size.
const PLACES_MOST: usize = 4096;

/// The verdicts of one context, by a key of the name and the rule under which the connection began.
#[derive(Default)]
pub struct Verdicts(Lock<Vec<Option<(u64, Rule)>>>);

impl Verdicts {
    /// The verdict on a key, if there is one.
    pub fn get(&self, key: u64) -> Option<Rule> {
        let known = self.0.lock()?;
        let (of, verdict) = (*known.get(place_of(key, known.len()))?)?;
        (of == key).then_some(verdict)
    }

    /// Remembers a verdict, in place of the one at its place in the table. Without memory it is not remembered, so later
    /// look-ups miss.
    pub fn learn(&self, key: u64, verdict: Rule) {
        let Some(mut known) = self.0.lock() else {
            return;
        };
        let is_taken = |known: &[Option<(u64, Rule)>]| match known.get(place_of(key, known.len())) {
            Some(place) => place.is_some_and(|(of, _)| of != key),
            None => true,
        };
        while is_taken(&known) && known.len() < PLACES_MOST {
            let wider = (known.len() * 2).max(PLACES_FIRST);
            let mut places = Vec::new();
            if places.try_reserve_exact(wider).is_err() {
                break;
            }
            places.resize(wider, None);
            for (of, verdict) in known.drain(..).flatten() {
                places[place_of(of, wider)] = Some((of, verdict));
            }
            *known = places;
        }
        let place = place_of(key, known.len());
        if let Some(place) = known.get_mut(place) {
            *place = Some((key, verdict));
        }
    }
}

/// The place of a key in a table of this size, a power of two or 0.
fn place_of(key: u64, places: usize) -> usize {
    (key >> 32) as usize & places.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::alike::rule::Client;

    #[test]
    fn verdict_is_that_of_its_key_however_many_there_are() {
        let verdicts = Verdicts::default();
        let verdict = |number: u64| Rule {
            digest: core::array::from_fn(|byte| number.to_be_bytes()[byte % 8]),
            certificates: None,
            client: Client::Anybody,
        };
        assert!(verdicts.get(1 << 32).is_none());
        for number in 0..100_000 {
            verdicts.learn(number << 32 | 7, verdict(number));
            let known = verdicts.get(number << 32 | 7).expect("just learned");
            assert!(known == verdict(number));
        }
        for number in 0..200_000 {
            let known = verdicts.get(number << 32 | 7);
            assert!(known.is_none_or(|known| known == verdict(number)));
        }
    }
}
