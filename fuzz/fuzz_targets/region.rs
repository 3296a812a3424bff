//! Calls on partitions of a region, and changes of its bytes by a hostile process between them.
//!
//! Without changes the region agrees with a map, but for what it has evicted. With changes nothing ends the process, a record that
//! comes out was put under that key, each call's work is bounded, and a region whose locks are repaired is whole.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::cell::Cell;
use std::collections::HashMap;

use sslcache::cache::{ClientHistory, Expiry, Key};
use sslcache::shm::{Found, Part, Partition, PartitionId, Region, looks};
use sslcache::sys::played;
use sslcache_fuzz::Input;

const BYTES: usize = 64 << 10;
const PARTITIONS: u8 = 3;
/// Words of the region that a call looks at, at most: a rebuild compares each record with those of its bucket.
const LOOKS_MOST: u64 = 40_000_000;

type Name = (u8, u8);

#[derive(Clone)]
struct Held {
    mark: u32,
    expiry: Expiry,
    body: Vec<u8>,
}

struct Scene<'a> {
    region: &'a Region,
    ids: [PartitionId; PARTITIONS as usize],
    /// What is there, while nobody has changed bytes.
    held: HashMap<Name, Held>,
    /// All that was ever put under a name.
    put: HashMap<Name, Vec<Vec<u8>>>,
    pages: Vec<u8>,
    is_hostile: bool,
    serial: u32,
    most: Cell<u64>,
}

fn key(number: u8) -> Key {
    Key::new(&[number; 32], 0x0304).expect("32 bytes are an id")
}

