//! Servers of several processes: the number of resumed clients.
//!
//! Every row is a server as its users set it up, with four workers and without tickets, unless it says otherwise. One client returns two hundred
//! times, each time over a new connection and with the session of the last visit. The kernel chooses the process that serves
//! it, or the client does if the processes have addresses of their own. The row has the expected results: without sslcache,
//! with it, and with it and one setting.
//!
//! The results of a complete run are written to `target/workers.tsv`, a line for each program and protocol, and printed
//! by `cargo test --test servers -- --nocapture`. `cargo test --test servers -- workers:` runs these tests only.

pub mod access;
mod aside;
mod debian11;
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

/// The number of worker processes of a server.
const WORKERS: u32 = 4;

/// The folder with the servers and applications of our own.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/workers");

/// The number of visits after the first.
const VISITS: u32 = 200;

/// The number of visits that were resumed, and of those that could have been because a server held the session, or made a ticket
/// where it makes tickets.
#[derive(Clone, Copy)]
struct Count {
    resumed: u32,
    held: u32,
}

/// The expected result.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Nobody,
    /// About one in `WORKERS`. The kernel may distribute them so unevenly that it is most of them (181 of 200 were seen), but not
    /// all.
    Few,
    /// Every other visit is a full handshake, because the program stores no ticket that follows a resumption.
    EveryOther,
    /// All except those served by a process that has yet to learn which rule a name leads to, that it serves many clients, or that
    /// the program keeps sessions itself.
    Nearly,
    /// All except one that is served by a process which is just starting.
    All,
}

impl Expected {
    fn is(self, count: Count) -> bool {
        match self {
            Self::Nobody => count.resumed == 0,
            Self::Few => count.resumed < VISITS - 2 && count.held == VISITS,
            Self::EveryOther => count.resumed.abs_diff(VISITS / 2) <= 2 && count.held == VISITS,
            Self::Nearly => count.resumed >= VISITS * 3 / 4 && count.held >= VISITS - 2,
            Self::All => count.resumed >= VISITS - 2 && count.held >= VISITS - 2,
        }
    }
}

/// The one setting that some servers need, as its environment variable.
#[derive(Clone, Copy, PartialEq)]
enum Setting {
    /// A named region, for processes without a common parent.
    Region,
    /// Contexts that are alike share.
    Group,
    /// Contexts of a group with a name share, in a named region.
    Named,
    /// Contexts whose program has switched the cache off get one.
    Force,
    /// Ticket keys that processes share.
    Keys,
    /// The same in a named region.
    KeysInRegion,
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
            Self::Keys => place.set("SSLCACHE_TICKET_KEYS", "shared"),
            Self::KeysInRegion => {
                place.set("SSLCACHE_REGION", region);
                place.set("SSLCACHE_TICKET_KEYS", "shared");
            }
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
            Self::Keys => "SSLCACHE_TICKET_KEYS=shared",
            Self::KeysInRegion => "SSLCACHE_REGION=FILE SSLCACHE_TICKET_KEYS=shared",
        })
    }
}

/// The folder of a named region, which can be given to the user of the workers.
fn shared_folder(place: &Place) -> PathBuf {
    place.file("shared")
}

type Run = dyn Fn(&Place, Form, Protocol) -> Result<Count, Box<dyn Error>> + Send + Sync;

/// A server in one configuration.
struct Row {
    name: &'static str,
    /// The program that must be installed.
    program: &'static str,
    /// A command whose output has the version as its first number with a dot.
    version: &'static [&'static str],
    /// The way in which its processes are made.
    how: &'static str,
    workers: u32,
    protocols: &'static [Protocol],
    plain: Expected,
    /// The result with sslcache and no setting.
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

    /// The name of the program, if another program states its version.
    fn of(self, program: &'static str) -> Self {
        Self { program, ..self }
    }

    fn over(self, protocols: &'static [Protocol]) -> Self {
        Self { protocols, ..self }
    }

    /// A row for a program that is one process.
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

    /// The columns of the row: form and setting, and the expected result.
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
    trials.extend(debian11::trials(fixture));
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
