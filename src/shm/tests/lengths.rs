//! Records of very different lengths: what a long one may cost the others.

use super::*;

/// A record of a session that came back with its client.
fn put_proven(partition: &Partition<'_>, number: u64, len: usize) -> bool {
    put_as(partition, number, len, ClientHistory::Proven)
}

fn put_as(partition: &Partition<'_>, number: u64, len: usize, standing: ClientHistory) -> bool {
    partition.put(
        &key(number),
        number as u32,
        &record(number, 1, len),
        Expiry::at(1_000),
        standing,
        0,
    )
}

/// Fills a region of one shard; how many records there are.
fn fill(region: &Region, partition: &Partition<'_>, len: usize) -> u64 {
    let mut number = 0;
    while region.stats().evictions == 0 {
        assert!(put_proven(partition, number, len));
        number += 1;
    }
    number - 1
}

/// How many of the records that there were come back, every so many.
fn come_back(partition: &Partition<'_>, number: u64, step: usize) -> usize {
    (0..=number)
        .step_by(step)
        .filter(|&number| get(partition, number).is_some())
        .count()
}

/// A copy is made word by word, and a vector has room for the usual length at first.
#[test]
fn record_comes_out_as_it_was_put_whatever_its_length() {
    let region = region(4 << 20);
    let partition = partition(&region, 0);
    for len in (0..=41).chain(1_015..=1_034) {
        let body = record(len as u64, 1, len.max(16));
        let body = &body[..len];
        assert!(put(&partition, len as u64, body));
        for room in [0, len, len.next_multiple_of(8)] {
            let mut copy = Vec::with_capacity(room);
            assert!(partition.get(&key(len as u64), 0, &mut copy).is_some());
            assert_eq!(copy, body, "{len}");
            assert!(put(&partition, len as u64, body));
        }
        let mut copy = vec![7; 3];
        let taken = partition.consume(&key(len as u64), None, 0, Some(&mut copy));
        assert!(taken.is_some() && copy == body, "{len}");
    }
}

#[test]
fn long_record_evicts_few_or_is_refused_and_evicts_none() {
    let region = region(4 << 20);
    let partition = partition(&region, 0);
    let number = fill(&region, &partition, 80);
    for _ in 0..3 {
        come_back(&partition, number, 1);
    }
    for (len, fits) in [
        (2_000, true),
        (8_000, false),
        (16_000, false),
        (60 << 10, false),
    ] {
        let before = region.stats();
        assert_eq!(
            put_as(&partition, 1_000_000, len, ClientHistory::New),
            fits,
            "{len}"
        );
        let after = region.stats();
        let evicted = after.evictions - before.evictions;
        assert!(
            evicted <= if fits { 33 } else { 0 },
            "{evicted} left for {len} bytes"
        );
        assert_eq!(after.refused - before.refused, u64::from(!fits));
    }
    region.validate().expect("whole");
}

#[test]
fn record_that_is_too_long_is_refused_where_there_is_room() {
    let region = region(4 << 20);
    let partition = partition(&region, 0);
    assert!(put_as(&partition, 1, 16 << 10, ClientHistory::New));
    assert!(!put_as(&partition, 2, (16 << 10) + 1, ClientHistory::New));
    // One that it was to take the place of is out of date all the same.
    assert!(!put_as(&partition, 1, 60 << 10, ClientHistory::New) && partition.is_empty());
    assert_eq!(region.stats().refused, 2);
}

/// Strangers with long certificates, that never come back, at one context; at another, clients that do.
#[test]
fn long_records_of_one_partition_take_no_more_than_its_share_of_the_room() {
    for len in [4_000, 16_000, 60 << 10] {
        let region = region(4 << 20);
        let (shop, other) = (partition(&region, 0), partition(&region, 0));
        let number = fill(&region, &shop, 200);
        let before = shop.len();
        for stranger in 0..1_000 {
            put_as(&other, 1_000_000 + stranger, len, ClientHistory::New);
            if stranger % 20 == 0 {
                come_back(&shop, number, 97);
            }
        }
        assert!(shop.len() * 20 > before * 9, "{} of {before}", shop.len());
        region.validate().expect("whole");
    }
}

/// The same at one context.
#[test]
fn long_newcomers_do_not_push_out_those_that_come_back() {
    let region = region(4 << 20);
    let partition = partition(&region, 0);
    let number = fill(&region, &partition, 200);
    let before = come_back(&partition, number, 1);
    for stranger in 0..2_000 {
        put_as(&partition, 1_000_000 + stranger, 4_000, ClientHistory::New);
        if stranger % 20 == 0 {
            come_back(&partition, number, 7);
        }
    }
    let after = come_back(&partition, number, 1);
    assert!(after * 10 > before * 8, "{after} of {before}");
    region.validate().expect("whole");
}

/// Who came first with few long records gives way, although they are few.
#[test]
fn partition_of_few_long_records_gives_up_what_is_beyond_its_share() {
    let region = region(4 << 20);
    let (long, short) = (partition(&region, 0), partition(&region, 0));
    let number = fill(&region, &long, 16_000);
    let room = region.stats().bytes;
    for newcomer in 0..40_000 {
        assert!(put_as(
            &short,
            1_000_000 + newcomer,
            200,
            ClientHistory::New
        ));
    }
    let kept = long.len() as u64 * 16_048;
    assert!(
        kept * 10 < room * 6,
        "{kept} bytes of {room} for {number} long ones"
    );
    assert!(kept * 10 > room * 4, "{kept} bytes of {room}");
    region.validate().expect("whole");
}
