//! The keys of stateless tickets, as bytes in a page that all processes have.
//!
//! A key makes tickets for its turn, and opens them for as long as one of them may be good. Who gets hold of it reads
//! every TLS 1.2 connection that its tickets were made in, so it is to be gone soon. But a ticket lives for two hours,
//! unless the program says otherwise, and its key with it: a turn of an hour adds half of that, a shorter one would
//! gain little and renew more tickets. Tickets that live for longer than half a day have keys of their own, so that
//! they stretch nobody else's; those have turns of 4 hours and 40 minutes, for the page to have room for all that still
//! open one. When a key ends follows from when it began: it needs no successor for that, and nobody who looks.
//!
//! The page is not believed: it may be half written, from another time, or hostile. What makes no sense is as good as
//! no key, and costs those who come back a full handshake. Whoever changes the page holds its lock.

use zeroize::Zeroize;

/// A ticket is good for no longer than TLS 1.3 allows: seven days.
pub const LONGEST_LIFETIME: u32 = 7 * 24 * 60 * 60;

const NAME_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;

/// How long a key makes tickets that live for up to `SHORT`, in seconds.
const TURN: i64 = 60 * 60;
const SHORT: u32 = 12 * 60 * 60;
/// How long one makes tickets that live for longer: 4 hours and 40 minutes.
const LONG_TURN: i64 = LONGEST_LIFETIME as i64 / 36;
/// A key may go on for so many seconds after its turn, where no other is to be had: other processes go on until they
/// look again, and so does one that has no time to look.
const LAG: i64 = 60;
/// Of each kind those that still open tickets, and the one that has just begun.
const MOST_KEYS: usize = {
    let short = (SHORT as i64 + LAG) / TURN + 2;
    let long = (LONGEST_LIFETIME as i64 + LAG) / LONG_TURN + 2;
    (short + long) as usize
};
/// The clock may be set back by so many seconds, and the keys still make sense.
const SET_BACK: i64 = 60 * 60;

/// The page: what it is, how many keys, the keys, a sum over all of that.
const MAGIC: [u8; 8] = *b"tickets2";
const NUMBER_AT: usize = MAGIC.len();
const KEYS_AT: usize = NUMBER_AT + 8;
const KEY_BYTES: usize = NAME_BYTES + SECRET_BYTES + 8 + 8;
const SUM_AT: usize = KEYS_AT + MOST_KEYS * KEY_BYTES;

/// How many bytes of the page are used.
pub const KEY_PAGE_BYTES: usize = SUM_AT + 8;

/// Tells which key a ticket was made with; sent in the clear.
pub type KeyName = [u8; NAME_BYTES];

/// A key that has not been used yet: random bytes.
pub struct FreshKey {
    /// What it is to be called.
    pub name: KeyName,
    /// What the keys of tickets are derived from.
    pub secret: [u8; SECRET_BYTES],
}

impl Drop for FreshKey {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// A key that makes or opens tickets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TicketKey {
    /// What its tickets begin with.
    pub name: KeyName,
    /// What the keys of tickets are derived from.
    pub secret: [u8; SECRET_BYTES],
    /// The second in which its turn began.
    made: i64,
    /// The longest life of its tickets, in seconds.
    lifetime: u32,
}

impl TicketKey {
    const NONE: Self = Self {
        name: [0; NAME_BYTES],
        secret: [0; SECRET_BYTES],
        made: 0,
        lifetime: 0,
    };

    /// Whether it makes tickets that live for long.
    fn is_long(&self) -> bool {
        self.lifetime > SHORT
    }

    /// The second in which its turn is over.
    fn end_of_turn(&self) -> i64 {
        let turn = if self.is_long() { LONG_TURN } else { TURN };
        self.made.saturating_add(turn)
    }

    fn has_turn(&self, now: i64) -> bool {
        (self.made.saturating_sub(SET_BACK)..self.end_of_turn()).contains(&now)
    }

