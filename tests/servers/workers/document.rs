//! COMPATIBILITY.md contains the table of a complete run.

use super::{Expected, Row, VISITS, aside, rows};
use crate::form::Protocol;
use libtest_mimic::{Failed, Trial};
use std::collections::BTreeSet;
use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/COMPATIBILITY.md");
const MADE_BY: &str = "<!-- make compatibility-table -->\n";

/// The document has every row of the tests and no other, and agrees where a row says all or none.
pub fn trial() -> Trial {
    Trial::test("workers: the table in COMPATIBILITY.md", || {
        let page = fs::read_to_string(PAGE)?;
        let table = page.split(MADE_BY).nth(1).ok_or("it has no table")?;
        let lines: BTreeSet<String> = table.lines().skip(2).map(outline).collect();
        let mut expected: BTreeSet<String> = aside::names()
            .map(|name| format!("{name} - - - -"))
            .collect();
        for row in rows() {
            expected.extend(
                row.protocols
                    .iter()
                    .map(|&protocol| promised(&row, protocol)),
            );
        }
        let odd: Vec<_> = lines.symmetric_difference(&expected).collect();
        if odd.is_empty() {
            Ok(())
        } else {
            Err(Failed::from(format!("make compatibility-table: {odd:#?}")))
        }
    })
}

/// The part of a line of the table that is the same in every run.
fn outline(line: &str) -> String {
    let cells: Vec<_> = line.split('|').map(str::trim).collect();
    let Some([name, _, _, _, protocol, plain, unset, _, set]) = cells.get(1..10) else {
        return line.to_owned();
    };
    let cells = [plain, unset, set].map(|numbers| {
        let mut kinds = numbers.split(", ").map(kind);
        let first = kinds.next().unwrap_or("-");
        if kinds.all(|other| other == first) {
            first
        } else {
            "mixed"
        }
    });
    format!("{name} {protocol} {}", cells.join(" "))
}

fn kind(number: &str) -> &'static str {
    match number.parse::<u32>() {
        Err(_) => "-",
        Ok(0) => "nobody",
        Ok(number) if number >= VISITS - 2 => "all",
        Ok(_) => "some",
    }
}

fn promised(row: &Row, protocol: Protocol) -> String {
    let kind = |expected| match expected {
        Expected::Nobody => "nobody",
        Expected::Few | Expected::EveryOther | Expected::Nearly => "some",
        Expected::All => "all",
    };
    let unset = row.unset.map_or("-", kind);
    let set = row.set.map_or("-", |(_, expected)| kind(expected));
    format!("{} {protocol} {} {unset} {set}", row.name, kind(row.plain))
}
