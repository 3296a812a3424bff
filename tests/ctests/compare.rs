//! Compares two outputs. They must be equal byte for byte, except for the divergences that are listed.

use crate::form::Host;
use libtest_mimic::Trial;
use std::collections::HashMap;
use std::fs;
use std::path::Path;

/// The file `ctests/divergences`, with lines `name | value on the host | value here | reason`. A line may be limited to one
/// host, as in `name@bsymbolic`; it then holds for the hosts of other
/// releases too, which are linked in the same way, and a line of 3.5 for 3.6.
pub struct Divergences {
    known: HashMap<String, Values>,
}

struct Values {
    host: String,
    here: String,
}

impl Divergences {
    pub fn read(file: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut known = HashMap::new();
        for line in text.lines() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let fields: Vec<_> = line.split('|').map(str::trim).collect();
            let [name, host, here, reason] = fields[..] else {
                return Err(format!("divergences: not four fields: {line}"));
            };
            if reason.is_empty() {
                return Err(format!("divergences: no reason: {line}"));
            }
            let values = Values {
                host: host.to_owned(),
                here: here.to_owned(),
            };
            if known.insert(name.to_owned(), values).is_some() {
                return Err(format!("divergences: twice: {name}"));
            }
        }
        Ok(Self { known })
    }

    fn find(&self, name: &str, host: Host) -> Result<&Values, String> {
        let of = |host: Host| self.known.get(&format!("{name}@{host}"));
        let older = match host {
            Host::Openssl36 => Some(Host::Openssl35),
            Host::Openssl111k => Some(Host::Openssl111),
            _ => None,
        };
        let linked_alike = host.release().map(|_| Host::Bsymbolic);
        [Some(host), older, linked_alike]
            .into_iter()
            .flatten()
            .find_map(of)
            .or_else(|| self.known.get(name))
            .ok_or_else(|| format!("divergence {name} is not listed"))
    }

    /// Checks that every divergence in the plain host's output has the host's value.
    pub fn on_host(&self, plain: &str, host: Host) -> Result<(), String> {
        for (name, value) in plain.lines().filter_map(divergence) {
            let listed = &self.find(name, host)?.host;
            if value != listed {
                return Err(format!(
                    "divergence {name}: {value:?} on the host, listed as {listed:?}\n{plain}"
                ));
            }
        }
        Ok(())
    }

    /// Checks that `ours` equals `plain` after each divergence in `plain` has got our value.
    pub fn agree(&self, plain: &str, ours: &str, host: Host) -> Result<(), String> {
        let mut expected = String::new();
        for line in plain.lines() {
            match divergence(line) {
                Some((name, _)) => {
                    let here = &self.find(name, host)?.here;
                    expected.push_str(&format!("divergence {name}: {here}"));
                }
                None => expected.push_str(line),
            }
            expected.push('\n');
        }
        same(&expected, ours)
    }
}

fn divergence(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("divergence ")?.split_once(": ")
}

/// Checks that two outputs are equal. The error shows the first difference and the lines before it.
pub fn same(expected: &str, actual: &str) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    let (mut left, mut right) = (expected.split('\n'), actual.split('\n'));
    let mut message = String::from("the outputs differ (- expected, + printed)\n");
    let mut before = Vec::new();
    loop {
        match (left.next(), right.next()) {
            (Some(line), Some(other)) if line == other => before.push(line),
            (line, other) => {
                let heading = before.iter().rposition(|line| line.starts_with("-- "));
                let from = heading.unwrap_or(0).max(before.len().saturating_sub(12));
                before[from..]
                    .iter()
                    .for_each(|line| message.push_str(&format!("  {line}\n")));
                for (sign, first, rest) in [('-', line, left), ('+', other, right)] {
                    first
                        .into_iter()
                        .chain(rest.take(5))
                        .for_each(|line| message.push_str(&format!("{sign} {line}\n")));
                }
                return Err(message);
            }
        }
    }
}

/// Tests the comparison itself: one that never fails would hide every fault.
pub fn trials() -> Vec<Trial> {
    let text = "# comment\nsize | 1 | 2 | a reason\nsize@bsymbolic | 1 | 3 | another\n";
    let check = move |host, plain: &str, ours: &str| {
        let divergences = Divergences::parse(text)?;
        divergences.on_host(plain, host)?;
        divergences.agree(plain, ours, host)
    };
    let case = |name: &str, right: bool, host: Host, plain: &'static str, ours: &'static str| {
        Trial::test(format!("comparison::{name}"), move || {
            match (check(host, plain, ours), right) {
                (Ok(()), true) | (Err(_), false) => Ok(()),
                (Ok(()), false) => Err("accepted".into()),
                (Err(error), true) => Err(error.into()),
            }
        })
    };
    let (a, b) = ("a\ndivergence size: 1\n", "a\ndivergence size: 2\n");
    vec![
        case("listed_values_agree", true, Host::System, a, b),
        case("a_value_may_be_one_hosts", false, Host::Bsymbolic, a, b),
        case(
            "our_value_on_the_host_is_refused",
            false,
            Host::System,
            b,
            b,
        ),
        case("the_hosts_value_here_is_refused", false, Host::System, a, a),
        case(
            "an_unlisted_name_is_refused",
            false,
            Host::System,
            "divergence x: 1\n",
            "divergence x: 1\n",
        ),
        case("another_line_is_refused", false, Host::System, "a\n", "b\n"),
        case(
            "a_missing_line_is_refused",
            false,
            Host::System,
            "a\nb\n",
            "a\n",
        ),
        case(
            "a_line_more_is_refused",
            false,
            Host::System,
            "a\n",
            "a\nb\n",
        ),
        case("nothing_is_refused", false, Host::System, a, ""),
    ]
}
