//! Pages that another process wrote: they are read without harm, or not at all.

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::alive::{boot, is_of_page, tick};
use super::census::Census;
use super::figures::{FIGURES, Figure};
use super::layout::{BYTES, MAGIC, VERSION, header, slot, slot_at};
use super::maps::about;
use super::reading::{Reading, Use, may_be_of};
use super::sweep::was_given_up;
use crate::sys::mapping::Mapping;

/// A file of a test's own, gone with it.
struct Page(PathBuf);

impl Page {
    fn new(name: &str, words: &[(usize, u64)], rest: u64, size: usize) -> Self {
        let name = format!("sslcache-page-{}-{name}.page", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut all = vec![rest; size / 8];
        for &(at, word) in words {
            all[at] = word;
        }
        let bytes: Vec<u8> = all.iter().flat_map(|word| word.to_ne_bytes()).collect();
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const WHOLE: [(usize, u64); 2] = [(header::MAGIC, MAGIC), (header::VERSION, VERSION)];

#[test]
fn figures_stand_by_their_numbers() {
    for (number, (figure, ..)) in FIGURES.iter().enumerate() {
        assert_eq!(*figure as usize, number);
    }
}

#[test]
fn nonsense_is_read_without_harm() {
    for rest in [u64::MAX, 0x0a1b_5b32_4a0a_1b5b, 1] {
        let page = Page::new("nonsense", &WHOLE, rest, BYTES);
        let reading = Reading::of(&page.0).unwrap();
        for process in reading.processes(&Census::of_process(std::process::id())) {
            assert!(process.contexts.len() <= super::contexts_shown());
        }
        let said = [reading.version(), reading.form()].concat() + &reading.settings().concat();
        assert!(!said.chars().any(char::is_control), "{said:?}");
        let _ = (reading.in_use(), reading.departed(), reading.region());
        for sums in [reading.departed(), reading.total()] {
            assert!(sums.hits() >= sums.get(Figure::HitsProcess));
            assert!(sums.misses() >= sums.get(Figure::MissesGone));
        }
    }
}

#[test]
fn other_files_are_no_pages() {
    let short = Page::new("short", &WHOLE, 0, BYTES - 8);
    let unknown = Page::new(
        "unknown",
        &[(header::MAGIC, MAGIC), (header::VERSION, VERSION + 1)],
        0,
        BYTES,
    );
    let turned = WHOLE.map(|(at, word)| (at, word.swap_bytes()));
    let other_order = Page::new("other-order", &turned, 0, BYTES);
    let link = Page::new("linked", &WHOLE, 0, BYTES);
    let name = link.0.with_extension("link");
    symlink(&link.0, &name).unwrap();
    let refused = [&short.0, &unknown.0, &other_order.0, &name];
    let refused = refused.map(|path| Reading::of(path).is_err());
    fs::remove_file(&name).unwrap();
    assert_eq!(refused, [true; 4]);
}

#[test]
fn page_is_in_use_while_a_process_of_it_has_it_mapped() {
    let ours = super::alive::namespace();
    let pid = std::process::id();
    let in_use = |name, boot, pid: u32, taken, is_mapped: bool, expected| {
        let first = slot_at(0);
        let words = [
            (header::PIDS, ours),
            (header::BOOT, boot),
            (header::EXPECTED, expected),
            (first + slot::PID, u64::from(pid)),
            (first + slot::TAKEN, taken),
        ];
        let page = Page::new(name, &[&WHOLE[..], &words].concat(), 0, BYTES);
        let file = fs::File::options().read(true).write(true).open(&page.0);
        let mapped = is_mapped.then(|| Mapping::of_file(file.unwrap().as_raw_fd(), BYTES).unwrap());
        let reading = Reading::of(&page.0).unwrap();
        let is_held = Census::take().has(reading.name());
        assert_eq!(is_held, mapped.is_some(), "{name}");
        reading.in_use()
    };
    let start = about(pid).unwrap().began;
    let now = tick();
    assert!(start <= now && now - start < 100 * 3600, "{start}, {now}");
    let boot = boot();
    assert_eq!(in_use("alive", boot, pid, now, true, 0), Use::Alive);
    assert_eq!(in_use("unsaid", boot, pid, 0, true, 0), Use::Alive);
    // The process runs another program now, which has not mapped the page.
    assert_eq!(in_use("executed", boot, pid, now, false, 0), Use::Gone);
    // Another process has the number now.
    assert_eq!(
        in_use("renumbered", boot, pid, start - 1, true, 0),
        Use::Gone
    );
    let nobody = 4_194_304; // above the most that there can be
    assert_eq!(in_use("gone", boot, nobody, 0, false, 0), Use::Gone);
    let forked = in_use("forked", boot, nobody, 0, false, 1);
    assert_eq!(forked, Use::GoneUnlessMapped);
    // Of an earlier boot, whatever the numbers mean now.
    assert_eq!(in_use("rebooted", boot ^ 1, pid, now, true, 1), Use::Gone);
}

/// Memory maps are read only where they may be, and /proc may be missing.
#[test]
fn process_whose_map_is_not_readable_is_told_by_its_beginning() {
    let is_there = |taken| is_of_page(1, taken, b"1-1.page");
    match fs::read("/proc/1/maps") {
        Ok(_) => assert!(!is_there(u64::MAX)),
        Err(_) => assert!(is_there(u64::MAX)),
    }
}

/// Without /proc, ids mean nothing to other processes: no other process is taken for one of the page.
#[test]
fn page_of_no_known_namespace_is_in_use_while_it_is_locked_or_mapped() {
    let first = slot_at(0);
    let us = (first + slot::PID, u64::from(std::process::id()));
    let page = Page::new("unknown-pids", &[WHOLE[0], WHOLE[1], us], 0, BYTES);
    let file = fs::File::options().read(true).write(true).open(&page.0);
    let file = file.unwrap();
    file.lock_shared().unwrap();
    let reading = Reading::of(&page.0).unwrap();
    let known = |census: &Census| {
        let processes = reading.processes(census);
        processes.iter().map(|one| one.is_known).collect::<Vec<_>>()
    };
    let nobody = Census::of_process(0);
    assert_eq!(
        (reading.in_use(), known(&nobody)),
        (Use::Alive, vec![false])
    );
    let mapped = Mapping::of_file(file.as_raw_fd(), BYTES).unwrap();
    let census = Census::take();
    assert_eq!(
        (census.has(reading.name()), known(&census)),
        (true, vec![true])
    );
    drop(mapped);
    file.unlock().unwrap();
    assert_eq!(
        Reading::of(&page.0).unwrap().in_use(),
        Use::GoneUnlessMapped
    );
}

#[test]
fn file_that_never_became_a_page_or_is_none_any_more_is_swept_in_the_end() {
    let hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3700);
    let other = [(header::MAGIC, MAGIC), (header::VERSION, VERSION + 1)];
    for (name, words, size, given_up) in [
        ("begun", &[][..], BYTES, true),
        ("truncated", &[][..], 0, true),
        ("of-another-version", &other[..], BYTES, false),
    ] {
        let page = Page::new(name, words, 0, size);
        assert!(!was_given_up(&page.0), "{name}: it may be being made");
        let file = fs::File::options().write(true).open(&page.0).unwrap();
        file.set_modified(hour_ago).unwrap();
        assert_eq!(was_given_up(&page.0), given_up, "{name}");
    }
}

#[test]
fn page_of_a_user_counts_for_processes_of_that_user_alone() {
    // SAFETY: geteuid has no preconditions.
    let us = unsafe { libc::geteuid() };
    let pid = std::process::id();
    assert!(may_be_of(pid, us) && may_be_of(pid, 0));
    assert!(!may_be_of(pid, us + 4242));
}

#[test]
fn page_that_is_empty_but_for_its_header_takes_no_memory() {
    let page = Page::new("sparse", &WHOLE, 0, BYTES);
    let reading = Reading::of(&page.0).unwrap();
    assert_eq!(reading.words_kept(), header::VERSION + 1);
    assert_eq!(
        (reading.settings().len(), reading.departed()),
        (0, Default::default())
    );
}
