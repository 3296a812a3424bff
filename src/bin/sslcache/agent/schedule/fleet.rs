//! Four hosts with clocks up to an hour apart, and a store that dies and comes back.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const START: u64 = 500_000 * EPOCH_SECONDS;
const LIFETIME: u64 = 6 * 3600;
const STEP: u64 = 30;

/// What stands in the store, and until which second of the true time.
#[derive(Default)]
struct Store(BTreeMap<u64, ([u8; 32], u64)>);

impl Store {
    fn get(&self, epoch: u64, now: u64) -> Option<[u8; 32]> {
        let &(bytes, end) = self.0.get(&epoch)?;
        (end > now).then_some(bytes)
    }

    fn put_if_absent(&mut self, epoch: u64, bytes: [u8; 32], end: u64, now: u64) -> [u8; 32] {
        match self.get(epoch, now) {
            Some(there) => there,
            None => {
                self.0.insert(epoch, (bytes, end));
                bytes
            }
        }
    }
}

struct Host {
    schedule: Schedule,
    ahead: u64,
    joins: u64,
    phase: u64,
    /// What its last round has left in the store, and when that was.
    last_round: Option<(u64, Vec<[u8; 32]>)>,
}

impl Host {
    fn clock(&self, now: u64) -> u64 {
        now + self.ahead
    }

    /// A round that ends before the operation of this number, or is done.
    fn round(
        &mut self,
        store: &mut Store,
        now: u64,
        breaks_at: Option<usize>,
        draw: &mut impl FnMut() -> [u8; 32],
    ) {
        let clock = self.clock(now);
        for (number, epoch) in self.schedule.wanted(clock).into_iter().enumerate() {
            if breaks_at.is_some_and(|at| number >= at) {
                return self.schedule.failed();
            }
            let fresh = || Some(Secret::taken_from(&mut draw()));
            let there = store.get(epoch, now).or_else(|| {
                let offered = self.schedule.offer(epoch, clock, fresh)?;
                let end = now + self.schedule.end_of(epoch) - clock;
                Some(store.put_if_absent(epoch, *offered.bytes(), end, now))
            });
            if let Some(mut bytes) = there {
                self.schedule
                    .found(epoch, Secret::taken_from(&mut bytes), clock)
                    .unwrap();
            }
        }
        self.schedule.succeeded(clock);
    }

    fn making(&self, now: u64) -> Option<(u64, [u8; 32])> {
        let present = epoch_of(self.clock(now));
        let keys = self.schedule.publish(self.clock(now));
        let mut making = keys.iter().filter(|key| key.makes && key.epoch == present);
        making.next().map(|key| (key.epoch, *key.secret.bytes()))
    }

    fn opens(&self, now: u64, bytes: &[u8; 32]) -> bool {
        let keys = self.schedule.publish(self.clock(now));
        keys.iter().any(|key| key.secret.bytes() == bytes)
    }
}

/// A fleet, and times for which the store is there and away in turn.
#[derive(Clone, Debug)]
struct Story {
    /// For each host: how far its clock is ahead, when it joins, when in a minute its rounds are.
    hosts: Vec<(u64, u64, u64)>,
    turns: Vec<Turn>,
    breaks_at: usize,
}

/// The seconds for which the store is there, and then away.
#[derive(Clone, Debug)]
struct Turn {
    up: u64,
    down: u64,
    /// It goes away so many seconds after the fastest clock has begun an epoch, and a key has been put.
    after_epoch: Option<u64>,
}

fn story(up: std::ops::Range<u64>) -> impl Strategy<Value = Story> {
    let host = (
        0..=SKEW,
        prop_oneof![Just(0), 0..20 * 3600_u64],
        0..ROUND / STEP,
    );
    let down = prop_oneof![30..600_u64, 600..9 * 3600_u64, Just(20 * 3600_u64)];
    let after_epoch = proptest::option::of(0..SETTLE + 2 * ROUND);
    let turn = (up, down, after_epoch).prop_map(|(up, down, after_epoch)| Turn {
        up,
        down,
        after_epoch,
    });
    (
        proptest::collection::vec(host, 4),
        proptest::collection::vec(turn, 3..7),
        0..6_usize,
    )
        .prop_map(|(mut hosts, turns, breaks_at)| {
            hosts[0].1 = 0;
            Story {
                hosts,
                turns,
                breaks_at,
            }
        })
}

