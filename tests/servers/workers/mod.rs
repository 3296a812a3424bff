//! Servers of several processes: how many of their clients are resumed?
//!
//! Every row is a server as its users set it up, with four workers and its tickets off. One client comes
//! back two hundred times, each time over a new connection and with the session of the visit before; the
//! kernel, or the client where the processes have addresses of their own, chooses who serves it. What must
//! come out is in the row: without sslcache, with it, and with it and one setting.
//!
//! What a whole run came to is written to `target/workers.tsv`, a line for each program and protocol, and printed
//! by `cargo test --test servers -- --nocapture`. `cargo test --test servers -- workers:` runs these tests only.

pub mod access;
mod aside;
mod document;
mod dovecot;
mod forking;
mod gunicorn;
mod haproxy;
mod hitch;
mod httpd;
mod lighttpd;
mod mosquitto;
mod nginx;
mod postfix;
mod postgresql;
mod proftpd;
mod puma;
mod redis;
mod results;
mod running;
mod s_server;
mod stunnel;
mod thin;
mod uwsgi;
mod vsftpd;

pub use results::Results;
pub use running::wait_until;

use crate::fixture::{Fixture, is_installed};
use crate::form::{Form, Protocol};
use crate::server::Place;
use libtest_mimic::{Failed, Trial};
use std::error::Error;
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Worker processes of a server.
const WORKERS: u32 = 4;

/// Where the servers and applications of our own are.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/workers");

/// How often the client comes back.
const VISITS: u32 = 200;

/// How many of `VISITS` were resumed, and how many could have been: a server held what was offered.
#[derive(Clone, Copy)]
struct Count {
    resumed: u32,
    held: u32,
}

/// What must come out.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Nobody,
    /// About one of `WORKERS`. The kernel may deal them out so unevenly that it is more than half; it is never nearly all.
    Few,
    /// The program keeps no ticket that follows a resumption, so that every other visit is a full handshake.
    EveryOther,
    /// All, but for those that meet a process which has yet to learn what a name leads to, or that it serves many clients.
    Nearly,
    /// All, but for one that meets a process which is just starting.
    All,
}

impl Expected {
    fn is(self, count: Count) -> bool {
        match self {
            Self::Nobody => count.resumed == 0,
            Self::Few => count.resumed < VISITS * 9 / 10 && count.held == VISITS,
            Self::EveryOther => count.resumed.abs_diff(VISITS / 2) <= 2 && count.held == VISITS,
            Self::Nearly => count.resumed >= VISITS * 3 / 4 && count.held >= VISITS - 2,
            Self::All => count.resumed >= VISITS - 2 && count.held >= VISITS - 2,
        }
    }
}

/// The one thing that some have to set, as its environment variable.
#[derive(Clone, Copy, PartialEq)]
enum Setting {
    /// A region by name, for processes without a common parent.
    Region,
    /// Contexts that are alike share.
    Group,
    /// Contexts of one name share, in a region by name.
    Named,
    /// A cache for contexts whose program wants none.
    Force,
}

impl Setting {
    fn apply(self, place: &mut Place) {
        let region = shared_folder(place).join("region");
        match self {
            Self::Region => place.set("SSLCACHE_REGION", region),
            Self::Group => place.set("SSLCACHE_GROUP", "certificate"),
            Self::Named => {
                place.set("SSLCACHE_REGION", region);
                place.set("SSLCACHE_GROUP", "shop");
            }
            Self::Force => place.set("SSLCACHE_FORCE", "1"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Region => "SSLCACHE_REGION=FILE",
            Self::Group => "SSLCACHE_GROUP=certificate",
            Self::Named => "SSLCACHE_REGION=FILE SSLCACHE_GROUP=shop",
            Self::Force => "SSLCACHE_FORCE=1",
        })
    }
}

/// Where a named region goes: a folder that can be given to whom the workers run as.
fn shared_folder(place: &Place) -> PathBuf {
    place.file("shared")
}

type Run = dyn Fn(&Place, Form, Protocol) -> Result<Count, Box<dyn Error>> + Send + Sync;

