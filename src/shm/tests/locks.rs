//! Those who keep a lock: stopped, dead, or of unknown fate.

use super::*;
use crate::shm::process::identity::Identity;
use crate::shm::process::lock::{Lock, Wait};
use crate::shm::region::layout::{header, shard as place};
use crate::shm::shard::heap::Broken;

/// The lock of the only shard of a small region.
fn lock(region: &Region) -> Lock<'_> {
    Lock::at(&region.memory, region.layout.shard(0) + place::LOCK)
}

/// A child that stops itself while it holds the lock.
fn stopped_holder(region: &Region) -> Child {
    holder_that_stops(region, Ok(()))
}

/// A child that stops itself while it holds the lock, and then comes to this end.
fn holder_that_stops(region: &Region, end: Result<(), Broken>) -> Child {
    let child = Child::of(|| {
        let held = region.in_shard(0, |_| {
            // SAFETY: stops this process, until it is told to go on.
            unsafe { libc::raise(libc::SIGSTOP) };
            end
        });
        i32::from(held.is_some())
    });
    let mut status = 0;
    // SAFETY: our child.
    unsafe { libc::waitpid(child.0, &mut status, libc::WUNTRACED) };
    assert!(libc::WIFSTOPPED(status));
    child
}

#[test]
fn stopped_holder_is_waited_for_once_and_goes_on_afterwards() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    assert!(put(&partition, 1, &record(1, 1, 100)));
    let holder = stopped_holder(&region);
    let begun = Instant::now();
    assert_eq!(get(&partition, 2), None);
    let first = begun.elapsed();
    assert!(first >= Duration::from_millis(4), "did not wait: {first:?}");
    // From now on no process waits. The mean, because something else may run in between.
    let begun = Instant::now();
    for _ in 0..200 {
        assert_eq!(get(&partition, 2), None);
        assert!(!put(&partition, 2, b"record"));
        // What is there is found all the same.
        assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
        assert_eq!(
            [
                partition.holds(&key(1), 1, 0),
                partition.holds(&key(1), 2, 0)
            ],
            [Some(true), None]
        );
    }
    let later = begun.elapsed() / 600;
    assert!(
        later < Duration::from_millis(2),
        "each call waits: {later:?}"
    );
    assert!(region.stats().time_outs >= 601);
    holder.signal(libc::SIGCONT);
    assert_eq!(holder.wait(), 1);
    assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
    assert_eq!(region.stats().recovered, 0);
    region.validate().expect("whole");
    println!("first wait {first:?}, then {later:?}");
}

#[test]
fn holder_killed_while_it_was_suspect_is_noticed() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    assert!(put(&partition, 1, &record(1, 1, 100)));
    let holder = stopped_holder(&region);
    assert_eq!(partition.contains(&key(1), 0), None);
    assert!(holder.kill());
    until("somebody looks", || put(&partition, 2, b"record"));
    assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
    assert_eq!(region.stats().recovered, 1);
}

#[test]
fn holder_that_died_is_noticed_by_its_id_and_by_when_it_began() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    let own = Identity::own();
    let dead = Child::of(|| 0);
    let pid = dead.0 as u32;
    assert_eq!(dead.wait(), 0);
    // Its id belongs to no process.
    lock(&region).pretend(Identity {
        pid,
        start: 5,
        ..own
    });
    assert!(put(&partition, 1, b"record"));
    assert_eq!(region.stats().recovered, 1);
    // Its id belongs to another process now, which began at another time.
    lock(&region).pretend(Identity {
        pid: 1,
        start: 5,
        ..own
    });
    assert!(put(&partition, 1, b"record"));
    assert_eq!(region.stats().recovered, 2);
    // In another namespace that id may belong to any process.
    lock(&region).pretend(Identity {
        pid,
        start: 5,
        namespace: own.namespace ^ 1,
    });
    assert!(!put(&partition, 1, b"record"));
    assert_eq!(region.stats().recovered, 2);
    // The same without /proc, where the beginning is not known.
    lock(&region).pretend(Identity {
        pid: 1,
        start: 0,
        ..own
    });
    assert!(!put(&partition, 1, b"record"));
    assert_eq!(region.stats().recovered, 2);
}

#[test]
fn suspect_that_keeps_a_lock_for_too_long_loses_it_and_does_not_believe_what_it_did() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    assert!(put(&partition, 1, &record(1, 1, 100)));
    let holder = stopped_holder(&region);
    fence(&region, &partition);
    assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
    assert_eq!(region.stats().recovered, 1);
    holder.signal(libc::SIGCONT);
    assert_eq!(holder.wait(), 0, "it did not notice");
    assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
}

