//! Pages that another process wrote: they are read without harm, or not at all.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::alive::{boot, is_alive, start_of, tick};
use super::figures::FIGURES;
use super::layout::{BYTES, MAGIC, VERSION, header, slot, slot_at};
use super::reading::{Reading, was_given_up};

/// A file of a test's own, gone with it.
struct Page(PathBuf);

impl Page {
    fn new(name: &str, words: &[(usize, u64)], rest: u64, size: usize) -> Self {
        let name = format!("sslcache-page-{}-{name}", std::process::id());
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
        for process in reading.processes() {
            assert!(process.contexts.len() <= super::contexts_shown());
        }
        let said = [reading.version(), reading.form()].concat() + &reading.settings().concat();
        assert!(!said.chars().any(char::is_control), "{said:?}");
        let _ = (reading.is_stale(), reading.departed(), reading.region());
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
    let link = Page::new("linked", &WHOLE, 0, BYTES);
    let name = link.0.with_extension("link");
    symlink(&link.0, &name).unwrap();
    let refused = [&short.0, &unknown.0, &name].map(|path| Reading::of(path).is_err());
    fs::remove_file(&name).unwrap();
    assert_eq!(refused, [true; 3]);
}

#[test]
fn page_is_stale_once_its_processes_are_gone() {
    let ours = super::alive::namespace();
    let pid = std::process::id();
    let page = |name, boot, pid: u32, taken| {
        let first = slot_at(0);
        let words = [
            (header::PIDS, ours),
            (header::BOOT, boot),
            (first + slot::PID, u64::from(pid)),
            (first + slot::TAKEN, taken),
        ];
        let page = Page::new(name, &[&WHOLE[..], &words].concat(), 0, BYTES);
        Reading::of(&page.0).unwrap().is_stale()
    };
    let start = start_of(pid).unwrap();
    let now = tick();
    assert!(start <= now && now - start < 100 * 3600, "{start}, {now}");
    assert!(is_alive(pid, start) && is_alive(pid, now) && !is_alive(pid, start - 1));
    let boot = boot();
    assert!(!page("alive", boot, pid, now));
    assert!(!page("unsaid", boot, pid, 0));
    // Another process has the number now.
    assert!(page("renumbered", boot, pid, start - 1));
    assert!(page("gone", boot, 4_194_304, 0)); // above the most that there can be
    // Of an earlier boot, whatever the numbers mean now.
    assert!(page("rebooted", boot ^ 1, pid, now));
}

/// Without /proc, ids mean nothing to other processes: no other process is taken for one of the page.
#[test]
fn page_of_no_known_namespace_is_stale_once_nobody_keeps_it_locked() {
    let first = slot_at(0);
    let us = (first + slot::PID, u64::from(std::process::id()));
    let page = Page::new("unknown-pids", &[WHOLE[0], WHOLE[1], us], 0, BYTES);
    let file = fs::File::open(&page.0).unwrap();
    file.lock_shared().unwrap();
    let reading = Reading::of(&page.0).unwrap();
    let known: Vec<_> = reading.processes().map(|one| one.is_known).collect();
    assert_eq!((reading.is_stale(), known), (false, vec![false]));
    file.unlock().unwrap();
    assert!(Reading::of(&page.0).unwrap().is_stale());
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