/// A server in one configuration.
struct Row {
    name: &'static str,
    /// What has to be installed.
    program: &'static str,
    /// A command in whose output the version is the first number with a dot in it.
    version: &'static [&'static str],
    /// How its processes come to be.
    how: &'static str,
    workers: u32,
    protocols: &'static [Protocol],
    plain: Expected,
    /// With sslcache and no setting.
    unset: Option<Expected>,
    set: Option<(Setting, Expected)>,
    run: Box<Run>,
}

impl Row {
    fn new(
        name: &'static str,
        version: &'static [&'static str],
        how: &'static str,
        plain: Expected,
        run: impl Fn(&Place, Form, Protocol) -> Result<Count, Box<dyn Error>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            program: version[0],
            version,
            how,
            workers: WORKERS,
            protocols: &[Protocol::Tls12, Protocol::Tls13],
            plain,
            unset: None,
            set: None,
            run: Box::new(run),
        }
    }

    /// Of this program, where its version is asked of another.
    fn of(self, program: &'static str) -> Self {
        Self { program, ..self }
    }

    fn over(self, protocols: &'static [Protocol]) -> Self {
        Self { protocols, ..self }
    }

    /// Of a program that is one process.
    fn alone(self) -> Self {
        Self { workers: 1, ..self }
    }

    fn unset(self, expected: Expected) -> Self {
        Self {
            unset: Some(expected),
            ..self
        }
    }

    fn with(self, setting: Setting, expected: Expected) -> Self {
        Self {
            set: Some((setting, expected)),
            ..self
        }
    }

    /// The columns of the row: form and setting, and what must come out.
    fn columns(&self) -> Vec<(Form, Option<Setting>, Expected)> {
        let mut columns = vec![(Form::Plain, None, self.plain)];
        for form in [Form::Preloaded, Form::Replacement] {
            columns.extend(self.unset.map(|expected| (form, None, expected)));
            columns.extend(self.set.map(|(set, expected)| (form, Some(set), expected)));
        }
        columns
    }

    fn count(
        &self,
        fixture: &Fixture,
        form: Form,
        setting: Option<Setting>,
        protocol: Protocol,
    ) -> Result<Count, Box<dyn Error>> {
        let mut place = Place::unprobed(fixture)?;
        fs::create_dir(shared_folder(&place))?;
        if let Some(setting) = setting {
            setting.apply(&mut place);
        }
        (self.run)(&place, form, protocol)
    }
}

fn rows() -> Vec<Row> {
    [
        nginx::rows(),
        hitch::rows(),
        proftpd::rows(),
        forking::rows(),
        dovecot::rows(),
        redis::rows(),
        stunnel::rows(),
        s_server::rows(),
        gunicorn::rows(),
        lighttpd::rows(),
        puma::rows(),
        thin::rows(),
        uwsgi::rows(),
        httpd::rows(),
        haproxy::rows(),
        mosquitto::rows(),
        postfix::rows(),
        postgresql::rows(),
        vsftpd::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A test for each row, protocol and column.
pub fn trials(fixture: &Arc<Fixture>, results: &Arc<Results>) -> Vec<Trial> {
    let mut trials = aside::trials(fixture, results);
    trials.push(document::trial());
    for row in rows() {
        let row = Arc::new(row);
        for &protocol in row.protocols {
            for (form, setting, expected) in row.columns() {
                let missing =
                    form != Form::Plain && fixture.stage.is_none() || !is_installed(row.program);
                let name = match setting {
                    Some(setting) => {
                        format!("workers: {} / {form}, {setting} / {protocol}", row.name)
                    }
                    None => format!("workers: {} / {form} / {protocol}", row.name),
                };
                let (row, fixture, results) = (row.clone(), fixture.clone(), results.clone());
                let test = move || -> Result<(), Failed> {
                    let count = row.count(&fixture, form, setting, protocol);
                    let count = count.map_err(|error| error.to_string())?;
                    results.note(&row, protocol, form, setting, count)?;
                    if expected.is(count) {
                        return Ok(());
                    }
                    let Count { resumed, held } = count;
                    Err(format!(
                        "expected {expected:?}: resumed {resumed} of {VISITS}, {held} held"
                    )
                    .into())
                };
                trials.push(Trial::test(name, test).with_ignored_flag(missing));
            }
        }
    }
    trials
}
