//! Who may share with whom: each attribute of `ctests/alike/` in each way of sharing, with each protocol.
//!
//! One run of the program tries all attributes in one way, and prints what is wrong. On the plain host it shows that the
//! test can fail: where an application shares everything, a session crosses for each attribute that libssl does not
//! compare itself.

use crate::Bench;
use crate::agent::Agent;
use crate::form::{Form, Host};
use crate::program;
use crate::run;
use crate::workshop::{LONG_LIMIT, Workshop};
use libtest_mimic::Trial;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, OnceLock};

/// The way that only the plain host is tried in.
const EXTERNAL: &str = "external";
/// Those of `ctests/alike/ways.c`, which the trial `alike::table` compares.
const WAYS: [&str; 20] = [
    "fork",
    "fork_again",
    "certificate",
    "certificate_processes",
    "name",
    "name_processes",
    "region",
    "region_name",
    "forced",
    "forced_connections",
    "tickets",
    "tickets_processes",
    "tickets_certificate",
    "tickets_name",
    "hosts",
    "hosts_tickets",
    "hosts_any",
    "hosts_any_tickets",
    "hosts_fleet",
    "hosts_any_fleet",
];
const PROTOCOLS: [&str; 2] = ["1.2", "1.3"];
/// Of the attributes in the program's table, those that are in no table of the library: the name is compared beside it,
/// the session id context by libssl, and callbacks by what they do.
const BESIDE_THE_TABLE: [&str; 6] = [
    "nothing",
    "session id context",
    "server name",
    "servername callback",
    "client-hello callback",
    "certificate callback",
];

type Built = OnceLock<Result<PathBuf, String>>;

/// The program, for each line of releases.
#[derive(Default)]
struct Alike([Built; Host::LINES]);

impl Alike {
    fn executable(&self, workshop: &Workshop, host: Host) -> Result<PathBuf, String> {
        let build = || {
            let mut objects = vec![program::common_object(workshop, host)?];
            let files = fs::read_dir(workshop.source.join("alike"));
            for file in files.map_err(|error| error.to_string())? {
                let file = file.map_err(|error| error.to_string())?.file_name();
                let file = file.to_string_lossy();
                if let Some(name) = file.strip_suffix(".c") {
                    let (source, object) = (format!("alike/{file}"), format!("alike/{name}.o"));
                    objects.push(program::object(workshop, host, &source, &object)?);
                }
            }
            program::linked(workshop, Form::Plain, host, "alike", &objects)
        };
        self.0[host.line()].get_or_init(build).clone()
    }

    fn run(
        &self,
        workshop: &Workshop,
        form: Form,
        host: Host,
        arguments: &[&str],
    ) -> Result<String, String> {
        let mut command = Command::new(self.executable(workshop, host)?);
        workshop.prepare(&mut command, form, host)?;
        let is_of_fleet = arguments.iter().any(|way| way.ends_with("_fleet"));
        let agent = is_of_fleet.then(Agent::start).transpose()?;
        if let Some(agent) = &agent {
            command.env("SSLCACHE_AGENT", agent.socket());
        }
        run::silent(command.args(arguments), LONG_LIMIT)
    }
}

pub fn trials(bench: &Arc<Bench>) -> Vec<Trial> {
    let alike = Arc::new(Alike::default());
    let mut trials = Vec::new();
    for host in Host::ALL {
        let is_missing = bench.workshop.lacks(host);
        // Another host of a fleet is a process that is executed anew, whichever libssl it has, and each attribute takes one.
        let is_tried = |way: &&str| match way.starts_with("hosts") {
            true => {
                host == Host::System
                    && (!way.ends_with("_fleet") || bench.workshop.has_our_byte_order())
            }
            false => true,
        };
        let tried = WAYS.into_iter().filter(is_tried);
        // 1.1.1 lacks getters, whatever the way: one of each kind is enough, among them those with a name, in which contexts
        // that ask for certificates share, which on 1.1.1k none do.
        let enough: Option<&[_]> = match host {
            Host::Openssl111 => Some(&["fork", "region_name", "forced", "tickets_name"]),
            Host::Openssl111k => Some(&["forced"]),
            _ => None,
        };
        let tried = tried.filter(|way| enough.is_none_or(|enough| enough.contains(way)));
        let tried = tried.map(|way| (Form::Preloaded, way));
        // Functions of libcrypto are met by another way where we stand in front.
        let in_front = ["fork", "name_processes", "tickets_name"].map(|way| (Form::Replaced, way));
        let in_front = in_front.into_iter().filter(|_| enough.is_none());
        let all = [(Form::Plain, EXTERNAL)]
            .into_iter()
            .chain(tried)
            .chain(in_front);
        for (form, way) in all {
            for protocol in PROTOCOLS {
                let alike = Arc::clone(&alike);
                let name = format!("alike::{form}::{host}::{way}::{protocol}");
                let trial = bench.staged(name, move |bench| {
                    let told = alike.run(&bench.workshop, form, host, &[way, protocol])?;
                    match told.lines().last() {
                        Some(last)
                            if last.ends_with(" tried, 0 wrong") && !last.starts_with("0 ") =>
                        {
                            Ok(())
                        }
                        _ => Err(told),
                    }
                });
                trials.push(match is_missing {
                    true => trial.with_ignored_flag(true),
                    false => trial,
                });
            }
        }
    }
    trials.push(bench.staged("alike::table".into(), move |bench| {
        same_ways(&alike, bench)?;
        every_attribute(&alike, bench)
    }));
    trials
}

fn same_ways(alike: &Alike, bench: &Bench) -> Result<(), String> {
    let told = alike.run(&bench.workshop, Form::Plain, Host::System, &["ways"])?;
    let tried = told.lines().filter(|&way| way != EXTERNAL);
    match tried.eq(WAYS) {
        true => Ok(()),
        false => Err(format!("not the ways that are tried:\n{told}")),
    }
}

/// Each attribute in the library's table is tried, and each that is tried is in it.
fn every_attribute(alike: &Alike, bench: &Bench) -> Result<(), String> {
    let file = bench.workshop.root.join("src/context/alike/attributes.rs");
    let table =
        fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let named = |line: &str| {
        Some(
            line.trim()
                .strip_prefix("name: \"")?
                .strip_suffix("\",")?
                .to_owned(),
        )
    };
    let compared: Vec<_> = table.lines().filter_map(named).collect();
    let told = alike.run(&bench.workshop, Form::Plain, Host::System, &["list"])?;
    let tried: Vec<_> = told
        .lines()
        .map(|row| row.split_once('/').map_or(row, |(attribute, _)| attribute))
        .collect();
    let untried = compared.iter().find(|name| !tried.contains(&name.as_str()));
    let unknown = tried.iter().find(|&&name| {
        !BESIDE_THE_TABLE.contains(&name) && !compared.iter().any(|known| known == name)
    });
    match (compared.is_empty(), untried, unknown) {
        (true, ..) => Err(format!("{}: no attributes", file.display())),
        (_, Some(name), _) => Err(format!("{name:?} is compared and not tried")),
        (_, _, Some(name)) => Err(format!("{name:?} is tried and not in the table")),
        _ => Ok(()),
    }
}
