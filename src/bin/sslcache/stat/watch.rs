//! `sslcache stat --watch`: a line for each service and interval, with what happened in a second of it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use sslcache::page::{Figure, Sums};

use super::services::{History, Service};
use super::table::percent;
use super::{NONE_SHOWN, rate};
use crate::failure::Failure;
use crate::processes::Tree;

/// Lines between two headings, as many as a small terminal has room for.
const PAGE: usize = 20;
const HEADING: &str =
    "SERVICE           HANDSHAKES   RESUMED    %     HITS   MISSES  EVICTED  SESSIONS";

/// Writes lines until `count` intervals have passed, or for ever; `look` finds the trees.
pub fn run(
    interval: Duration,
    count: Option<u64>,
    look: impl Fn() -> Result<Vec<Tree>, Failure>,
) -> Result<ExitCode, Failure> {
    let mut history = History::default();
    let mut before = history.look(&look()?);
    let (mut at, mut lines) = (Instant::now(), PAGE);
    let mut left = count;
    println!("in each second, looked at every {} s:", interval.as_secs());
    while left != Some(0) {
        thread::sleep((at + interval).saturating_duration_since(Instant::now()));
        let services = history.look(&look()?);
        let now = Instant::now();
        let seconds = now.duration_since(at).as_secs_f64();
        let text = text(&before, &services, seconds);
        if lines + text.lines().count() > PAGE {
            println!("{HEADING}");
            lines = 0;
        }
        lines += text.lines().count();
        // A reader that is gone has ended this process by SIGPIPE.
        print!("{text}");
        let _ = io::stdout().flush();
        (before, at) = (services, now);
        left = left.map(|left| left - 1);
    }
    Ok(ExitCode::SUCCESS)
}

fn text(
    before: &BTreeMap<String, Service>,
    now: &BTreeMap<String, Service>,
    seconds: f64,
) -> String {
    if now.is_empty() {
        return format!("{NONE_SHOWN}\n");
    }
    let mut text = String::new();
    let mut all = Sums::default();
    for (name, service) in now {
        // A service that is seen for the first time has no rate yet.
        let since = before.get(name).unwrap_or(service);
        let mut done = service.sums;
        for (done, before) in done.figures.iter_mut().zip(since.sums.figures) {
            *done = done.saturating_sub(before);
        }
        all.include(&done);
        text += &line(name, &done, seconds);
    }
    if now.len() > 1 {
        text += &line("(total)", &all, seconds);
    }
    text
}

fn line(name: &str, done: &Sums, seconds: f64) -> String {
    let in_a_second = |number: u64| rate(number as f64 / seconds);
    let (handshakes, resumed) = (done.accepted(), done.accepted_resumed());
    format!(
        "{name:<17} {:>10} {:>9} {:>4} {:>8} {:>8} {:>8} {:>9}\n",
        in_a_second(handshakes),
        in_a_second(resumed),
        percent(resumed, handshakes),
        in_a_second(done.hits()),
        in_a_second(done.misses()),
        in_a_second(done.get(Figure::Evicted)),
        done.sessions,
    )
}
