//! What a record leaves behind, and what it takes.

use super::*;
use crate::sys::mapping::Mapping;
use crate::sys::program::is_testable;

/// Whether these bytes are anywhere in the region.
fn has(region: &Region, bytes: &[u8]) -> bool {
    let all: Vec<u8> = (0..region.layout.size)
        .step_by(8)
        .flat_map(|at| region.memory.u64(at).load(Relaxed).to_ne_bytes())
        .collect();
    all.windows(bytes.len()).any(|window| window == bytes)
}

#[test]
fn bytes_of_a_record_that_left_are_overwritten() {
    type Leave = fn(&Partition<'_>);
    let ways: [(&str, Leave); 8] = [
        ("removed", |partition| {
            assert_eq!(partition.remove(&key(7)), Some(true))
        }),
        ("taken", |partition| {
            assert!(partition.consume(&key(7), None, 0, None).is_some())
        }),
        ("replaced", |partition| {
            assert!(put(partition, 7, b"another"))
        }),
        ("expired", |partition| {
            assert!(partition.get(&key(7), 1_001, &mut Vec::new()).is_none())
        }),
        ("flushed", |partition| assert_eq!(partition.flush(None), 3)),
        ("flushed as expired", |partition| {
            assert_eq!(partition.flush(Some(1_001)), 3)
        }),
        ("evicted", |partition| {
            partition.set_capacity(1);
            assert!(put(partition, 1, b"another"));
            assert!(put(partition, 2, b"another"));
        }),
        ("evicted for room", |partition| {
            for number in 100..2_000 {
                assert!(put(partition, number, &[0; 300]));
            }
        }),
    ];
    for (name, leave) in ways {
        let region = region(64 << 10);
        let partition = partition(&region, 0);
        let secret = record(7, 77, 203);
        for number in [6, 7, 8] {
            assert!(put(&partition, number, &record(number, 77, 203)));
        }
        // Nor is the id kept beside the record.
        assert!(has(&region, &secret[150..]) && !has(&region, &[0x5a; 8]));
        leave(&partition);
        for part in secret[16..].chunks_exact(8) {
            assert!(!has(&region, part), "{name}");
        }
        region.validate().expect("whole");
    }
}

#[test]
fn bytes_in_a_page_of_keys_that_changed_are_overwritten() {
    let region = region(64 << 10);
    region
        .with_key_page(|page| page[800..816].copy_from_slice(b"the first secret"))
        .unwrap();
    assert!(has(&region, b"the first secret"));
    region
        .with_key_page(|page| page[800..816].copy_from_slice(b"another of those"))
        .unwrap();
    assert!(has(&region, b"another of those") && !has(&region, b"the first secret"));
}

/// What /proc tells of the mapping that an address lies in.
fn smaps_of(address: usize) -> Vec<String> {
    let text = std::fs::read_to_string("/proc/self/smaps").expect("/proc");
    let inside = |line: &str| {
        let range = line.split(' ').next()?.split_once('-')?;
        let of = |text| usize::from_str_radix(text, 16).ok();
        Some((of(range.0)?..of(range.1)?).contains(&address))
    };
    let lines = text
        .lines()
        .skip_while(|line| inside(line) != Some(true))
        .skip(1);
    lines
        .take_while(|line| inside(line).is_none())
        .map(str::to_owned)
        .collect()
}

#[test]
fn region_is_not_dumped_and_takes_only_what_is_used_of_it() {
    let region = region(64 << 20);
    let partition = partition(&region, 0);
    for number in 0..100 {
        assert!(put(&partition, number, &record(number, 0, 200)));
    }
    let lines = smaps_of(region.memory.u64(0).as_ptr() as usize);
    let flags = lines
        .iter()
        .find(|line| line.starts_with("VmFlags:"))
        .expect("flags");
    let page = Mapping::private(1).unwrap();
    if is_testable("memory that core dumps leave out", page.is_advice_heeded()) {
        assert!(flags.split(' ').any(|flag| flag == "dd"), "{flags}");
    }
    let rss = lines
        .iter()
        .find(|line| line.starts_with("Rss:"))
        .expect("resident size");
    let kilobytes: usize = rss.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kilobytes < 1024, "{rss}");
}

#[test]
fn session_takes_at_most_64_bytes_more_than_its_record() {
    let region = region(4 << 20);
    let partition = partition(&region, 0);
    // Far more than fit: what counts is how many do.
    let mut random = Random(3);
    let mut put_bytes = 0;
    for number in 0..60_000 {
        let len = 150 + random.below(60) as usize;
        assert!(put(&partition, number, &record(number, 0, len)));
        put_bytes += len;
    }
    let mean = put_bytes / 60_000;
    let figures = region.stats();
    let each = (figures.size / figures.records) as usize;
    println!(
        "{} records of {mean} bytes: {each} bytes each, {} of them in blocks",
        figures.records,
        figures.bytes / figures.records
    );
    assert!(each - mean <= 64, "{each} bytes for a record of {mean}");
}
