//! COMPATIBILITY.md contains the table of complete runs.

use super::{Expected, Row, VISITS, aside, rows};
use crate::form::Protocol;
use libtest_mimic::{Failed, Trial};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/COMPATIBILITY.md");
const MADE_BY: &str = "<!-- make compatibility-table -->\n";

/// The release of Debian whose results are those that the rows expect on the machine of the developers. Those of others may differ,
/// as programs do; a run in these systems judges them.
const RELEASE: &str = "12";

/// Programs that this release has not got.
const LATER: [&str; 1] = ["valkey"];

/// The document has every row of the tests and no other, and agrees where a row says all or none.
pub fn trial() -> Trial {
    // Not one of the `workers:`, which test-systems runs on other releases, too.
    Trial::test("the table in COMPATIBILITY.md", || {
        let page = fs::read_to_string(PAGE)?;
        let table = page.split(MADE_BY).nth(1).ok_or("it has no table")?;
        let mut lines = BTreeSet::new();
        let mut names = BTreeSet::new();
        for line in table.lines().skip(2) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let Some([name, _, release, _, plain, unset, _, set]) = cells.get(1..9) else {
                return Err(format!("not a row: {line}").into());
            };
            names.insert(name.to_string());
            if *release == RELEASE {
                let cells = [plain, unset, set].map(|numbers| kinds(numbers));
                lines.insert(format!("{name}: {}", cells.join("; ")));
            }
        }
        let expected = expected();
        let mut odd: Vec<_> = lines.symmetric_difference(&expected).collect();
        let known: BTreeSet<String> = rows()
            .iter()
            .map(|row| row.name)
            .chain(aside::names())
            .map(str::to_owned)
            .collect();
        odd.extend(names.symmetric_difference(&known));
        if odd.is_empty() {
            Ok(())
        } else {
            Err(Failed::from(format!(
                "make test-systems compatibility-table: {odd:#?}"
            )))
        }
    })
}

/// What a cell says in every run: a word for each protocol, one where they agree. Before the slash are the numbers of TLS 1.2, and of
/// two numbers between commas, the second is that of the library in front.
fn kinds(cell: &str) -> String {
    let words: Vec<_> = cell
        .split(" / ")
        .map(|numbers| {
            let mut kinds = numbers.split(", ").map(kind);
            let first = kinds.next().unwrap_or("-");
            match kinds.all(|other| other == first) {
                true => first,
                false => "mixed",
            }
        })
        .collect();
    both([words[0], words[words.len() - 1]])
}

fn both([first, second]: [&str; 2]) -> String {
    match first == second {
        true => first.to_owned(),
        false => format!("{first} / {second}"),
    }
}

fn kind(number: &str) -> &'static str {
    match number.parse::<u32>() {
        Err(_) => "-",
        Ok(0) => "nobody",
        Ok(number) if number >= VISITS - 2 => "all",
        Ok(_) => "some",
    }
}

/// A line for each program, from all its rows.
fn expected() -> BTreeSet<String> {
    let mut programs = BTreeMap::new();
    for row in rows() {
        let cells = programs.entry(row.name).or_insert([["-"; 3]; 2]);
        for (protocol, kinds) in [Protocol::Tls12, Protocol::Tls13].iter().zip(cells) {
            if row.protocols.contains(protocol) {
                *kinds = promised(&row);
            }
        }
    }
    for name in LATER {
        programs.remove(name);
    }
    for name in aside::names() {
        programs.insert(name, [["-"; 3]; 2]);
    }
    programs
        .into_iter()
        .map(|(name, [old, new])| {
            let cells = [0, 1, 2].map(|cell| both([old[cell], new[cell]]));
            format!("{name}: {}", cells.join("; "))
        })
        .collect()
}

/// The words for what a row expects: without sslcache, with it, and with it and the setting.
fn promised(row: &Row) -> [&'static str; 3] {
    let kind = |expected| match expected {
        Expected::Nobody => "nobody",
        Expected::Few | Expected::EveryOther | Expected::Nearly => "some",
        Expected::All => "all",
    };
    [
        kind(row.plain),
        row.unset.map_or("-", kind),
        row.set.map_or("-", |(_, expected)| kind(expected)),
    ]
}
