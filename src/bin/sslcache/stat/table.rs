//! The stats as a table for people, one line per process.

use std::fmt::Write;

use sslcache::page::{Figure, REGION_FIGURES};

use super::{Subject, region_figures, shown};
use crate::processes::{Tree, name_of};

/// The whole text.
pub fn write(subject: &Subject) -> String {
    match subject {
        Subject::Trees(trees) if trees.is_empty() => {
            "no process shows its figures: start one with `sslcache run`, or see `sslcache doctor --pid N`\n".to_owned()
        }
        Subject::Trees(trees) => trees.iter().map(tree).collect::<Vec<_>>().join("\n"),
        Subject::Region(path, region) => {
            let mut text = format!("region {}\n", shown(path));
            for (name, figure) in region_figures(region) {
                let _ = writeln!(text, "  {name:<12} {figure:>12}");
            }
            text
        }
    }
}

/// A number of bytes in a readable unit.
pub fn bytes(number: u64) -> String {
    match number {
        0..1_024 => format!("{number}"),
        1_024..1_048_576 => format!("{}k", number >> 10),
        1_048_576..10_737_418_240 => format!("{}M", number >> 20),
        _ => format!("{}G", number >> 30),
    }
}

fn tree(tree: &Tree) -> String {
    let page = &tree.page;
    let mut text = format!("sslcache {}, {}\n", page.version(), page.form());
    let _ = writeln!(
        text,
        "{:>8} {:<12} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "PID",
        "PROGRAM",
        "SESSIONS",
        "MEMORY",
        "HITS",
        "OF REGION",
        "MISSES",
        "ADDED",
        "EVICTED",
        "WAITS"
    );
    let mut line = |pid: &str, name: &str, sums: &sslcache::page::Sums| {
        let _ = writeln!(
            text,
            "{pid:>8} {name:<12.12} {:>8} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
            sums.sessions,
            bytes(sums.memory),
            sums.hits(),
            sums.get(Figure::HitsRegion),
            sums.misses(),
            sums.get(Figure::Added),
            sums.get(Figure::Evicted),
            sums.get(Figure::LockWaits),
        );
    };
    for process in &tree.processes {
        line(
            &process.pid.to_string(),
            &name_of(process.pid),
            &process.sums,
        );
    }
    line("-", "(gone)", &page.departed());
    if page.unseen() > 0 {
        let _ = writeln!(
            text,
            "         and {} processes for which there was no room",
            page.unseen()
        );
    }
    let region = page.region();
    if region.iter().any(|&figure| figure > 0) {
        let figures = REGION_FIGURES
            .iter()
            .zip(region)
            .filter(|(_, figure)| **figure > 0);
        let words: Vec<_> = figures
            .map(|((name, _), figure)| format!("{name} {figure}"))
            .collect();
        let _ = writeln!(text, "  shared: {}", words.join(", "));
    }
    text
}