/// Plays a story. `strict`: whoever has reached the store before it went away opens what is made while it is away.
fn play(story: &Story, strict: bool) {
    let mut store = Store::default();
    let mut drawn = 0_u64;
    let mut draw = || {
        drawn += 1;
        let mut bytes = [0xaa; 32];
        bytes[..8].copy_from_slice(&drawn.to_be_bytes());
        bytes
    };
    let mut hosts: Vec<_> = story
        .hosts
        .iter()
        .map(|&(ahead, joins, phase)| Host {
            schedule: Schedule::new("web", LIFETIME),
            ahead,
            joins,
            phase,
            last_round: None,
        })
        .collect();
    let mut epoch_of_key = BTreeMap::<[u8; 32], u64>::new();
    let mut elapsed = 0;
    let most_ahead = story.hosts.iter().map(|host| host.0).max().unwrap_or(0);
    for turn in &story.turns {
        let mut away = elapsed + turn.up;
        if let Some(after) = turn.after_epoch {
            let begun = (away + most_ahead).next_multiple_of(EPOCH_SECONDS) - most_ahead;
            away = begun + after;
        }
        let back = away + turn.down;
        while elapsed < back {
            let now = START + elapsed;
            let is_up = elapsed < away;
            // The round in which the store dies is broken off somewhere.
            let is_last = is_up && elapsed + STEP >= away;
            for host in hosts.iter_mut().filter(|host| host.joins <= elapsed) {
                host.schedule.turn(host.clock(now));
                if (elapsed / STEP) % (ROUND / STEP) != host.phase {
                    continue;
                }
                match is_up {
                    true => {
                        host.round(
                            &mut store,
                            now,
                            is_last.then_some(story.breaks_at),
                            &mut draw,
                        );
                        if !is_last {
                            let there = store.0.values().map(|&(bytes, _)| bytes).collect();
                            host.last_round = Some((elapsed, there));
                        }
                    }
                    false => host.schedule.failed(),
                }
            }
            let away_since = (!is_up).then_some(away);
            // Between the turns of hours and of the store, a look now and then is enough.
            let is_turn =
                [0, 3600 - STEP].contains(&(elapsed % 3600)) || elapsed.abs_diff(away) < 2 * ROUND;
            if is_turn || elapsed % 420 == 0 {
                check(&hosts, elapsed, away_since, strict, &mut epoch_of_key);
            }
            elapsed += STEP;
        }
    }
    // Back for good, and everybody has the same before long.
    for _ in 0..2 * ROUND / STEP {
        let now = START + elapsed;
        for host in hosts.iter_mut().filter(|host| host.joins <= elapsed) {
            host.schedule.turn(host.clock(now));
            host.round(&mut store, now, None, &mut draw);
        }
        elapsed += STEP;
    }
    let now = START + elapsed;
    let joined: Vec<_> = hosts
        .iter()
        .filter(|host| host.joins + STEP <= elapsed)
        .collect();
    for host in &joined {
        let (_, bytes) = host.making(now).expect("a key with the store");
        assert!(joined.iter().all(|other| other.opens(now, &bytes)));
    }
}

fn check(
    hosts: &[Host],
    elapsed: u64,
    away_since: Option<u64>,
    strict: bool,
    epoch_of_key: &mut BTreeMap<[u8; 32], u64>,
) {
    let now = START + elapsed;
    let joined = hosts.iter().filter(|host| host.joins <= elapsed);
    for (number, host) in joined.enumerate() {
        let clock = host.clock(now);
        for key in host.schedule.publish(clock) {
            assert!(
                host.schedule.end_of(key.epoch) > clock,
                "a key is there after its end"
            );
            assert_ne!(key.secret.bytes(), &[0; 32]);
            let epoch = *epoch_of_key.entry(*key.secret.bytes()).or_insert(key.epoch);
            assert_eq!(epoch, key.epoch, "one key, two epochs");
        }
        let Some((epoch, bytes)) = host.making(now) else {
            continue;
        };
        assert_eq!(epoch, epoch_of(clock));
        for (other_number, other) in hosts.iter().enumerate() {
            let Some((reached, there)) = &other.last_round else {
                continue;
            };
            let in_time = elapsed - reached <= 24 * 3600;
            // It was there for the host to find, or both have lost the store together.
            let was_there = there.contains(&bytes);
            let is_lost_together = strict
                && away_since.is_some_and(|away| {
                    let last = |host: &Host| {
                        host.last_round
                            .as_ref()
                            .is_some_and(|&(at, _)| at + 3 * ROUND >= away)
                    };
                    last(host) && last(other)
                });
            if in_time && (was_there || is_lost_together) {
                assert!(
                    other.opens(now, &bytes),
                    "at {elapsed}, host {other_number} does not open what host {number} makes: {was_there}"
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(13), ..ProptestConfig::default() })]

    /// The store stays for four minutes at least.
    #[test]
    fn hosts_that_lose_the_store_together_open_each_others_tickets(story in story(240..5 * 3600)) {
        play(&story, true);
    }

    /// The store may come for a moment only.
    #[test]
    fn keys_from_the_store_open_everywhere_and_end_in_time(story in story(30..1200)) {
        play(&story, false);
    }
}
