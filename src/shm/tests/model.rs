//! Random operations against a naive model. The region chooses which record leaves: the model takes note of it, and
//! checks that as many left as were counted.

use std::collections::HashMap;

use super::*;
use crate::shm::Found;

struct Held {
    mark: u32,
    expiry: Expiry,
    body: Vec<u8>,
}

struct Model<'a> {
    region: &'a Region,
    partitions: Vec<(PartitionId, HashMap<u64, Held>)>,
    evictions: u64,
    refused: u64,
    random: Random,
    numbers: u64,
    longest: u64,
}

impl<'a> Model<'a> {
    fn partition(&self, number: usize) -> Partition<'a> {
        self.region
            .partition(self.partitions[number].0, 0)
            .expect("an entry")
    }

    /// Forgets what the region has evicted, which must have been counted. The one that was replaced may have been evicted
    /// before it could be.
    fn reconcile(&mut self, replaced: bool) {
        let evictions = self.region.stats().evictions;
        let mut gone = 0;
        for number in 0..self.partitions.len() {
            let share = self.partition(number);
            let held = &mut self.partitions[number].1;
            let before = held.len();
            held.retain(|&number, _| share.contains(&key(number), i64::MIN) == Some(true));
            gone += (before - held.len()) as u64;
        }
        let counted = evictions - self.evictions;
        assert!(
            gone == counted || replaced && gone + 1 == counted,
            "{gone} gone, {counted} counted"
        );
        self.evictions = evictions;
    }

    fn step(&mut self) {
        let partition = self.random.below(self.partitions.len() as u64) as usize;
        let share = self.partition(partition);
        let number = self.random.below(self.numbers);
        let now = self.random.below(100) as i64;
        let mark = self.random.below(3) as u32;
        let mut copy = vec![7; 3];
        match self.random.below(20) {
            0..8 => {
                let len = match self.random.below(30) {
                    0 => self.random.below(self.longest),
                    1..15 => 180,
                    _ => 16 + self.random.below(400),
                };
                let body = record(number, self.random.0, len as usize);
                let expiry = match self.random.below(10) {
                    0 => Expiry::NEVER,
                    _ => Expiry::at(self.random.below(150) as i64),
                };
                let standing = [
                    ClientHistory::New,
                    ClientHistory::Returning,
                    ClientHistory::Proven,
                ][self.random.below(3) as usize];
                let put = share.put(&key(number), mark, &body, expiry, standing, now);
                // One of the same key left first, and was not evicted.
                let replaced = self.partitions[partition].1.remove(&number).is_some();
                self.reconcile(replaced);
                if put {
                    let held = Held { mark, expiry, body };
                    self.partitions[partition].1.insert(number, held);
                } else {
                    // Too long, or more than a few would have to leave for it.
                    assert!(len > 1_000, "{len} bytes are refused");
                    self.refused += 1;
                }
                let capacity = share.capacity();
                assert!(capacity == 0 || share.len() <= capacity);
            }
            8..12 => {
                let found = share.get(&key(number), now, &mut copy);
                self.check(partition, number, now, None, found, Some(&copy));
            }
            12 => {
                let held = &self.partitions[partition].1;
                let found = (share.holds(&key(number), mark, now) == Some(true)).then(|| Found {
                    mark,
                    expiry: held[&number].expiry,
                });
                self.check(partition, number, now, Some(mark), found, None);
            }
            13 | 14 => {
                let wanted = (mark > 0).then_some(mark);
                let found = share.consume(&key(number), wanted, now, Some(&mut copy));
                self.check(partition, number, now, wanted, found, Some(&copy));
                if found.is_some() {
                    self.partitions[partition].1.remove(&number);
                }
            }
            15 => assert_eq!(
                share.remove(&key(number)),
                Some(self.partitions[partition].1.remove(&number).is_some())
            ),
            16 => {
                let expiry = Expiry::at(self.random.below(150) as i64);
                let held = self.partitions[partition].1.get(&number);
                let body = held.map_or(Vec::new(), |held| held.body.clone());
                let put = share.put_over(&key(number), mark, &body, expiry, now);
                self.reconcile(false);
                let held = self.partitions[partition].1.get_mut(&number);
                let held = held.filter(|held| held.mark == mark);
                assert_eq!(put, held.is_some());
                if let Some(held) = held {
                    held.expiry = expiry;
                }
            }
            17 => match self.random.below(20) {
                0 => assert_eq!(
                    share.flush(None),
                    std::mem::take(&mut self.partitions[partition].1).len()
                ),
                1..6 => {
                    let held = &mut self.partitions[partition].1;
                    let before = held.len();
                    held.retain(|_, held| !held.expiry.has_passed(now));
                    assert_eq!(share.flush(Some(now)), before - held.len());
                }
                _ => {}
            },
            18 if self.random.below(20) == 0 => {
                let capacity = [0, 1, 7, 40, 400][self.random.below(5) as usize];
                share.set_capacity(capacity);
            }
            _ => assert_ne!(share.history_of(&key(number)), ClientHistory::New),
        }
        assert_eq!(share.len(), self.partitions[partition].1.len());
    }

    fn check(
        &mut self,
        partition: usize,
        number: u64,
        now: i64,
        mark: Option<u32>,
        found: Option<Found>,
        copy: Option<&[u8]>,
    ) {
        let held = &mut self.partitions[partition].1;
        let expired = held
            .get(&number)
            .is_some_and(|held| held.expiry.has_passed(now));
        if expired {
            held.remove(&number);
        }
        let expected = held
            .get(&number)
            .filter(|held| mark.is_none_or(|mark| mark == held.mark));
        assert_eq!(
            found,
            expected.map(|held| Found {
                mark: held.mark,
                expiry: held.expiry
            })
        );
        if let Some(copy) = copy {
            assert_eq!(copy, expected.map_or(&[][..], |held| &held.body));
        }
    }
}

fn run(bytes: usize, partitions: usize, numbers: u64, longest: u64, steps: u64, seed: u64) {
    let region = region(bytes);
    let partitions = (0..partitions).map(|_| {
        let partition = region.fresh_id();
        region.partition(partition, 0).expect("an entry");
        (partition, HashMap::new())
    });
    let partitions = partitions.collect();
    let mut model = Model {
        region: &region,
        partitions,
        evictions: 0,
        refused: 0,
        random: Random(seed),
        numbers,
        longest,
    };
    // Miri takes its time.
    let steps = if cfg!(miri) { steps / 100 } else { steps };
    for step in 0..steps {
        model.step();
        if step % (1 + bytes as u64 / 65_536) == 0 {
            region
                .validate()
                .unwrap_or_else(|what| panic!("step {step} of seed {seed}: {what}"));
        }
    }
    region.validate().expect("whole");
    let figures = region.stats();
    assert_eq!(
        (figures.rebuilt, figures.undecodable, figures.refused),
        (0, 0, model.refused)
    );
}

#[test]
fn small_region_under_pressure_agrees_with_a_naive_one() {
    for seed in 1..4 {
        run(64 << 10, 3, 200, 3_000, 2_000, seed);
    }
}

#[test]
fn region_of_one_partition_agrees_with_a_naive_one() {
    run(128 << 10, 1, 2_000, 3_000, 4_000, 11);
}

#[test]
fn region_of_many_shards_agrees_with_a_naive_one() {
    run(16 << 20, 5, 500, 40_000, 8_000, 21);
}