    /// The last second in which a ticket of it may be good.
    fn until(&self) -> i64 {
        self.end_of_turn()
            .saturating_add(LAG + i64::from(self.lifetime))
    }

    fn read(&mut self, bytes: &[u8]) -> Option<()> {
        let (name, rest) = bytes.split_first_chunk()?;
        let (secret, rest) = rest.split_first_chunk()?;
        let (made, rest) = rest.split_first_chunk()?;
        self.name = *name;
        self.secret = *secret;
        self.made = i64::from_ne_bytes(*made);
        self.lifetime = u32::try_from(u64::from_ne_bytes(*rest.first_chunk()?)).ok()?;
        Some(())
    }

    fn write(&self, bytes: &mut [u8]) {
        let (name, rest) = bytes.split_at_mut(NAME_BYTES);
        let (secret, rest) = rest.split_at_mut(SECRET_BYTES);
        let (made, lifetime) = rest.split_at_mut(8);
        name.copy_from_slice(&self.name);
        secret.copy_from_slice(&self.secret);
        made.copy_from_slice(&self.made.to_ne_bytes());
        lifetime.copy_from_slice(&u64::from(self.lifetime).to_ne_bytes());
    }
}

/// All keys that make or open tickets, the newest first. Wiped when it goes; keep it in one place, for moving leaves
/// a copy behind.
pub struct TicketKeys {
    keys: [TicketKey; MOST_KEYS],
    number: usize,
}

impl Drop for TicketKeys {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Default for TicketKeys {
    /// No key.
    fn default() -> Self {
        Self {
            keys: [TicketKey::NONE; MOST_KEYS],
            number: 0,
        }
    }
}

impl TicketKeys {
    /// Becomes what the page says, without keys whose tickets have all expired. With `fresh` given, it begins its
    /// turn if none has one for tickets of this `lifetime`; and the one that has is kept for as long as they need it.
    /// The page is changed accordingly.
    pub fn follow(&mut self, page: &mut [u8], now: i64, lifetime: u32, fresh: Option<&FreshKey>) {
        let Some((page, _)) = page.split_first_chunk_mut::<KEY_PAGE_BYTES>() else {
            return self.clear();
        };
        self.read(page, now);
        if self.go_on(now, lifetime, fresh) {
            self.write(page);
        }
    }

    /// Does the same without a page, where that is not to be had: keys that begin then are this process's alone.
    /// Whether anything has changed.
    pub fn go_on(&mut self, now: i64, lifetime: u32, fresh: Option<&FreshKey>) -> bool {
        let lifetime = lifetime.min(LONGEST_LIFETIME);
        let mut changed = self.drop_ended(now);
        if let Some(fresh) = fresh
            && !self
                .newest_for(lifetime)
                .is_some_and(|newest| newest.has_turn(now))
        {
            self.begin(fresh, now, lifetime);
            changed = true;
        }
        let is_long = lifetime > SHORT;
        let mut used = self.used_mut().iter_mut();
        if let Some(newest) = used.find(|key| key.is_long() == is_long)
            && newest.has_turn(now)
            && newest.lifetime < lifetime
        {
            newest.lifetime = lifetime;
            changed = true;
        }
        changed
    }

    /// Becomes the same as another.
    pub fn copy(&mut self, other: &Self) {
        self.clear();
        self.keys = other.keys;
        self.number = other.number;
    }

    /// The key that makes tickets of this lifetime now; `None` where the page has to be asked.
    pub fn making(&self, now: i64, lifetime: u32) -> Option<&TicketKey> {
        self.newest_for(lifetime).filter(|newest| {
            newest.has_turn(now) && newest.lifetime >= lifetime.min(LONGEST_LIFETIME)
        })
    }

    /// The key that does where no other is to be had: one whose turn has been over for less than a minute.
    pub fn making_late(&self, now: i64, lifetime: u32) -> Option<&TicketKey> {
        self.making(now.saturating_sub(LAG), lifetime)
    }

    /// Whether there is any.
    pub fn is_empty(&self) -> bool {
        self.number == 0
    }

