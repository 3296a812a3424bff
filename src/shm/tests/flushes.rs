//! Flushed and removed records are not found again, whatever locks are held meanwhile.

use super::*;
use core::cell::Cell;
use core::sync::atomic::AtomicBool;

fn filled(region: &Region, number: u64) -> Partition<'_> {
    let partition = partition(region, 0);
    for number in 0..number {
        assert!(put(&partition, number, &record(number, 1, 100)));
    }
    partition
}

fn found(partition: &Partition<'_>, number: u64) -> usize {
    (0..number)
        .filter(|&number| get(partition, number).is_some())
        .count()
}

#[test]
fn flush_while_a_lock_is_not_had_leaves_nothing_to_be_found() {
    // Of what expires before a second to come, too.
    for before in [None, Some(1_001)] {
        let region = region(64 << 10);
        let partition = filled(&region, 50);
        assert_eq!(
            while_locked(&partition, 1, || partition.flush(before)),
            Some(0)
        );
        assert_eq!(found(&partition, 50), 0);
        // What is left gives way to others, or is cleared away.
        assert!(put(&partition, 7, &record(7, 2, 100)));
        assert_eq!(
            (partition.len(), partition.clear_expired(0), partition.len()),
            (51, 50, 1)
        );
        assert_eq!(get(&partition, 7), Some(record(7, 2, 100)));
        region.validate().expect("whole");
    }
}

#[test]
fn clearing_while_a_lock_is_not_had_takes_nothing_that_is_good() {
    let region = region(64 << 10);
    let partition = filled(&region, 50);
    assert_eq!(
        while_locked(&partition, 1, || partition.clear_expired(999)),
        Some(0)
    );
    assert_eq!(found(&partition, 50), 50);
}

#[test]
fn what_was_flushed_leaves_before_what_is_good() {
    let region = region(64 << 10);
    let partition = partition(&region, 20);
    for number in 0..20 {
        assert!(put(&partition, number, &record(number, 1, 100)));
        assert!(get(&partition, number).is_some());
    }
    while_locked(&partition, 1, || partition.flush(None));
    for number in 100..120 {
        assert!(put(&partition, number, &record(number, 1, 100)) && partition.len() == 20);
    }
    assert!((100..120).all(|number| get(&partition, number).is_some()));
}

#[test]
fn flush_beside_newcomers_leaves_nobody_of_before() {
    let region = region(256 << 10);
    let partition = partition(&region, 0);
    for round in 0..50 {
        let old: Vec<u64> = (0..300).map(|number| round * 1_000_000 + number).collect();
        for &number in &old {
            assert!(put_at(&partition, number, ClientHistory::Proven, 1_000, 0));
        }
        let (stop, begun) = (AtomicBool::new(false), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut number = round * 1_000_000 + 500_000;
                while !stop.load(Relaxed) {
                    put_at(&partition, number, ClientHistory::New, 1_000, 0);
                    begun.store(true, Relaxed);
                    number += 1;
                }
            });
            until("the other has begun", || begun.load(Relaxed));
            partition.flush(None);
            stop.store(true, Relaxed);
        });
        let left = old
            .iter()
            .filter(|&&number| partition.contains(&key(number), 0) == Some(true));
        assert_eq!(left.count(), 0);
        partition.flush(None);
        assert!(partition.is_empty());
    }
    region.validate().expect("whole");
}

#[test]
fn scan_that_a_rebuild_comes_between_passes_nothing_by() {
    let region = region(256 << 10);
    let partition = filled(&region, 400);
    let entry = region.partitions().find(partition.id).expect("its place");
    let scan = region.in_shard(0, |shard| Ok(shard.begin_scan(entry, 1_001)));
    let mut scan = scan.flatten().expect("there is something");
    let step = |scan: &mut _| region.in_shard(0, |shard| shard.scan_step(entry, 1_001, scan));
    assert!(step(&mut scan).is_some_and(|(_, more)| more));
    region.in_shard(0, |_| Err::<(), _>(crate::shm::shard::heap::Broken));
    while step(&mut scan).is_some_and(|(_, more)| more) {}
    assert!(partition.is_empty());
    region.validate().expect("whole");
}

#[test]
fn what_is_being_handed_over_while_all_is_flushed_does_not_come_back() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    let is_over = Cell::new(false);
    let may = || {
        // Another process ends it and flushes, between the question and the put.
        let may = !is_over.replace(true);
        partition.flush(None);
        may
    };
    let body = record(1, 1, 100);
    let what = (&key(1), 1, &body[..]);
    assert!(!partition.put_while(what, Expiry::at(1_000), ClientHistory::New, &may, 0));
    assert_eq!((get(&partition, 1), partition.len()), (None, 0));
}

#[test]
fn removal_that_is_put_off_is_done_by_whoever_has_the_lock_next() {
    let region = region(64 << 10);
    let partition = filled(&region, 50);
    let after = while_locked(&partition, 1, || {
        // By a process that has ended when the lock is had again.
        let remover = Child::of(|| i32::from(partition.remove(&key(7)).is_none()));
        assert_eq!(remover.wait(), 1);
        (get(&partition, 7), found(&partition, 50))
    });
    assert_eq!(after, Some((None, 49)));
    assert_eq!(
        (partition.contains(&key(7), 0), partition.len()),
        (Some(false), 49)
    );
    // It is made up for once.
    assert!(put(&partition, 7, &record(7, 2, 100)));
    assert_eq!(get(&partition, 7), Some(record(7, 2, 100)));
    assert_eq!(found(&partition, 50), 50);
    region.validate().expect("whole");
}

#[test]
fn removals_beyond_those_that_can_be_put_off_are_done_all_the_same() {
    let region = region(64 << 10);
    let partition = filled(&region, 100);
    let other = filled(&region, 10);
    while_locked(&partition, 1, || {
        for number in 0..66 {
            assert_eq!(partition.remove(&key(number)), None);
            assert_eq!(get(&partition, number), None);
        }
    });
    assert_eq!(found(&partition, 66), 0);
    assert_eq!(found(&other, 10), 10);
    assert!(put(&partition, 1, b"record") && get(&partition, 1).is_some());
    region.validate().expect("whole");
}

#[test]
fn removal_put_off_under_a_holder_that_dies_is_done_after_it() {
    let region = region(64 << 10);
    let partition = filled(&region, 50);
    let holder = Child::of(|| {
        region.in_shard(0, |_| {
            // SAFETY: stops this process, for good.
            unsafe { libc::raise(libc::SIGSTOP) };
            Ok(())
        });
        0
    });
    let mut status = 0;
    // SAFETY: our child.
    unsafe { libc::waitpid(holder.0, &mut status, libc::WUNTRACED) };
    assert_eq!(partition.remove(&key(7)), None);
    assert!(holder.kill());
    until("somebody looks", || put(&partition, 60, b"record"));
    assert_eq!((get(&partition, 7), found(&partition, 50)), (None, 49));
    region.validate().expect("whole");
}
