//! A row for each process: what it holds, and its rates per second between two readings of its stats page.

use std::collections::HashMap;
use std::time::Instant;

use sslcache::page::{Figure, Sums};

use crate::processes::{Tree, program_of};
use crate::stat::{bytes, rate};

/// A process, between two readings.
pub struct Row {
    pub pid: u32,
    program: String,
    sums: Sums,
    handshakes: f64,
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
    /// How soon it is left out where there is no room for all: the greatest rank first.
    rank: u8,
    shows: Shows,
}

/// The value in a column.
enum Shows {
    Program,
    Count(fn(&Row) -> u64),
    Bytes(fn(&Row) -> u64),
    /// A rate per second.
    Rate(fn(&Row) -> f64),
    /// A share in percent, of the second figure in the first.
    Share(fn(&Row) -> (u64, u64)),
}

impl Column {
    const fn new(head: &'static str, width: u16, rank: u8, shows: Shows) -> Self {
        Self {
            head,
            width,
            rank,
            shows,
        }
    }

    /// The key that rows are sorted by.
    pub fn key(&self, row: &Row) -> f64 {
        match self.shows {
            Shows::Program => by_name(row),
            Shows::Count(figure) | Shows::Bytes(figure) => figure(row) as f64,
            Shows::Rate(figure) => figure(row),
            Shows::Share(figures) => share(figures(row)).unwrap_or(-1.0),
        }
    }

    pub fn show(&self, row: &Row) -> String {
        match self.shows {
            Shows::Program => row.program.clone(),
            Shows::Count(figure) => figure(row).to_string(),
            Shows::Bytes(figure) => bytes(figure(row)),
            Shows::Rate(figure) => rate(figure(row)),
            Shows::Share(figures) => {
                share(figures(row)).map_or_else(|| "-".to_owned(), |share| format!("{share:.0}"))
            }
        }
    }
}

/// All columns. A terminal of 80 columns has room for all but two.
pub static COLUMNS: [Column; 12] = [
    Column::new("PID", 8, 0, Shows::Count(|row| row.pid.into())),
    Column::new("PROGRAM", 10, 1, Shows::Program),
    Column::new("SHAKE/S", 7, 2, Shows::Rate(|row| row.handshakes)),
    Column::new("RES%", 4, 3, Shows::Share(|row| row.resumed())),
    Column::new("SESSIONS", 8, 4, Shows::Count(|row| row.sums.sessions)),
    Column::new("MEMORY", 6, 8, Shows::Bytes(|row| row.sums.memory)),
    Column::new("HIT/S", 7, 6, Shows::Rate(|row| row.hits)),
    Column::new("MISS/S", 7, 7, Shows::Rate(|row| row.misses)),
    Column::new("HIT%", 4, 5, Shows::Share(|row| row.found())),
    Column::new("ADD/S", 7, 10, Shows::Rate(|row| row.added)),
    Column::new("EVICT/S", 7, 9, Shows::Rate(|row| row.evicted)),
    Column::new("WAIT/S", 6, 11, Shows::Rate(|row| row.waits)),
];

/// The column that rows are sorted by at first.
pub const BY_SESSIONS: usize = 4;

/// The numbers of the columns that fit a width, with a blank between two. The one that rows are sorted by is among them.
pub fn columns_in(width: u16, sorted: usize) -> Vec<usize> {
    let mut shown: Vec<_> = (0..COLUMNS.len()).collect();
    let room = usize::from(width) + 1;
    let taken = |shown: &[usize]| -> usize {
        let widths = shown
            .iter()
            .map(|&number| usize::from(COLUMNS[number].width) + 1);
        widths.sum()
    };
    while taken(&shown) > room {
        let others = shown.iter().filter(|&&number| number != sorted);
        let Some(&last) = others.max_by_key(|&&number| COLUMNS[number].rank) else {
            break; // a column alone is cut
        };
        shown.retain(|&number| number != last);
    }
    shown
}

impl Row {
    /// Resumed handshakes as a server, and all, since the process began.
    fn resumed(&self) -> (u64, u64) {
        (self.sums.accepted_resumed(), self.sums.accepted())
    }

    /// Look-ups that found a session, and all, since the process began.
    fn found(&self) -> (u64, u64) {
        let hits = self.sums.hits();
        (hits, hits.saturating_add(self.sums.misses()))
    }
}

/// A number that sorts like the first letters of the program's name.
fn by_name(row: &Row) -> f64 {
    row.program
        .bytes()
        .chain([0; 6])
        .take(6)
        .fold(0.0, |sum, byte| sum * 256.0 + f64::from(byte))
}

/// The share of a part in the whole, in percent; `None` of nothing.
fn share((part, whole): (u64, u64)) -> Option<f64> {
    (whole > 0).then(|| 100.0 * part as f64 / whole as f64)
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
                handshakes: in_a_second(sums.accepted(), before.accepted()),
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