    /// The newest key for tickets of this lifetime, even if its turn is over.
    fn newest_for(&self, lifetime: u32) -> Option<&TicketKey> {
        let is_long = lifetime > SHORT;
        self.used().iter().find(|key| key.is_long() == is_long)
    }

    /// The key that a ticket was made with, if it may still be good, and whether it has its turn.
    pub fn opening(&self, name: &KeyName, now: i64) -> Option<(&TicketKey, bool)> {
        let key = self.used().iter().find(|key| key.name == *name)?;
        let is_newest = self.newest_for(key.lifetime) == Some(key);
        (now <= key.until()).then_some((key, is_newest && key.has_turn(now)))
    }

    fn used(&self) -> &[TicketKey] {
        &self.keys[..self.number]
    }

    fn used_mut(&mut self) -> &mut [TicketKey] {
        &mut self.keys[..self.number]
    }

    fn drop_ended(&mut self, now: i64) -> bool {
        let before = self.number;
        let mut kept = 0;
        for at in 0..before {
            if now <= self.keys[at].until() {
                self.keys.swap(kept, at);
                kept += 1;
            }
        }
        self.wipe_from(kept);
        kept < before
    }

    fn begin(&mut self, fresh: &FreshKey, now: i64, lifetime: u32) {
        self.keys.rotate_right(1); // if all places are taken, the oldest comes to the front and is overwritten
        self.keys[0] = TicketKey {
            name: fresh.name,
            secret: fresh.secret,
            made: now,
            lifetime,
        };
        self.number = (self.number + 1).min(MOST_KEYS);
    }

    fn clear(&mut self) {
        self.wipe_from(0);
    }

    fn wipe_from(&mut self, first: usize) {
        for key in &mut self.keys[first..] {
            key.secret.zeroize();
            *key = TicketKey::NONE;
        }
        self.number = self.number.min(first);
    }

    /// Becomes what the page says; nothing, if that makes no sense.
    fn read(&mut self, page: &[u8; KEY_PAGE_BYTES], now: i64) {
        self.clear();
        if self.read_keys(page).is_none() || !self.is_plausible(now) {
            self.clear();
        }
    }

    fn read_keys(&mut self, page: &[u8; KEY_PAGE_BYTES]) -> Option<()> {
        let (page, sum) = page.split_last_chunk()?;
        if !page.starts_with(&MAGIC) || u64::from_ne_bytes(*sum) != sum_of(page) {
            return None;
        }
        let number = u64::from_ne_bytes(*page[NUMBER_AT..].first_chunk()?);
        let number = usize::try_from(number)
            .ok()
            .filter(|number| *number <= MOST_KEYS)?;
        let keys = page[KEYS_AT..].chunks_exact(KEY_BYTES).take(number);
        for (key, bytes) in self.keys.iter_mut().zip(keys) {
            key.read(bytes)?;
            self.number += 1;
        }
        Some(())
    }

    /// Whether keys like these can have come about: none of a time to come.
    fn is_plausible(&self, now: i64) -> bool {
        let latest = now.saturating_add(SET_BACK);
        self.used().iter().all(|key| {
            (0..=latest).contains(&key.made)
                && key.lifetime <= LONGEST_LIFETIME
                && key.secret != [0; SECRET_BYTES]
        })
    }

    fn write(&self, page: &mut [u8; KEY_PAGE_BYTES]) {
        page.zeroize();
        page[..NUMBER_AT].copy_from_slice(&MAGIC);
        page[NUMBER_AT..KEYS_AT].copy_from_slice(&(self.number as u64).to_ne_bytes());
        for (key, bytes) in self
            .used()
            .iter()
            .zip(page[KEYS_AT..].chunks_exact_mut(KEY_BYTES))
        {
            key.write(bytes);
        }
        let sum = sum_of(&page[..SUM_AT]);
        page[SUM_AT..].copy_from_slice(&sum.to_ne_bytes());
    }
}

/// Tells a page that was written to its end from one that was not (FNV-1a, 64 bits).
fn sum_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const TWO_HOURS: u32 = 7200;
    const HOUR: i64 = 3600;