/// Takes the lock from who holds it, as if it had been suspect for long.
fn fence(region: &Region, partition: &Partition<'_>) {
    assert_eq!(partition.contains(&key(1), 0), None);
    let since = region.memory.u64(region.layout.shard(0) + place::LOCK + 8);
    since.fetch_sub(
        crate::shm::process::lock::FENCED_AFTER.as_nanos() as u64,
        Relaxed,
    );
    until("somebody looks", || put(partition, 2, b"record"));
}

#[test]
fn what_one_did_without_its_lock_is_mended_by_the_next_who_has_it() {
    for end in [Ok(()), Err(Broken)] {
        let region = region(64 << 10);
        let partition = partition(&region, 0);
        assert!(put(&partition, 1, &record(1, 1, 100)));
        let holder = holder_that_stops(&region, end);
        fence(&region, &partition);
        // In the middle of a change no other process touches the shard.
        let untouched = region.in_shard(0, |shard| {
            let records = shard.word(place::RECORDS);
            shard.set_word(place::RECORDS, 77);
            holder.signal(libc::SIGCONT);
            assert_eq!(holder.wait(), 0, "it did not notice");
            let untouched = shard.word(place::RECORDS) == 77;
            shard.set_word(place::RECORDS, records);
            Ok(untouched)
        });
        assert_eq!(untouched, Some(true));
        assert_eq!(region.stats().recovered, 1);
        assert!(put(&partition, 3, b"record"));
        assert_eq!(region.stats().recovered, 2);
        region.validate().expect("whole");
    }
}

#[test]
fn lock_held_by_the_parent_over_a_fork_is_let_go_by_it() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    let child = region.in_shard(0, |_| {
        Ok(Child::of(|| i32::from(get(&partition, 1).is_none())))
    });
    assert_eq!(child.expect("the lock").wait(), 1);
    assert!(put(&partition, 1, b"record") && region.stats().recovered == 0);
}

#[test]
fn share_whose_place_is_not_had_in_time_has_it_with_a_later_put() {
    let region = region(64 << 10);
    let Wait::Had(held) = Lock::at(&region.memory, header::PARTITIONS_LOCK).lock() else {
        panic!("nobody holds it");
    };
    let partition = partition(&region, 0);
    assert!(!put(&partition, 1, b"record") && !partition.is_placed());
    assert_eq!(partition.remove(&key(1)), Some(false));
    assert!(held.release());
    assert!(put(&partition, 1, b"record") && partition.is_placed());
}

#[test]
fn page_of_keys_is_seen_by_all_and_survives_who_dies_in_it() {
    let region = region(64 << 10);
    let child = Child::of(|| i32::from(region.with_key_page(|page| page[3999] = 7).is_some()));
    assert_eq!(child.wait(), 1);
    assert_eq!(
        region.with_key_page(|page| (page[0], page[3999])),
        Some((0, 7))
    );
    let killed = Child::of(|| {
        region.with_key_page(|page| {
            page[3999] = 8;
            // SAFETY: ends this process while it holds the lock.
            unsafe { libc::raise(libc::SIGKILL) };
        });
        0
    });
    killed.reap();
    std::mem::forget(killed);
    assert_eq!(
        region.with_key_page(|page| (page[0], page[3999])),
        Some((0, 7))
    );
    let stopped = Child::of(|| {
        // SAFETY: stops this process.
        region.with_key_page(|_| unsafe { libc::raise(libc::SIGSTOP) });
        0
    });
    let mut status = 0;
    // SAFETY: our child.
    unsafe { libc::waitpid(stopped.0, &mut status, libc::WUNTRACED) };
    assert_eq!(region.with_key_page(|page| page[3999]), None);
}

/// A panic leaves a change half done: no process may take the result for whole.
#[test]
fn shard_that_a_panic_left_half_changed_is_mended_by_the_next_who_has_its_lock() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    assert!(put(&partition, 1, &record(1, 1, 100)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        region.in_shard(0, |shard| -> Result<(), Broken> {
            shard.set_word(place::RECORDS, 77);
            std::panic::resume_unwind(Box::new(()));
        })
    }));
    assert!(panicked.is_err());
    assert!(put(&partition, 2, b"record"));
    assert_eq!(region.stats().recovered, 1);
    assert_eq!(get(&partition, 1), Some(record(1, 1, 100)));
    region.validate().expect("whole");
}
