//! Models of the table of partitions: an entry changes hands while others put, and while one ends.

use std::sync::Arc;
use std::time::Duration;

use crate::board::{Board, When};
use crate::cache::{ClientHistory, Expiry};
use crate::explore::Model;
use crate::played::{Fate, clock, identity, several, with_fate};
use crate::region_models::{BYTES, end, key, number_in, record};
use crate::shm::operations::whole::Region;
use crate::shm::region::id::PartitionId;
use crate::sys::random::Random;

pub const MODELS: &[(&str, Model)] = &[
    ("region / partitions take each other's entries", |random| {
        reclaim(random, false)
    }),
    (
        "region / partitions take entries, and one process ends",
        |random| reclaim(random, true),
    ),
];

/// As many as a small region has entries for.
const ENTRIES: u64 = 16;
const PROCESSES: u64 = 3;

fn partition_id(number: u64) -> PartitionId {
    PartitionId::named(u128::from(number) + 1000)
}

/// All entries have a record; each process then puts into a partition that has none, and into one of those that are displaced.
fn reclaim(random: &mut Random, ends: bool) {
    clock::begin();
    identity::all_live();
    let region = Arc::new(Region::anonymous(BYTES).expect("memory"));
    let board = Board::default();
    for number in 0..ENTRIES {
        put(&region, &board, number);
    }
    let unlucky = random.below(PROCESSES);
    let at = random.below(1500);
    several(|| {
        let processes: Vec<_> = (0..PROCESSES)
            .map(|number| {
                let fate = match ends && number == unlucky {
                    true => Fate::Ends(at),
                    false => Fate::Lives,
                };
                let (region, board, mut random) = (
                    region.clone(),
                    board.clone(),
                    Random(random.below(u64::MAX) | 1),
                );
                shuttle::thread::spawn(move || {
                    identity::be(2 + number);
                    with_fate(fate, || {
                        for _ in 0..3 {
                            let own = match random.below(3) {
                                0 => random.below(ENTRIES),
                                _ => ENTRIES + random.below(2),
                            };
                            put(&region, &board, own);
                            look(&region, &board, random.below(ENTRIES + 2));
                        }
                    });
                })
            })
            .collect();
        for process in processes {
            process.join().expect("a process");
        }
    });
    clock::pass(Duration::from_secs(31));
    for number in 0..ENTRIES + 2 {
        look(&region, &board, number);
    }
    let last = (0..ENTRIES + 2).find_map(|number| {
        let id = partition_id(number);
        region.partition_if_any(id).map(|_| id)
    });
    end(&region, last.expect("one has an entry"), &board, 0);
}

/// Puts the partition's record: its key is the same in each, so that only the partition tells one from another.
fn put(region: &Region, board: &Board, number: u64) {
    let began = board.begin();
    let Some(partition) = region.partition(partition_id(number), 0) else {
        return;
    };
    let put = board.put(number, When::Always);
    let body = record(number, put, 8);
    let is_done = partition.put(&key(0), 0, &body, Expiry::NEVER, ClientHistory::New, 0);
    board.is_put(put, began, is_done);
}

fn look(region: &Region, board: &Board, number: u64) {
    let began = board.begin();
    let mut copy = Vec::new();
    if let Some(partition) = region.partition_if_any(partition_id(number))
        && partition.get(&key(0), 0, &mut copy).is_some()
    {
        board.is_found(number, number_in(number, &copy), began);
    }
}
