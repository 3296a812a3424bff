//! Several processes at once.

use super::*;

const PROCESSES: u64 = 8;

/// Everything a process can do, at random; each hit is compared with what can have been put.
fn mixed_work(partition: &Partition<'_>, board: &Board, seed: u64, rounds: u64) {
    let mut random = Random(seed);
    let mut copy = Vec::new();
    for round in 0..rounds {
        let number = random.below(600);
        let key = key(number);
        match random.below(16) {
            0..7 => {
                put(
                    partition,
                    number,
                    &record(number, random.0, 16 + random.below(500) as usize),
                );
            }
            7..12 => {
                if partition.get(&key, 0, &mut copy).is_some() && !is_of(number, &copy) {
                    board.add(0);
                }
            }
            12 => {
                if partition.consume(&key, None, 0, Some(&mut copy)).is_some()
                    && !is_of(number, &copy)
                {
                    board.add(0);
                }
            }
            13 => {
                partition.remove(&key);
            }
            14 => {
                let (record, expiry) = (
                    record(number, random.0, 100),
                    Expiry::at(random.below(2_000) as i64),
                );
                partition.put_over(&key, number as u32, &record, expiry, 0);
            }
            _ if round % 97 == 0 => {
                partition.flush(Some(random.below(500) as i64));
            }
            _ => {
                partition.holds(&key, number as u32, 0);
            }
        }
    }
}

#[test]
fn bound_holds_in_all_processes_together() {
    for (bytes, capacity) in [
        (4 << 20, 1),
        (16 << 20, 10),
        (64 << 20, 2_048),
        (16 << 20, 300),
        (1 << 20, 50),
    ] {
        let region = region(bytes);
        let partition = partition(&region, capacity);
        let board = Board::new();
        let workers: Vec<_> = (0..PROCESSES)
            .map(|process| {
                Child::of(|| {
                    mixed_work(&partition, &board, process + 1, 4_000);
                    0
                })
            })
            .collect();
        let sampler = Child::of(|| {
            while board.read(1) == 0 {
                if partition.len() > capacity {
                    board.add(0);
                }
            }
            0
        });
        for worker in workers {
            assert_eq!(worker.wait(), 0);
        }
        board.add(1);
        assert_eq!(sampler.wait(), 0);
        assert_eq!(
            board.read(0),
            0,
            "wrong hits, or more than {capacity} at once"
        );
        region.validate().expect("whole");
    }
}

/// After each round the parent looks whether anything is left: so a round in which no process had the lock in time is told
/// from one in which the record was lost. Rounds come by the twenty, because to wait for each other takes far longer than
/// to take a record.
#[test]
fn one_record_offered_to_eight_processes_goes_to_exactly_one() {
    const ROUNDS: u64 = 10_000;
    const AT_ONCE: u64 = 20;
    const BEGUN: usize = 0;
    const DONE: usize = 1;
    const WRONG: usize = 2;
    /// From here on, how often each of the records at once was consumed.
    const TAKEN: usize = 8;
    let region = region(1 << 20);
    let partition = partition(&region, 100);
    let board = Board::new();
    let workers: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Child::of(|| {
                let mut copy = Vec::new();
                for first in (0..ROUNDS).step_by(AT_ONCE as usize) {
                    until("the next round", || board.read(BEGUN) > first);
                    for number in first..first + AT_ONCE {
                        if partition
                            .consume(&key(number), Some(number as u32), 0, Some(&mut copy))
                            .is_some()
                        {
                            board.add(TAKEN + (number % AT_ONCE) as usize);
                            if !is_of(number, &copy) {
                                board.add(WRONG);
                            }
                        }
                    }
                    board.add(DONE);
                }
                0
            })
        })
        .collect();
    let mut left = 0;
    for first in (0..ROUNDS).step_by(AT_ONCE as usize) {
        for number in first..first + AT_ONCE {
            board
                .at(TAKEN + (number % AT_ONCE) as usize)
                .store(0, Relaxed);
            assert!(put(&partition, number, &record(number, 0, 200)));
        }
        board.at(BEGUN).store(first + 1, Relaxed);
        until("the takers", || {
            board.read(DONE) == (first / AT_ONCE + 1) * PROCESSES
        });
        for number in first..first + AT_ONCE {
            let remains = u64::from(partition.consume(&key(number), None, 0, None).is_some());
            assert_eq!(
                board.read(TAKEN + (number % AT_ONCE) as usize) + remains,
                1,
                "in round {number}"
            );
            left += remains;
        }
    }
    for worker in workers {
        assert_eq!(worker.wait(), 0);
    }
    assert_eq!(board.read(WRONG), 0);
    let time_outs = region.stats().time_outs;
    assert!(
        left * PROCESSES <= time_outs,
        "{left} were left, with {time_outs} time-outs"
    );
    println!(
        "{ROUNDS} rounds, {PROCESSES} processes: one took it in {}, nobody in time in {left}",
        ROUNDS - left
    );
}

#[test]
fn flush_ends_while_others_keep_putting() {
    let region = region(8 << 20);
    let partition = partition(&region, 0);
    let board = Board::new();
    let workers: Vec<_> = (1..4_u64)
        .map(|process| {
            Child::of(|| {
                let mut number = process << 32;
                while board.read(0) == 0 {
                    put(&partition, number, &record(number, 0, 150));
                    number += 1;
                }
                0
            })
        })
        .collect();
    for round in 0..50 {
        partition.set_capacity([0, 5_000, 50, 0, 1][round % 5]);
        partition.flush(None);
        partition.flush(Some(i64::MAX));
    }
    board.add(0);
    for worker in workers {
        assert_eq!(worker.wait(), 0);
    }
    region.validate().expect("whole");
}

#[test]
fn partition_is_the_same_in_a_child_and_no_other_partition_sees_its_records() {
    let region = region(1 << 20);
    let (ours, others) = (partition(&region, 10), partition(&region, 10));
    let child = Child::of(|| i32::from(put(&ours, 1, &record(1, 2, 300))));
    assert_eq!(child.wait(), 1);
    assert_eq!(get(&ours, 1), Some(record(1, 2, 300)));
    assert_eq!(get(&others, 1), None);
    assert!(others.remove(&key(1)) == Some(false) && others.contains(&key(1), 0) == Some(false));
    assert_eq!((ours.len(), others.len(), others.flush(None)), (1, 0, 0));
    let group = region.partition(PartitionId::named(77), 5).unwrap();
    assert_eq!(
        (
            group.capacity(),
            region
                .partition(PartitionId::named(77), 9)
                .unwrap()
                .capacity()
        ),
        (5, 5)
    );
}