    fn fresh(number: u8) -> FreshKey {
        FreshKey {
            name: [number; NAME_BYTES],
            secret: [!number; SECRET_BYTES],
        }
    }

    /// A page, and the keys of a process that follows it.
    struct Scene {
        page: [u8; 4000],
        keys: TicketKeys,
        given: u8,
    }

    impl Scene {
        fn new() -> Self {
            Self {
                page: [0; 4000],
                keys: TicketKeys::default(),
                given: 0,
            }
        }

        /// Somebody makes a ticket: the first byte of the key's name.
        fn make(&mut self, now: i64, lifetime: u32) -> u8 {
            self.given += 1;
            let fresh = fresh(self.given);
            self.keys
                .follow(&mut self.page, now, lifetime, Some(&fresh));
            self.keys.making(now, lifetime).unwrap().name[0]
        }

        /// Another process looks a ticket up: whether its key has its turn.
        fn open(&mut self, number: u8, now: i64) -> Option<bool> {
            let mut keys = TicketKeys::default();
            keys.follow(&mut self.page, now, 0, None);
            let found = keys.opening(&[number; NAME_BYTES], now);
            found.map(|(key, has_turn)| {
                assert_eq!(key.secret, [!number; SECRET_BYTES]);
                has_turn
            })
        }
    }

    #[test]
    fn key_makes_tickets_for_an_hour_and_opens_them_until_the_last_has_expired() {
        let mut scene = Scene::new();
        assert_eq!(scene.make(NOW, TWO_HOURS), 1);
        assert_eq!(scene.make(NOW + HOUR - 1, TWO_HOURS), 1);
        assert_eq!(scene.open(1, NOW + HOUR - 1), Some(true));
        assert_eq!(scene.open(1, NOW + HOUR), Some(false)); // to be renewed, and so to get a successor
        assert_eq!(scene.make(NOW + HOUR, TWO_HOURS), 3);
        assert_eq!(scene.open(1, NOW + HOUR), Some(false));
        assert_eq!(scene.open(3, NOW + HOUR), Some(true));
        let end = NOW + HOUR + i64::from(TWO_HOURS) + LAG;
        assert_eq!(scene.open(1, end), Some(false));
        assert_eq!(scene.open(1, end + 1), None);
        assert_eq!(scene.open(9, NOW), None);
    }

    #[test]
    fn expired_key_leaves_no_trace_in_the_page() {
        let mut scene = Scene::new();
        scene.make(NOW, TWO_HOURS);
        let has = |page: &[u8], number: u8| page.windows(32).any(|bytes| bytes == [!number; 32]);
        assert!(has(&scene.page, 1));
        for hour in 1..=4 {
            scene.make(NOW + hour * HOUR, TWO_HOURS);
        }
        assert!(!has(&scene.page, 1));
        assert!(has(&scene.page, 3) && has(&scene.page, 5));
        assert_eq!(scene.keys.number, 4);
    }

    #[test]
    fn process_that_has_not_looked_yet_makes_tickets_that_are_opened() {
        let mut scene = Scene::new();
        scene.make(NOW, TWO_HOURS);
        let mut late = TicketKeys::default();
        late.copy(&scene.keys);
        scene.make(NOW + HOUR, TWO_HOURS);
        assert!(late.making(NOW + HOUR, TWO_HOURS).is_none());
        let until = NOW + HOUR + LAG - 1;
        let name = late.making_late(until, TWO_HOURS).unwrap().name[0];
        assert!(late.making_late(until + 1, TWO_HOURS).is_none());
        let last = until + i64::from(TWO_HOURS);
        assert_eq!(scene.open(name, last), Some(false));
    }

