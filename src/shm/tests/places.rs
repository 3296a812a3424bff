//! Which partitions have an entry in a region that is full of them.

use super::*;
use std::time::SystemTime;

/// The system's time: a region takes an earlier one that it is told for outdated.
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("after 1970").as_secs() as i64
}

/// All 16 partitions of a small region, each with a record that was put at this second and is good for a day.
fn in_use(region: &Region, now: i64) -> Vec<Partition<'_>> {
    let partitions: Vec<_> = (0..16).map(|_| partition(region, 4)).collect();
    for (number, partition) in partitions.iter().enumerate() {
        assert!(put_at(
            partition,
            number as u64,
            ClientHistory::New,
            now + 86_400,
            now
        ));
    }
    partitions
}

/// A place that is free by now: a process that was turned away does not ask again at once.
fn place(region: &Region) -> Partition<'_> {
    let mut place = None;
    until("there is a place", || {
        place = region.partition(region.fresh_id(), 4);
        place.is_some_and(|partition| partition.is_placed())
    });
    place.expect("a place")
}

#[test]
fn places_of_partitions_whose_records_have_all_expired_are_had_again() {
    let region = region(64 << 20);
    for number in 0..1024 {
        let partition = region.partition(region.fresh_id(), 20480).expect("a place");
        assert!(put_at(&partition, number, ClientHistory::New, 1_000, 0));
    }
    for number in 0..1024 {
        let partition = region.partition(region.fresh_id(), 20480).expect("a place");
        assert!(partition.is_placed() && partition.is_empty() && !region.was_full());
        assert!(put_at(&partition, number, ClientHistory::New, 1_000, 0) && partition.len() == 1);
    }
    assert_eq!(region.stats().records, 1024);
    region.validate().expect("whole");
}

#[test]
fn places_of_partitions_without_records_are_used_again_and_no_others() {
    let region = region(64 << 10);
    let now = clock();
    let partitions = in_use(&region, now);
    assert!(!region.was_full() && region.partition(region.fresh_id(), 4).is_none());
    assert!(region.was_full() && partitions.iter().all(|partition| partition.len() == 1));
    assert_eq!(partitions[3].remove(&key(3)), Some(true));
    let newcomer = place(&region);
    assert!(put_at(&newcomer, 16, ClientHistory::New, now + 9, now) && newcomer.len() == 1);
    // The one that had it finds no place now, and says so.
    assert!(
        partitions[3].is_empty() && !put_at(&partitions[3], 3, ClientHistory::New, now + 9, now)
    );
    assert_eq!(newcomer.remove(&key(16)), Some(true));
    until("it has a place again", || {
        put_at(&partitions[3], 3, ClientHistory::New, now + 9, now)
    });
    assert!(partitions[3].capacity() == 4);
    region.validate().expect("whole");
}

#[test]
fn partition_that_was_unused_longest_gives_up_its_place_and_its_records_to_nobody() {
    let region = region(64 << 10);
    let now = clock();
    let partitions = in_use(&region, now);
    for (number, partition) in partitions
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != 5)
    {
        let found = partition.get(&key(number as u64), now + 60, &mut Vec::new());
        assert!(found.is_some());
    }
    let newcomer = place(&region);
    assert!(newcomer.is_empty() && partitions[5].is_empty());
    for (number, partition) in partitions.iter().enumerate() {
        let number = number as u64;
        assert_eq!(partition.contains(&key(number), now), Some(number != 5));
        assert_eq!(newcomer.contains(&key(number), now), Some(false));
    }
    region.validate().expect("whole");
    // The others are in use.
    assert!(put_at(
        &newcomer,
        99,
        ClientHistory::New,
        now + 99,
        now + 60
    ));
    assert!(region.partition(region.fresh_id(), 4).is_none());
}

#[test]
fn partition_that_its_process_is_done_with_gives_up_its_place_unless_another_one_uses_it() {
    let region = region(64 << 10);
    let now = clock();
    let partitions = in_use(&region, now);
    partitions[6].release();
    partitions[7].release();
    assert!(partitions[6].get(&key(6), now, &mut Vec::new()).is_some());
    place(&region);
    assert_eq!([partitions[6].len(), partitions[7].len()], [1, 0]);
}

#[test]
fn clock_that_is_set_back_keeps_no_places() {
    let region = region(64 << 10);
    let now = clock();
    let partitions = in_use(&region, now + 365 * 86_400);
    // A process that stays tells the right time.
    assert!(partitions[0].get(&key(0), now, &mut Vec::new()).is_some());
    for number in 0..15 {
        let newcomer = place(&region);
        assert!(put_at(&newcomer, number, ClientHistory::New, now + 99, now));
    }
    assert_eq!((partitions[0].len(), region.stats().records), (1, 16));
}

#[test]
fn partition_of_many_records_gives_up_its_place_a_part_at_a_time() {
    let region = region(1 << 20);
    let now = clock();
    let partitions: Vec<_> = (0..16).map(|_| partition(&region, 0)).collect();
    for number in 0..3000 {
        assert!(put_at(
            &partitions[0],
            number,
            ClientHistory::New,
            now + 99,
            now
        ));
    }
    for partition in &partitions[1..] {
        assert!(put_at(partition, 1, ClientHistory::New, now + 99, now + 60));
    }
    let newcomer = region.fresh_id();
    let mut records = vec![region.stats().records];
    let partition = loop {
        let partition = region
            .partition(newcomer, 0)
            .expect("a place, or the prospect of one");
        records.push(region.stats().records);
        if partition.is_placed() {
            break partition;
        }
        assert_eq!((partition.len(), partitions[0].len()), (0, 0));
        assert_eq!(partitions[0].contains(&key(1), now), Some(false));
    };
    assert!(records.windows(2).all(|pair| pair[0] - pair[1] < 1100));
    assert_eq!((partition.len(), region.stats().records), (0, 15));
    region.validate().expect("whole");
}

/// Many processes that make contexts at once, all of which want the places of before.
#[test]
fn many_that_want_places_at_once_all_have_one() {
    let region = region(1 << 20);
    let partitions: Vec<_> = (0..16).map(|_| partition(&region, 0)).collect();
    for (number, partition) in partitions.iter().enumerate() {
        for record in 0..50 {
            assert!(put_at(
                partition,
                1000 * number as u64 + record,
                ClientHistory::New,
                9,
                0
            ));
        }
    }
    let now = clock();
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let region = &region;
            Child::of(move || {
                let partition = place(region);
                let stays = (0..4).all(|record| {
                    let number = 1000 * number + record;
                    put_at(&partition, number, ClientHistory::New, now + 99, now)
                        && partition.contains(&key(number), now) == Some(true)
                });
                i32::from(stays && partition.len() == 4)
            })
        })
        .collect();
    assert!(workers.into_iter().all(|worker| worker.wait() == 1));
    region.validate().expect("whole");
}
