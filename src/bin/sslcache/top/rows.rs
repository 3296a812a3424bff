//! A row for each process: what it holds, and its rates per second between two readings of its stats page.

use std::collections::HashMap;
use std::time::Instant;

use sslcache::page::{Figure, Sums};

use crate::processes::{Tree, program_of};
use crate::stat::bytes;

/// A process, between two readings.
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

/// A column: its heading, its width, and the value that it shows and that rows are sorted by.
pub struct Column {
    pub head: &'static str,
    pub width: u16,
    shows: Shows,
}

/// The value in a column.
enum Shows {
    Program,
    Count(fn(&Row) -> u64),
    Bytes(fn(&Row) -> u64),
    /// A rate per second.
    Rate(fn(&Row) -> f64),
    ShareOfHits,
}

impl Column {
    const fn new(head: &'static str, width: u16, shows: Shows) -> Self {
        Self { head, width, shows }
    }

    /// The key that rows are sorted by.
    pub fn key(&self, row: &Row) -> f64 {
        match self.shows {
            Shows::Program => by_name(row),
            Shows::Count(figure) | Shows::Bytes(figure) => figure(row) as f64,
            Shows::Rate(figure) => figure(row),
            Shows::ShareOfHits => share_of_hits(row).unwrap_or(-1.0),
        }
    }

    pub fn show(&self, row: &Row) -> String {
        match self.shows {
            Shows::Program => row.program.clone(),
            Shows::Count(figure) => figure(row).to_string(),
            Shows::Bytes(figure) => bytes(figure(row)),
            Shows::Rate(figure) => rate(figure(row)),
            Shows::ShareOfHits => {
                share_of_hits(row).map_or_else(|| "-".to_owned(), |share| format!("{share:.0}"))
            }
        }
    }
}

/// All columns. With a blank between them they fit a terminal of 80 columns.
pub static COLUMNS: [Column; 10] = [
    Column::new("PID", 8, Shows::Count(|row| row.pid.into())),
    Column::new("PROGRAM", 10, Shows::Program),
    Column::new("SESSIONS", 8, Shows::Count(|row| row.sums.sessions)),
    Column::new("MEMORY", 6, Shows::Bytes(|row| row.sums.memory)),
    Column::new("HIT/S", 7, Shows::Rate(|row| row.hits)),
    Column::new("MISS/S", 7, Shows::Rate(|row| row.misses)),
    Column::new("HIT%", 5, Shows::ShareOfHits),
    Column::new("ADD/S", 7, Shows::Rate(|row| row.added)),
    Column::new("EVICT/S", 7, Shows::Rate(|row| row.evicted)),
    Column::new("WAIT/S", 6, Shows::Rate(|row| row.waits)),
];

/// The column whose heading begins with these letters.
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

/// The share of hits in all look-ups since the process began, in percent; `None` if there was no look-up.
fn share_of_hits(row: &Row) -> Option<f64> {
    let hits = row.sums.hits() as f64;
    let all = (row.sums.hits() + row.sums.misses()) as f64;
    (all > 0.0).then(|| 100.0 * hits / all)
}

/// The last reading.
#[derive(Default)]
pub struct Rates {
    last: HashMap<u32, Sums>,
    at: Option<Instant>,
}

impl Rates {
    /// Reads again and returns the rows.
    pub fn rows(&mut self, trees: &[Tree], now: Instant) -> Vec<Row> {
        let seconds = self
            .at
            .map_or(0.0, |at| now.duration_since(at).as_secs_f64());
        let processes: Vec<_> = trees.iter().flat_map(|tree| &tree.processes).collect();
        let rows = processes.iter().map(|process| {
            let sums = process.sums;
            // A process that is read for the first time has no rate yet.
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
                program: program_of(process),
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
