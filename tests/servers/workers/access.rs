//! A session carries no client past an access rule of another server, address or login: a program that refuses a client
//! without sslcache refuses it with sslcache, whatever the settings are.

use super::running::{FILE, Running};
use super::{Setting, proftpd, redis, shared_folder, vsftpd};
use crate::form::{Form, Protocol};
use crate::server::{Place, free_port};
use crate::{Case, Outcome};
use std::error::Error;
use std::fs;

/// The number of attempts of each kind.
const TRIES: &str = "4";

/// No client gets past the rule: no session that the server held was resumed, and a client with a certificate is let in.
const REFUSED: &str = "tried=4 held=4 resumed=0 let_in=0 with_certificate=1";

/// The session of another login opens no data connection; the login's own session does.
const NOT_STOLEN: &str = "tried=4 held=4 resumed=0 stolen=0 own=4";

const SEALED_LET_IN: &str = "tried=4 held=0 resumed=4 let_in=4 with_certificate=1";
const SEALED_NOT_STOLEN: &str = "tried=4 held=0 resumed=4 stolen=0 own=4";

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for setting in [None, Some(Setting::Group), Some(Setting::Region)] {
        let case = |name, expected, run: Run| case(name, setting, expected, run);
        // Over TLS 1.3 proftpd encrypts its tickets itself, with one key for all its hosts: a ticket of the first host is
        // accepted by the second, without the cache. proftpd itself checks which login a ticket belongs to.
        cases.extend([
            case("proftpd, two rules", REFUSED, proftpd_rules).over(&[Protocol::Tls12]),
            case("proftpd, two rules", SEALED_LET_IN, proftpd_rules).over(&[Protocol::Tls13]),
            case("proftpd, data port", NOT_STOLEN, proftpd_data).over(&[Protocol::Tls12]),
            case("proftpd, data port", SEALED_NOT_STOLEN, proftpd_data).over(&[Protocol::Tls13]),
            case("vsftpd, data port", NOT_STOLEN, vsftpd_data).needing(vsftpd::PROGRAM),
        ]);
    }
    for setting in [None, Some(Setting::Region), Some(Setting::Named)] {
        cases.push(case("redis, two rules", setting, REFUSED, redis_rules));
    }
    cases
}

type Run = fn(&Place, Form, Protocol) -> Result<String, Box<dyn Error>>;

fn case(name: &str, setting: Option<Setting>, expected: &'static str, run: Run) -> Case {
    let name = match setting {
        Some(setting) => format!("access: {name}, {setting}"),
        None => format!("access: {name}"),
    };
    Case::new(name, expected, move |fixture, form, protocol| {
        let mut place = Place::unprobed(fixture)?;
        fs::create_dir(shared_folder(&place))?;
        if let Some(setting) = setting {
            setting.apply(&mut place);
        }
        Ok(Outcome {
            resumed: run(&place, form, protocol)?,
            told: String::new(),
        })
    })
}

/// One server with two addresses, which asks for a certificate at the second.
fn proftpd_rules(place: &Place, form: Form, protocol: Protocol) -> Result<String, Box<dyn Error>> {
    let strict = free_port()?.to_string();
    let host = format!(
        "<VirtualHost 127.0.0.1>
  Port {strict}
  ServerName strict
  TLSVerifyClient on
  TLSCACertificateFile {}
</VirtualHost>
",
        place.fixture.certificate().display()
    );
    let (running, open) = proftpd::start(place, form, &host)?;
    cross(place, form, protocol, running, ["ftp", &open, &strict])
}

fn redis_rules(place: &Place, form: Form, protocol: Protocol) -> Result<String, Box<dyn Error>> {
    let (running, ports) = redis::start(place, form, "redis-server", &["optional", "yes"])?;
    cross(
        place,
        form,
        protocol,
        running,
        ["redis", &ports[0], &ports[1]],
    )
}

fn cross(
    place: &Place,
    form: Form,
    protocol: Protocol,
    mut running: Running,
    [talk, made_at, offered_at]: [&str; 3],
) -> Result<String, Box<dyn Error>> {
    let key = place.fixture.key().display().to_string();
    let what = [TRIES, talk, made_at, offered_at, &key];
    let said = running.visit(place.fixture.visitor("crossing", protocol, what))?;
    running.end(place, form)?;
    Ok(said)
}

fn proftpd_data(place: &Place, form: Form, protocol: Protocol) -> Result<String, Box<dyn Error>> {
    let (running, port) = proftpd::start(place, form, "")?;
    steal(
        place,
        form,
        protocol,
        running,
        [&port, TRIES, "joe", "secret", FILE],
    )
}

fn vsftpd_data(place: &Place, form: Form, protocol: Protocol) -> Result<String, Box<dyn Error>> {
    let (running, port) = vsftpd::start(place, form)?;
    steal(
        place,
        form,
        protocol,
        running,
        [&port, TRIES, "anonymous", "nobody@", FILE],
    )
}

fn steal(
    place: &Place,
    form: Form,
    protocol: Protocol,
    mut running: Running,
    what: [&str; 5],
) -> Result<String, Box<dyn Error>> {
    let said = running.visit(place.fixture.visitor("theft", protocol, what))?;
    running.end(place, form)?;
    Ok(said)
}