impl<'a> Scene<'a> {
    fn partition(&self, number: u8) -> Option<Partition<'a>> {
        self.region.partition(self.ids[usize::from(number)], 0)
    }

    /// Runs a call, whose work is bounded.
    fn bounded<R>(&self, call: impl FnOnce() -> R) -> R {
        let before = looks();
        let answer = call();
        let work = looks() - before;
        assert!(work < LOOKS_MOST, "{work} words in one call");
        self.most.set(self.most.get().max(work));
        answer
    }

    fn body(&mut self, (partition, number): Name, len: u16) -> Vec<u8> {
        self.serial += 1;
        let len = match len {
            0..60_000 => len % 400,
            longer => longer - 60_000 + 12_000,
        };
        let mut body = vec![partition, number];
        body.extend_from_slice(&self.serial.to_le_bytes());
        body.extend((0..len).map(|at| at as u8 ^ number.wrapping_mul(37) ^ self.serial as u8));
        body
    }

    /// Whether what was found can be.
    fn check(
        &mut self,
        name: Name,
        mark: Option<u32>,
        now: i64,
        found: Option<Found>,
        body: Option<&[u8]>,
    ) {
        let evicted = self.region.stats().evictions > 0;
        if let Some(body) = body {
            match found {
                None => assert!(body.is_empty(), "a part of a record is left"),
                Some(_) => assert!(
                    self.put
                        .get(&name)
                        .is_some_and(|put| put.iter().any(|put| put == body)),
                    "a record that was not put under this key"
                ),
            }
        }
        if self.is_hostile {
            return;
        }
        let expected = self.held.get(&name).cloned();
        if expected
            .as_ref()
            .is_some_and(|held| held.expiry.has_passed(now))
        {
            assert!(found.is_none(), "one that has expired");
            self.held.remove(&name);
            return;
        }
        let expected = expected.filter(|held| mark.is_none_or(|mark| mark == held.mark));
        match (found, expected) {
            (Some(found), Some(held)) => {
                assert_eq!((found.mark, found.expiry), (held.mark, held.expiry));
                assert!(
                    body.is_none_or(|body| body == held.body),
                    "an earlier record"
                );
            }
            (Some(_), None) => panic!("a record that is removed"),
            (None, Some(_)) => assert!(evicted, "a record is lost"),
            (None, None) => {}
        }
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let operation = input.below(24);
        let name = (input.below(PARTITIONS), input.below(64));
        let number = key(name.1);
        let Some(partition) = self.partition(name.0) else {
            assert!(self.is_hostile, "three partitions have entries");
            return;
        };
        let now = i64::from(input.u8());
        let mut copy = Vec::new();
        match operation {
            0..6 => {
                let mark = u32::from(input.below(3));
                let body_len = input.u16();
                let body = self.body(name, body_len);
                let expiry = match input.u8() {
                    0 => Expiry::NEVER,
                    second => Expiry::at(second.into()),
                };
                let history = [
                    ClientHistory::New,
                    ClientHistory::Returning,
                    ClientHistory::Proven,
                ][usize::from(input.below(3))];
                self.put.entry(name).or_default().push(body.clone());
                let is_put =
                    self.bounded(|| partition.put(&number, mark, &body, expiry, history, now));
                self.held.remove(&name);
                if is_put {
                    self.held.insert(name, Held { mark, expiry, body });
                }
                // One that is refused leaves what a lowered capacity will cost to the next one.
                let capacity = partition.capacity();
                assert!(self.is_hostile || !is_put || capacity == 0 || partition.len() <= capacity);
            }
            6..9 => {
                let found = self.bounded(|| partition.get(&number, now, &mut copy));
                self.check(name, None, now, found, Some(&copy));
            }
            9 => {
                let mark = u32::from(input.below(3));
                let held = self.held.get(&name).map(|held| held.expiry);
                let holds = self.bounded(|| partition.holds(&number, mark, now));
                let found = (holds == Some(true)).then(|| Found {
                    mark,
                    expiry: held.unwrap_or(Expiry::NEVER),
                });
                self.check(name, Some(mark), now, found, None);
            }
            10 | 11 => {
                let mark = match input.below(4) {
                    3 => None,
                    mark => Some(mark.into()),
                };
                let found = self.bounded(|| partition.consume(&number, mark, now, Some(&mut copy)));
                self.check(name, mark, now, found, Some(&copy));
                if found.is_some() {
                    self.held.remove(&name);
                }
            }
            12 => {
                let removed = self.bounded(|| partition.remove(&number));
                let was_there = self.held.remove(&name).is_some();
                let evicted = self.region.stats().evictions > 0;
                assert!(self.is_hostile || removed == Some(was_there) || evicted && was_there);
            }
            13 => {
                let mark = u32::from(input.below(3));
                let body_len = input.u16();
                let body = self.body(name, body_len);
                let expiry = Expiry::at(input.u8().into());
                self.put.entry(name).or_default().push(body.clone());
                let is_put = self.bounded(|| partition.put_over(&number, mark, &body, expiry, now));
                let held = self.held.get(&name).filter(|held| held.mark == mark);
                assert!(
                    self.is_hostile || held.is_some() || !is_put,
                    "a removed record is put again"
                );
                if is_put {
                    self.held.insert(name, Held { mark, expiry, body });
                } else if held.is_some() {
                    self.held.remove(&name);
                }
            }
            14 => match input.flip() {
                true => {
                    self.bounded(|| partition.flush(None));
                    self.held.retain(|(partition, _), _| *partition != name.0);
                }
                false => {
                    self.bounded(|| partition.flush(Some(now)));
                    self.held.retain(|(partition, _), held| {
                        *partition != name.0 || !held.expiry.has_passed(now)
                    });
                }
            },
            15 => {
                self.bounded(|| partition.clear_expired(now));
                self.held.retain(|(partition, _), held| {
                    *partition != name.0 || !held.expiry.has_passed(now)
                });
            }
            16 => partition.set_capacity(input.below(40).into()),
            17 => {
                self.bounded(|| {
                    (
                        partition.history_of(&number),
                        partition.contains(&number, now),
                    )
                });
            }
            18 => {
                let fill = input.u8();
                let before = self.bounded(|| {
                    self.region.with_key_page(|page| {
                        let before = (page[0], page.iter().all(|byte| *byte == page[0]));
                        page.fill(fill);
                        before
                    })
                });
                assert!(before.is_none_or(|(_, is_whole)| is_whole));
                if let Some((byte, _)) = before {
                    assert!(
                        byte == 0 || self.pages.contains(&byte),
                        "a page that was not written"
                    );
                }
                self.pages.push(fill);
            }
            19 => {
                partition.release();
                self.region.stats();
                if input.below(16) == 0 {
                    self.bounded(|| self.region.flush());
                    self.held.clear();
                }
            }
            20 => played::pass(std::time::Duration::from_millis(input.odd() % 100_000)),
            21 | 22 => {
                let part = [
                    Part::Header,
                    Part::KeyPage,
                    Part::Partitions,
                    Part::Shard,
                    Part::Queues,
                    Part::Buckets,
                    Part::Heap,
                    Part::Anywhere,
                ][usize::from(input.below(8))];
                let (shard, place) = (0, input.u16());
                self.region
                    .scribble(part, shard, place.into(), input.change());
                self.is_hostile = true;
            }
            _ => {
                let (from, to, words) = (input.u16(), input.u16(), 1 + input.below(32));
                self.region.carry(from.into(), to.into(), words.into());
                self.is_hostile = true;
            }
        }
    }
}

sslcache_fuzz::target!(|bytes: &[u8]| {
    played::begin();
    let region = Region::fuzzed(BYTES, 1);
    let mut scene = Scene {
        region: &region,
        ids: [1, 2, 3].map(PartitionId::named),
        held: HashMap::new(),
        put: HashMap::new(),
        pages: Vec::new(),
        is_hostile: false,
        serial: 0,
        most: Cell::new(0),
    };
    let mut input = Input(bytes);
    let mut steps = 0;
    while !input.is_over() && steps < 400 {
        steps += 1;
        scene.step(&mut input);
        if !scene.is_hostile && steps % 16 == 0 {
            region.validate().expect("whole");
        }
    }
    // Whoever holds a lock next puts everything right, whatever was written.
    if scene.is_hostile {
        region.disturb();
    }
    region.validate().expect("whole in the end");
    for name in (0..PARTITIONS).flat_map(|partition| (0..64).map(move |number| (partition, number)))
    {
        let Some(partition) = scene.partition(name.0) else {
            continue;
        };
        let mut copy = Vec::new();
        let found = scene.bounded(|| partition.get(&key(name.1), 0, &mut copy));
        scene.check(name, None, 0, found, Some(&copy));
    }
});
