//! A row for each process: what it holds, and what happened in a second between two looks.

use std::collections::HashMap;
use std::time::Instant;

use sslcache::page::{Figure, Sums};

use crate::processes::{Tree, name_of};
use crate::stat::bytes;

/// A process, between two looks.
pub struct Row {
    pub pid: u32,
    program: String,
    sums: Sums,
    hits: f64,
    misses: f64,
    added: f64,
    evicted: f64,
    waits: f64,
}

/// A column: its head, its width, what it is sorted by, what it shows.
pub struct Column {
    pub head: &'static str,
    pub width: u16,
    pub key: fn(&Row) -> f64,
    pub show: fn(&Row) -> String,
}

/// Together no wider than a terminal of 80 columns, with a blank between two.
pub static COLUMNS: [Column; 10] = [
    Column {
        head: "PID",
        width: 8,
        key: |row| row.pid.into(),
        show: |row| row.pid.to_string(),
    },
    Column {
        head: "PROGRAM",
        width: 10,
        key: by_name,
        show: |row| row.program.clone(),
    },
    Column {
        head: "SESSIONS",
        width: 8,
        key: |row| row.sums.sessions as f64,
        show: |row| row.sums.sessions.to_string(),
    },
    Column {
        head: "MEMORY",
        width: 6,
        key: |row| row.sums.memory as f64,
        show: |row| bytes(row.sums.memory),
    },
    Column {
        head: "HIT/S",
        width: 7,
        key: |row| row.hits,
        show: |row| rate(row.hits),
    },
    Column {
        head: "MISS/S",
        width: 7,
        key: |row| row.misses,
        show: |row| rate(row.misses),
    },
    Column {
        head: "HIT%",
        width: 5,
        key: share_of_hits,
        show: show_share,
    },
    Column {
        head: "ADD/S",
        width: 7,
        key: |row| row.added,
        show: |row| rate(row.added),
    },
    Column {
        head: "EVICT/S",
        width: 7,
        key: |row| row.evicted,
        show: |row| rate(row.evicted),
    },
    Column {
        head: "WAIT/S",
        width: 6,
        key: |row| row.waits,
        show: |row| rate(row.waits),
    },
];

/// By the first letters.
fn by_name(row: &Row) -> f64 {
    row.program
        .bytes()
        .chain([0; 6])
        .take(6)
        .fold(0.0, |sum, byte| sum * 256.0 + f64::from(byte))
}

fn rate(number: f64) -> String {
    if number > 0.0 && number < 9.95 {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// Of all look-ups since the process began; below all others where there was none.
fn share_of_hits(row: &Row) -> f64 {
    let (hits, all) = (
        row.sums.hits() as f64,
        (row.sums.hits() + row.sums.misses()) as f64,
    );
    if all > 0.0 { 100.0 * hits / all } else { -1.0 }
}

fn show_share(row: &Row) -> String {
    let share = share_of_hits(row);
    if share < 0.0 {
        "-".to_owned()
    } else {
        format!("{share:.0}")
    }
}

/// What was seen at the last look.
#[derive(Default)]
pub struct Rates {
    last: HashMap<u32, Sums>,
    at: Option<Instant>,
}

impl Rates {
    /// The rows of this look.
    pub fn rows(&mut self, trees: &[Tree], now: Instant) -> Vec<Row> {
        let seconds = self
            .at
            .map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        let processes: Vec<_> = trees.iter().flat_map(|tree| &tree.processes).collect();
        let rows = processes.iter().map(|process| {
            let sums = process.sums;
            // One that is seen for the first time has no rate yet.
            let before = *self.last.get(&process.pid).unwrap_or(&sums);
            let in_a_second = |now: u64, before: u64| {
                if seconds > 0.0 {
                    now.saturating_sub(before) as f64 / seconds
                } else {
                    0.0
                }
            };
            let figure = |figure| in_a_second(sums.get(figure), before.get(figure));
            Row {
                pid: process.pid,
                program: name_of(process.pid),
                sums,
                hits: in_a_second(sums.hits(), before.hits()),
                misses: in_a_second(sums.misses(), before.misses()),
                added: figure(Figure::Added),
                evicted: figure(Figure::Evicted),
                waits: figure(Figure::LockWaits),
            }
        });
        let rows = rows.collect();
        self.last = processes
            .iter()
            .map(|process| (process.pid, process.sums))
            .collect();
        self.at = Some(now);
        rows
    }
}
