//! The generation of each realm, which is part of the names of its sessions: as far as the store was asked. A flush gives the realm
//! another one. No clocks of two hosts are compared.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// The most realms that are known. The one that has been known for the longest is asked for again.
const MOST: usize = 4096;
/// What the store has lost and got anew is not told; it is seen by then.
const FRESH: Duration = Duration::from_secs(3600);

/// A realm's generation under each master key; `None` where what stands in the store does not open.
pub type Generations = Rc<[Option<u64>]>;

/// What is known of so many realms at most.
struct Bounded<V> {
    values: HashMap<[u8; 32], V>,
    in_order: VecDeque<[u8; 32]>,
}

impl<V> Default for Bounded<V> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            in_order: VecDeque::new(),
        }
    }
}

impl<V> Bounded<V> {
    fn set(&mut self, realm: &[u8; 32], value: V) {
        if let Some(known) = self.values.get_mut(realm) {
            *known = value;
            return;
        }
        if self.in_order.len() >= MOST
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.values.insert(*realm, value);
        self.in_order.push_back(*realm);
    }
}

/// What is known of a realm.
enum Known {
    /// Nothing that counts.
    Nothing,
    /// The store is asked, by the question of this number.
    Asked(u64),
    /// It has answered then.
    Are(Generations, Instant),
}

/// The realms that are known.
#[derive(Default)]
pub struct Realms {
    known: Bounded<Known>,
    /// The second of the last flush on this host: what was made by then and is told later is not put.
    flushed_here: Bounded<i64>,
    /// The number of the last question.
    last: u64,
}

impl Realms {
    /// The generations; `None` if the store has to be asked.
    pub fn get(&self, realm: &[u8; 32], now: Instant) -> Option<Generations> {
        match self.known.values.get(realm) {
            Some(Known::Are(generations, since)) if now - *since < FRESH => {
                Some(generations.clone())
            }
            _ => None,
        }
    }

    /// The store is about to be asked. Returns the number to hand over with its answer.
    pub fn ask(&mut self, realm: &[u8; 32]) -> u64 {
        if let Some(Known::Asked(number)) = self.known.values.get(realm) {
            return *number;
        }
        self.last += 1;
        self.known.set(realm, Known::Asked(self.last));
        self.last
    }

    /// The store has answered. That does not count if the realm was flushed since it was asked.
    pub fn learn(&mut self, realm: &[u8; 32], number: u64, are: Generations, now: Instant) {
        let is_asked =
            matches!(self.known.values.get(realm), Some(Known::Asked(asked)) if *asked == number);
        if is_asked {
            self.known.set(realm, Known::Are(are, now));
        }
    }

    /// A realm was flushed.
    pub fn forget_one(&mut self, realm: &[u8; 32]) {
        if let Some(known) = self.known.values.get_mut(realm) {
            *known = Known::Nothing;
        }
    }

    /// News was missed: any realm may be flushed.
    pub fn forget(&mut self) {
        self.known = Bounded::default();
    }

    /// A process of this host has flushed a realm in this second.
    pub fn flush_here(&mut self, realm: &[u8; 32], second: i64) {
        self.forget_one(realm);
        self.flushed_here.set(realm, second);
    }

    /// Whether a session that a process of this host has made in this second is of before its host's last flush.
    pub fn is_flushed_here(&self, realm: &[u8; 32], made: i64) -> bool {
        let second = self.flushed_here.values.get(realm);
        second.is_some_and(|second| made <= *second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are(number: u64) -> Generations {
        [Some(number)].into()
    }

    #[test]
    fn generations_count_until_the_realm_is_flushed_or_news_is_missed() {
        let now = Instant::now();
        let mut realms = Realms::default();
        let (one, other) = ([1; 32], [2; 32]);
        assert_eq!(realms.get(&one, now), None);
        let asked = realms.ask(&one);
        assert_eq!(realms.ask(&one), asked);
        realms.learn(&one, asked, are(7), now);
        assert_eq!(realms.get(&one, now), Some(are(7)));
        assert_eq!(realms.get(&one, now + FRESH), None);
        realms.forget_one(&one);
        // What was asked for before the flush does not count.
        realms.learn(&one, asked, are(7), now);
        assert_eq!(realms.get(&one, now), None);
        let (again, of_other) = (realms.ask(&one), realms.ask(&other));
        realms.forget_one(&other);
        realms.learn(&one, again, are(8), now);
        realms.learn(&other, of_other, are(9), now);
        assert_eq!(realms.get(&one, now), Some(are(8)));
        assert_eq!(realms.get(&other, now), None);
        let of_other = realms.ask(&other);
        realms.forget();
        realms.learn(&other, of_other, are(9), now);
        let all = [realms.get(&one, now), realms.get(&other, now)];
        assert_eq!(all, [None, None]);
    }

    #[test]
    fn what_was_made_before_a_flush_of_its_host_is_known_after_it() {
        let mut realms = Realms::default();
        realms.flush_here(&[1; 32], 7);
        realms.forget();
        let made = [6, 7, 8].map(|made| realms.is_flushed_here(&[1; 32], made));
        assert_eq!(made, [true, true, false]);
        assert!(!realms.is_flushed_here(&[2; 32], 6));
    }

    #[test]
    fn there_are_as_many_realms_as_may_be() {
        let now = Instant::now();
        let mut realms = Realms::default();
        for number in 0..2 * MOST as u64 {
            let mut realm = [0; 32];
            realm[..8].copy_from_slice(&number.to_be_bytes());
            let asked = realms.ask(&realm);
            realms.learn(&realm, asked, are(number), now);
            assert_eq!(realms.get(&realm, now), Some(are(number)));
        }
        let known = &realms.known;
        assert_eq!((known.values.len(), known.in_order.len()), (MOST, MOST));
        assert_eq!(realms.get(&[0; 32], now), None);
    }
}
