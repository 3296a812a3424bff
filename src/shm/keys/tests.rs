//! Ticket keys: their turns, and what a damaged page costs.

use super::codec::*;
use super::schedule::*;
use crate::sys::checksum::sum_of;

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

    /// A process makes a ticket; returns the first byte of the key's name.
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
    let mut copied = TicketKeys::default();
    copied.copy(&scene.keys);
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

#[test]
fn key_whose_turn_was_ended_makes_no_ticket_and_opens_those_that_it_made() {
    let mut scene = Scene::new();
    scene.make(NOW, TWO_HOURS); // 1
    scene.make(NOW, LONGEST_LIFETIME); // 2
    // The clock has been set back since.
    let now = NOW - HOUR / 2;
    scene
        .keys
        .turn(&mut scene.page, now, &[fresh(11), fresh(12)]);
    for second in 0..3 {
        assert_eq!(scene.make(now + second, TWO_HOURS), 11);
        assert_eq!(scene.make(now + second, LONGEST_LIFETIME), 12);
    }
    assert_eq!(
        [1, 2, 11, 12].map(|key| scene.open(key, now)),
        [Some(false), Some(false), Some(true), Some(true)]
    );
    assert_eq!(scene.keys.summary().number, 4);
}

#[test]
fn turns_without_end_push_the_oldest_keys_out() {
    let mut scene = Scene::new();
    scene.make(NOW, TWO_HOURS);
    for number in 2..=MOST_KEYS as u8 + 1 {
        let next = [fresh(number), fresh(number)];
        scene.keys.turn(&mut scene.page, NOW, &next);
        let oldest = scene.open(1, NOW);
        assert_eq!(
            oldest.is_some(),
            usize::from(number) <= MOST_KEYS,
            "{number}"
        );
    }
}
