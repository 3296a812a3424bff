//! Models of a partition: what several processes put, find, consume and remove, some of which stop or end.

use std::sync::Arc;
use std::time::Duration;

use crate::board::{Board, When};
use crate::cache::{ClientHistory, Expiry, Key};
use crate::explore::Model;
use crate::played::{Fate, clock, identity, several, with_fate};
use crate::shm::operations::whole::Region;
use crate::shm::region::id::PartitionId;
use crate::sys::random::Random;

pub const MODELS: &[(&str, Model)] = &[
    ("region / three processes, none of which ends", |random| {
        of_several(random, Trouble::None);
    }),
    (
        "region / three processes, one of which ends at any step",
        |random| {
            of_several(random, Trouble::Ends);
        },
    ),
    (
        "region / three processes, one of which stops at any step",
        |random| {
            of_several(random, Trouble::Stops);
        },
    ),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trouble {
    None,
    Ends,
    Stops,
}

const PROCESSES: u64 = 3;
/// Keys that all processes use. Beside these each has one of its own.
const KEYS: u64 = 2;
const CALLS: u64 = 6;
pub const BYTES: usize = 64 << 10;

pub fn key(number: u64) -> Key {
    Key::new(&[1 + number as u8; 32], 0x0304).expect("32 bytes are an id")
}

/// A record from which its key and its number can be told.
pub fn record(key: u64, number: u64, len: u64) -> Vec<u8> {
    let mut bytes = [key.to_ne_bytes(), number.to_ne_bytes()].concat();
    bytes.extend((0..len).map(|at| (at ^ number ^ key << 3) as u8));
    bytes
}

/// The number of a record, which must be whole and of this key.
pub fn number_in(key: u64, bytes: &[u8]) -> u64 {
    let number = u64::from_ne_bytes(bytes[8..16].try_into().expect("eight bytes"));
    let whole = record(key, number, bytes.len() as u64 - 16);
    assert!(bytes == whole, "half a record, or another's");
    number
}

/// What a process works with.
struct Process {
    region: Arc<Region>,
    id: PartitionId,
    board: Board,
    random: Random,
    own_key: u64,
    /// Whether all records are flushed now and then.
    flushes: bool,
    trouble: Trouble,
}

fn of_several(random: &mut Random, trouble: Trouble) {
    clock::begin();
    identity::all_live();
    let region = Arc::new(Region::anonymous(BYTES).expect("memory"));
    let id = PartitionId::named(7);
    let capacity = [0, 0, 1, 2][random.below(4) as usize];
    region.partition(id, capacity).expect("an entry");
    let board = Board::default();
    let (unlucky, at, flushes) = (
        random.below(PROCESSES),
        random.below(1200),
        random.below(2) == 0,
    );
    several(|| {
        let processes: Vec<_> = (0..PROCESSES)
            .map(|number| {
                let fate = match trouble {
                    Trouble::Ends if number == unlucky => Fate::Ends(at),
                    Trouble::Stops if number == unlucky => {
                        let time =
                            [Duration::from_millis(7), Duration::from_secs(31)][at as usize % 2];
                        Fate::Stops(at, 20 + 10 * (at % 100) as u32, time)
                    }
                    _ => Fate::Lives,
                };
                let mut process = Process {
                    region: region.clone(),
                    id,
                    board: board.clone(),
                    random: Random(random.below(u64::MAX) | 1),
                    own_key: KEYS + number,
                    flushes,
                    trouble,
                };
                shuttle::thread::spawn(move || {
                    identity::be(2 + number);
                    with_fate(fate, || (0..CALLS).for_each(|_| process.call()));
                })
            })
            .collect();
        for process in processes {
            process.join().expect("a process");
        }
    });
    end(&region, id, &board, KEYS + PROCESSES);
    let partition = region.partition(id, 0).expect("an entry");
    assert!(
        capacity == 0 || partition.len() <= capacity,
        "more than there is room for"
    );
}

/// Whoever looks now finds whole what the one has left that has ended or stopped: in time.
pub fn end(region: &Region, id: PartitionId, board: &Board, keys: u64) {
    let partition = region.partition(id, 0).expect("an entry");
    for _ in 0..3 {
        clock::pass(Duration::from_secs(31));
        for number in 0..keys {
            let began = board.begin();
            let mut copy = Vec::new();
            if partition.get(&key(number), 0, &mut copy).is_some() {
                board.is_found(number, number_in(number, &copy), began);
            }
        }
    }
    region.validate().expect("whole");
}

impl Process {
    fn call(&mut self) {
        let partition = self.region.partition(self.id, 0).expect("an entry");
        let Self { board, random, .. } = self;
        let number = random.below(KEYS);
        let name = key(number);
        let mut copy = Vec::new();
        let began = board.begin();
        match random.below(12) {
            0..3 => {
                let put = board.put(number, When::Always);
                let body = record(number, put, random.below(60));
                let is_done = partition.put(
                    &name,
                    put as u32,
                    &body,
                    Expiry::NEVER,
                    ClientHistory::New,
                    0,
                );
                board.is_put(put, began, is_done);
            }
            3 => {
                let put = board.put(number, When::Open);
                let body = record(number, put, 8);
                let contents = (&name, put as u32, &body[..]);
                let may = || board.is_open();
                let is_done =
                    partition.put_while(contents, Expiry::NEVER, ClientHistory::New, &may, 0);
                board.is_put(put, began, is_done);
            }
            4 => {
                if let Some(other) = board.any_of(number) {
                    let put = board.put(number, When::Over(other));
                    let body = record(number, put, 16);
                    // Its own mark is its own number: what it takes the place of has the other one.
                    let is_done = partition.put_over(&name, other as u32, &body, Expiry::NEVER, 0);
                    board.is_put(put, began, is_done);
                }
            }
            5 | 6 => {
                if random.below(2) == 0 {
                    board.close();
                }
                let began = board.begin();
                partition.remove(&name);
                board.is_removed(number, began);
            }
            7 if self.flushes => {
                partition.flush(None);
                (0..KEYS).for_each(|number| board.is_removed(number, began));
            }
            8 => {
                if partition.consume(&name, None, 0, Some(&mut copy)).is_some() {
                    board.is_consumed(number, number_in(number, &copy), began);
                    board.is_removed(number, board.begin());
                }
            }
            9 | 10 => {
                if partition.get(&name, 0, &mut copy).is_some() {
                    board.is_found(number, number_in(number, &copy), began);
                }
            }
            _ => {
                // What only this process has is there until it takes it away itself, or has to make room.
                let own = self.own_key;
                let put = board.put(own, When::Always);
                let body = record(own, put, 24);
                let is_done =
                    partition.put(&key(own), 0, &body, Expiry::NEVER, ClientHistory::New, 0);
                let is_found = partition.get(&key(own), 0, &mut copy).is_some();
                let stats = self.region.stats();
                let is_calm =
                    self.trouble == Trouble::None && (stats.evictions, stats.time_outs) == (0, 0);
                match is_found {
                    // One that was not put may leave an earlier one.
                    true => assert!(
                        !is_done || number_in(own, &copy) == put,
                        "an earlier record"
                    ),
                    false => assert!(!is_calm || self.flushes, "a record is lost"),
                }
                board.is_put(put, began, is_done);
            }
        }
    }
}
