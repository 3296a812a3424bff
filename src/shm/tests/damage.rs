//! Bytes that another process changed.

use super::*;

/// Flips bits anywhere in the memory, but for the first bytes of the header if `spare` says so.
fn flip(region: &Region, random: &mut Random, times: u64) {
    for _ in 0..times {
        let at = random.below(region.layout.size as u64 / 8) as usize * 8;
        region
            .memory
            .u64(at)
            .fetch_xor(1 << random.below(64), Relaxed);
    }
}

fn use_it(partition: &Partition<'_>, random: &mut Random, calls: u64) {
    let mut copy = Vec::new();
    for _ in 0..calls {
        let number = random.below(300);
        let key = key(number);
        let found = match random.below(10) {
            0..4 => {
                put(
                    partition,
                    number,
                    &record(number, random.0, 16 + random.below(600) as usize),
                );
                None
            }
            4..7 => partition.get(&key, 0, &mut copy),
            7 => partition.consume(&key, None, 0, Some(&mut copy)),
            8 => {
                partition.remove(&key);
                None
            }
            _ => {
                partition.flush(Some(random.below(900) as i64));
                None
            }
        };
        assert!(found.is_none() || is_of(number, &copy), "a wrong record");
    }
}

#[test]
fn flipped_bits_cost_records_and_never_bring_a_wrong_one() {
    let mut random = Random(5);
    let (mut undecodable, mut rebuilt) = (0, 0);
    for round in 0..300 {
        let region = region([64 << 10, 200 << 10][round % 2]);
        let partition = partition(&region, [0, 100][round / 2 % 2]);
        use_it(&partition, &mut random, 300);
        for _ in 0..10 {
            flip(&region, &mut random, 200);
            // The locks too may now be held by no process: that costs time, which is not what this test is about.
            for number in 0..region.layout.shards {
                region
                    .memory
                    .u64(region.layout.shard(number))
                    .store(0, Relaxed);
            }
            use_it(&partition, &mut random, 100);
        }
        region.validate().ok();
        undecodable += region.stats().undecodable;
        rebuilt += region.stats().rebuilt;
    }
    assert!(
        undecodable > 100 && rebuilt > 100,
        "{undecodable} undecodable, {rebuilt} rebuilt"
    );
}

#[test]
fn random_bytes_everywhere_are_survived() {
    let mut random = Random(6);
    for round in 0..60 {
        let region = region(64 << 10);
        let partition = partition(&region, 0);
        let keep = [0, 12288][round % 2];
        for at in (keep..region.layout.size).step_by(8) {
            region.memory.u64(at).store(random.below(u64::MAX), Relaxed);
        }
        if round % 3 == 0 {
            region.memory.u64(region.layout.shard(0)).store(0, Relaxed);
        }
        use_it(&partition, &mut random, 60);
        region.validate().ok();
        region.stats();
        region.with_key_page(|page| page[0] += 1);
        region.partition(region.fresh_id(), 3);
    }
}

#[test]
fn bits_flipped_while_others_work_are_survived() {
    let region = region(64 << 10);
    let partition = partition(&region, 0);
    let stop = Board::new();
    let workers: Vec<_> = (1..5)
        .map(|seed| {
            Child::of(|| {
                let mut random = Random(seed);
                while stop.read(0) == 0 {
                    use_it(&partition, &mut random, 50);
                }
                0
            })
        })
        .collect();
    let mut random = Random(7);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        flip(&region, &mut random, 3);
        std::thread::sleep(Duration::from_micros(200));
    }
    stop.add(0);
    for worker in workers {
        assert_eq!(worker.wait(), 0);
    }
}

/// A shard is rebuilt after a flip: it is whole again, and takes records.
#[test]
fn shard_that_made_no_sense_is_whole_afterwards() {
    let mut random = Random(8);
    let mut kept = 0;
    for _ in 0..200 {
        let region = region(64 << 10);
        let partition = partition(&region, 0);
        for number in 0..100 {
            assert!(put(&partition, number, &record(number, 1, 200)));
        }
        let heap = region.layout.shard(0) + region.layout.heap;
        for _ in 0..5 {
            let at = heap + random.below(20_000) as usize / 8 * 8;
            region
                .memory
                .u64(at)
                .fetch_xor(1 << random.below(64), Relaxed);
        }
        region.in_shard(0, |_| Err::<(), _>(crate::shm::shard::heap::Broken));
        region.validate().expect("whole again");
        kept += region.stats().records;
        for number in 0..100 {
            assert!(get(&partition, number).is_none_or(|copy| is_of(number, &copy)));
            assert!(put(&partition, number, &record(number, 2, 200)));
        }
        region.validate().expect("whole");
    }
    // What is behind a tag that makes no sense is lost; the others are not.
    assert!(kept > 200 * 50, "{kept} of {}", 200 * 100);
}
