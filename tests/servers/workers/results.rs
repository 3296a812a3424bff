//! The table of results, for people and for COMPATIBILITY.md.

use super::{Count, Row, Setting, VISITS};
use crate::form::{Form, Protocol};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

const HEAD: &str = "program\tversion\thow\tworkers\tprotocol\tvisits\tplain\tpreloaded\tin front\
                    \tsetting\tpreloaded, set\tin front, set\n";

/// The columns of numbers, in the order of `HEAD`.
const COLUMNS: [(Form, bool); 5] = [
    (Form::Plain, false),
    (Form::Preloaded, false),
    (Form::Replacement, false),
    (Form::Preloaded, true),
    (Form::Replacement, true),
];

#[derive(Default)]
struct Line {
    begin: String,
    setting: String,
    resumed: [Option<u32>; COLUMNS.len()],
}

/// The results by program and protocol. Tests that run at the same time fill it.
#[derive(Default)]
pub struct Results(Mutex<BTreeMap<(&'static str, &'static str), Line>>);

impl Results {
    pub(super) fn note(
        &self,
        row: &Row,
        protocol: Protocol,
        form: Form,
        setting: Option<Setting>,
        count: Count,
    ) -> Result<(), String> {
        let version = version(row.version)?;
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.entry((row.name, protocol.number())).or_default();
        line.begin = format!(
            "{}\t{version}\t{}\t{}\t{protocol}\t{VISITS}",
            row.name, row.how, row.workers
        );
        line.setting = row.set.map_or("-".to_owned(), |(set, _)| set.to_string());
        for (column, resumed) in COLUMNS.iter().zip(&mut line.resumed) {
            if *column == (form, setting.is_some()) {
                *resumed = Some(count.resumed);
            }
        }
        Ok(())
    }

    /// Notes a program that was not run, and the reason.
    pub(super) fn set_aside(
        &self,
        name: &'static str,
        command: &[&str],
        why: &str,
    ) -> Result<(), String> {
        let begin = format!("{name}\t{}\t{why}\t-\t-\t-", version(command)?);
        let line = Line {
            begin,
            setting: "-".to_owned(),
            ..Line::default()
        };
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.insert((name, "-"), line);
        Ok(())
    }

    /// The table, with a dash for each run that did not take place.
    pub fn table(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = HEAD.to_owned();
        for line in lines.values() {
            let cells = line
                .resumed
                .map(|resumed| resumed.map_or("-".to_owned(), |resumed| resumed.to_string()));
            table += &format!(
                "{}\t{}\t{}\t{}\n",
                line.begin,
                cells[..3].join("\t"),
                line.setting,
                cells[3..].join("\t")
            );
        }
        table
    }

    /// Writes the table to cargo's target directory.
    pub fn keep(&self) -> io::Result<()> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("workers.tsv");
        fs::write(path, self.table())
    }
}

/// The first number with a dot in the output of the command, on stdout or stderr.
pub(super) fn version(command: &[&str]) -> Result<String, String> {
    let output = Command::new(command[0])
        .args(&command[1..])
        .env_remove("LD_LIBRARY_PATH")
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said)
        .split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .map(|number| number.trim_matches('.'))
        .find(|number| number.contains('.'))
        .map(str::to_owned)
        .ok_or_else(|| format!("{command:?} tells no version"))
}