    #[test]
    fn tickets_that_live_for_long_have_keys_of_their_own_and_stretch_nobody_elses_turn() {
        let mut scene = Scene::new();
        assert_eq!(scene.make(NOW, TWO_HOURS), 1);
        assert_eq!(scene.make(NOW + 1, SHORT), 1); // the same key, now for tickets of half a day
        assert_eq!(scene.make(NOW + 1, u32::MAX), 3);
        assert_eq!(scene.make(NOW + HOUR - 1, TWO_HOURS), 1);
        assert_eq!(scene.make(NOW + HOUR, TWO_HOURS), 5);
        assert_eq!(scene.make(NOW + LONG_TURN, LONGEST_LIFETIME), 3);
        assert_eq!(scene.make(NOW + 1 + LONG_TURN, LONGEST_LIFETIME), 7);
        let end = NOW + HOUR + i64::from(SHORT) + LAG;
        assert_eq!(
            [scene.open(1, end), scene.open(1, end + 1)],
            [Some(false), None]
        );
        let end = NOW + 1 + LONG_TURN + i64::from(LONGEST_LIFETIME) + LAG;
        assert_eq!(
            [scene.open(3, end), scene.open(3, end + 1)],
            [Some(false), None]
        );
    }

    #[test]
    fn key_ends_although_nobody_makes_another() {
        let mut scene = Scene::new();
        scene.make(NOW, TWO_HOURS);
        let copied = TicketKeys {
            keys: scene.keys.keys,
            number: 1,
        };
        let end = NOW + HOUR + i64::from(TWO_HOURS) + LAG;
        assert_eq!(
            [scene.open(1, end), scene.open(1, end + 1)],
            [Some(false), None]
        );
        assert!(scene.page[KEYS_AT..SUM_AT].iter().all(|byte| *byte == 0));
        // Nor does it open anything in a process that cannot have the page.
        assert!(copied.opening(&[1; NAME_BYTES], end).is_some());
        assert!(copied.opening(&[1; NAME_BYTES], end + 1).is_none());
        assert!(copied.making_late(NOW + HOUR + LAG, TWO_HOURS).is_none());
    }

    #[test]
    fn keys_have_turns_without_the_page_too() {
        let mut scene = Scene::new();
        scene.make(NOW, TWO_HOURS);
        let keys = &mut scene.keys;
        assert!(!keys.go_on(NOW + HOUR - 1, TWO_HOURS, Some(&fresh(2))));
        assert!(keys.go_on(NOW + HOUR, TWO_HOURS, Some(&fresh(3))));
        let name = |keys: &TicketKeys, now| keys.making(now, TWO_HOURS).unwrap().name[0];
        assert_eq!(name(keys, NOW + HOUR), 3);
        assert!(keys.opening(&[1; NAME_BYTES], NOW + HOUR).is_some());
        assert!(keys.go_on(NOW + 24 * HOUR, TWO_HOURS, Some(&fresh(4))));
        assert_eq!((name(keys, NOW + 24 * HOUR), keys.number), (4, 1));
    }

    #[test]
    fn page_has_room_for_every_key_that_opens_a_ticket() {
        // Tickets of a week, and of two hours beside them, each at any time.
        let mut scene = Scene::new();
        let mut made: Vec<(i64, u8)> = Vec::new();
        let mut random = 7_u64;
        let mut now = NOW;
        while now < NOW + 30 * 24 * HOUR {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            now += (random >> 33) as i64 % HOUR;
            let lifetime = if random >> 63 == 0 {
                TWO_HOURS
            } else {
                LONGEST_LIFETIME
            };
            scene.given = scene.keys.used().first().map_or(0, |key| key.name[0]) % 200;
            made.push((now + i64::from(lifetime), scene.make(now, lifetime)));
            made.retain(|(end, _)| *end >= now);
            let mut numbers: Vec<_> = made.iter().map(|(_, number)| *number).collect();
            numbers.dedup();
            for number in numbers {
                assert!(scene.open(number, now).is_some(), "{number} at {now}");
            }
        }
        assert!(scene.keys.number > 10);
    }

