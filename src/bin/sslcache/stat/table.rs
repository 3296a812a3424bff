//! The stats as tables for people: one for each process tree, a line for each process.

use std::fmt::Write;

use sslcache::page::{Figure, REGION_FIGURES, Sums};

use super::{NONE_SHOWN, Subject, bytes, region_figures, shown};
use crate::processes::{Tree, program_of};

/// A line: process id, program, figures.
type Line = (String, String, Sums);

/// A column: its heading, and what it shows.
type Column = (&'static str, fn(&Sums) -> String);

/// The columns after process id and program; handshakes are those as a server. With a blank between them and figures of
/// common length they fit a terminal of 80 columns; longer figures make their column wider.
const COLUMNS: [Column; 8] = [
    ("HANDSHAKES", |sums| sums.accepted().to_string()),
    ("RESUMED", |sums| sums.accepted_resumed().to_string()),
    ("%", |sums| {
        percent(sums.accepted_resumed(), sums.accepted())
    }),
    ("SESSIONS", |sums| sums.sessions.to_string()),
    ("MEMORY", |sums| bytes(sums.memory)),
    ("HITS", |sums| sums.hits().to_string()),
    ("MISSES", |sums| sums.misses().to_string()),
    ("EVICTED", |sums| sums.get(Figure::Evicted).to_string()),
];
/// The least widths of all columns.
const WIDTHS: [usize; 10] = [7, 10, 10, 7, 4, 8, 6, 6, 6, 7];

/// The whole text.
pub fn write(subject: &Subject) -> String {
    match subject {
        Subject::Trees(trees) if trees.is_empty() => {
            format!("{NONE_SHOWN}\n")
        }
        Subject::Trees(trees) => of_trees(trees),
        Subject::Region(path, region) => {
            let mut text = format!("region {}\n", shown(path));
            for (name, figure) in region_figures(region) {
                let _ = writeln!(text, "  {name:<12} {figure:>12}");
            }
            text
        }
    }
}

/// A share in percent; `-` of nothing.
pub fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "-".to_owned(),
        _ => (u128::from(part) * 100 / u128::from(whole)).to_string(),
    }
}

fn of_trees(trees: &[Tree]) -> String {
    let mut blocks: Vec<_> = trees
        .iter()
        .map(|tree| (heading(tree), lines_of(tree), notes(tree)))
        .collect();
    if trees.len() > 1 {
        let mut all = Sums::default();
        for total in trees.iter().map(Tree::total) {
            all.include(&total);
        }
        let line = ("-".to_owned(), "(total)".to_owned(), all);
        blocks.push((format!("all {}", trees.len()), vec![line], String::new()));
    }
    // One width for all blocks, so that a reader can compare them.
    let heads = ["PID", "PROGRAM"]
        .into_iter()
        .chain(COLUMNS.map(|(head, _)| head))
        .map(str::to_owned)
        .collect();
    let rows: Vec<Vec<_>> = blocks
        .iter()
        .map(|(_, lines, _)| lines.iter().map(cells).collect())
        .collect();
    let mut widths = WIDTHS;
    for row in rows.iter().flatten() {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let blocks = blocks.iter().zip(&rows).map(|((heading, _, notes), rows)| {
        let mut text = format!("{heading}\n");
        for row in [&heads].into_iter().chain(rows) {
            text += &aligned(row, &widths);
        }
        text + notes
    });
    blocks.collect::<Vec<_>>().join("\n")
}

fn heading(tree: &Tree) -> String {
    let page = &tree.page;
    let about = format!("sslcache {}, {}", page.version(), page.form());
    match tree.service() {
        name if name.is_empty() => about,
        name => format!("{name}: {about}"),
    }
}

/// A line for each process, one for those that are gone, and the total.
fn lines_of(tree: &Tree) -> Vec<Line> {
    let mut lines = Vec::new();
    for process in &tree.processes {
        let name = match program_of(process) {
            name if name.is_empty() => "?".to_owned(),
            name => name,
        };
        lines.push((process.pid.to_string(), name, process.sums));
    }
    lines.push(("-".to_owned(), "(gone)".to_owned(), tree.gone()));
    lines.push(("-".to_owned(), "(total)".to_owned(), tree.total()));
    lines
}

fn cells((pid, name, sums): &Line) -> Vec<String> {
    // A program's name has 15 bytes at most, but those of a table are read at a glance.
    let name = name.chars().take(WIDTHS[1]).collect();
    let figures = COLUMNS.iter().map(|(_, show)| show(sums));
    [pid.clone(), name].into_iter().chain(figures).collect()
}

/// A row: the program's name to the left, all else to the right, and at least a blank between two cells.
fn aligned(row: &[String], widths: &[usize]) -> String {
    let cells = row
        .iter()
        .zip(widths)
        .enumerate()
        .map(|(number, (cell, width))| match number {
            1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
    cells.collect::<Vec<_>>().join(" ") + "\n"
}

/// What does not fit the table.
fn notes(tree: &Tree) -> String {
    let page = &tree.page;
    let mut text = String::new();
    if page.unseen() > 0 {
        let _ = writeln!(
            text,
            "  and {} processes for which there was no room",
            page.unseen()
        );
    }
    let total = tree.total();
    let connects = total.get(Figure::Connects);
    if connects > 0 {
        let resumed = total.get(Figure::ConnectsResumed);
        let share = percent(resumed, connects);
        let _ = writeln!(
            text,
            "  as a client: handshakes {connects}, resumed {resumed}, {share} %"
        );
    }
    let region = page.region();
    if region.iter().any(|&figure| figure > 0) {
        let figures = REGION_FIGURES
            .iter()
            .zip(region)
            .filter(|(_, figure)| *figure > 0);
        let words: Vec<_> = figures
            .map(|((name, _), figure)| format!("{name} {figure}"))
            .collect();
        let _ = writeln!(text, "  shared: {}", words.join(", "));
    }
    text
}