    #[test]
    fn more_keys_than_there_is_room_for_cost_the_oldest() {
        let mut scene = Scene::new();
        let number = MOST_KEYS as u8 + 4;
        for turn in 0..i64::from(number) {
            // Each has had its turn at once, against all rules.
            scene.make(NOW + turn, LONGEST_LIFETIME);
            scene.keys.keys[0].made -= LONG_TURN;
            let keys = core::mem::take(&mut scene.keys);
            keys.write(scene.page.first_chunk_mut().unwrap());
        }
        assert_eq!(scene.open(4, NOW + 99), None);
        assert_eq!(scene.open(5, NOW + 99), Some(false));
        assert_eq!(scene.open(number, NOW + 99), Some(false));
    }

    #[test]
    fn nonsense_is_no_key_and_is_replaced() {
        let mut sound = Scene::new();
        sound.make(NOW, TWO_HOURS);
        sound.make(NOW + HOUR, TWO_HOURS);
        let later = NOW + HOUR + 1;
        for at in 0..KEY_PAGE_BYTES {
            let mut scene = Scene::new();
            scene.page = sound.page;
            scene.page[at] ^= 0x10;
            assert_eq!(scene.open(1, later), None, "byte {at}");
            scene.given = 10;
            assert_eq!(scene.make(later, TWO_HOURS), 11, "byte {at}");
            assert_eq!(scene.open(11, later), Some(true));
        }
    }

    #[test]
    fn well_summed_nonsense_is_no_key_either() {
        type Damage = fn(&mut TicketKeys);
        let damages: [(&str, Damage); 4] = [
            ("from the future", |keys| keys.keys[0].made += 2 * HOUR),
            ("before all time", |keys| keys.keys[1].made = -1),
            ("too long-lived", |keys| {
                keys.keys[0].lifetime = LONGEST_LIFETIME + 1
            }),
            ("no secret", |keys| keys.keys[0].secret = [0; SECRET_BYTES]),
        ];
        for (what, damage) in damages {
            let mut scene = Scene::new();
            scene.make(NOW - HOUR, TWO_HOURS);
            scene.make(NOW, TWO_HOURS);
            assert_eq!(scene.open(1, NOW), Some(false));
            damage(&mut scene.keys);
            scene.keys.write(scene.page.first_chunk_mut().unwrap());
            assert_eq!(scene.open(1, NOW), None, "{what}");
            assert_eq!(scene.open(2, NOW), None, "{what}");
        }
        let mut scene = Scene::new();
        scene.make(NOW, TWO_HOURS);
        for number in [MOST_KEYS as u64 + 1, u64::MAX] {
            scene.page[NUMBER_AT..KEYS_AT].copy_from_slice(&number.to_ne_bytes());
            let sum = sum_of(&scene.page[..SUM_AT]);
            scene.page[SUM_AT..KEY_PAGE_BYTES].copy_from_slice(&sum.to_ne_bytes());
            assert_eq!(scene.open(1, NOW), None);
        }
    }

    #[test]
    fn clock_may_be_set_back_a_little() {
        let mut scene = Scene::new();
        scene.make(NOW, TWO_HOURS);
        assert_eq!(scene.make(NOW - HOUR, TWO_HOURS), 1);
        assert_eq!(scene.open(1, NOW - HOUR), Some(true));
        assert_eq!(scene.make(NOW - HOUR - 1, TWO_HOURS), 3);
        assert_eq!(scene.open(1, NOW - HOUR), None);
    }

    #[test]
    fn whoever_only_looks_changes_nothing() {
        let mut scene = Scene::new();
        assert_eq!(scene.open(1, NOW), None);
        assert_eq!(scene.page, [0; 4000]);
        let mut page = scene.page;
        scene.keys.follow(&mut page[..8], NOW, 0, Some(&fresh(1))); // too small
        assert!(scene.keys.is_empty());
        scene.make(NOW, TWO_HOURS);
        let before = scene.page;
        assert_eq!(scene.open(1, NOW + 2 * HOUR), Some(false));
        assert_eq!(scene.page, before);
    }
}
