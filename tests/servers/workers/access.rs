//! A session carries no client past an access rule of another server, address or login: a program that refuses a client
//! without sslcache refuses it with sslcache, whatever the settings are.

use super::running::{FILE, Running};
use super::{Setting, WORKERS, proftpd, redis, shared_folder, vsftpd};
use crate::fixture::run;
use crate::form::{Form, Protocol};
use crate::nginx;
use crate::server::{Place, free_port};
use crate::{Case, Outcome};
use std::error::Error;
use std::fs;
use std::process::Command;

/// The number of attempts of each kind.
const TRIES: &str = "4";

/// No client gets past the rule: no session that the server held was resumed, and a client with a certificate is let in.
const REFUSED: &str = "tried=4 held=4 resumed=0 let_in=0 with_certificate=1";

/// The same of two names of one address, where TLS 1.2 sessions may be resumed and refused then.
const REFUSED_BY_NAME: &str = "tried=4 held=4 let_in=0 with_certificate=1";

/// Nor does a client get in whose certificate is good at the first name alone.
const UNKNOWN_BY_NAME: &str = "tried=4 held=4 let_in=0 with_certificate=0";

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
    for setting in [None, Some(Setting::Group), Some(Setting::Named)] {
        let nginx = |name, expected, run| case(name, setting, expected, run);
        cases.push(nginx("nginx, two names", REFUSED_BY_NAME, nginx_names));
        cases.push(nginx(
            "nginx, two authorities",
            UNKNOWN_BY_NAME,
            nginx_authorities,
        ));
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

/// One address with two names, of which the second demands a certificate.
fn nginx_names(place: &Place, form: Form, protocol: Protocol) -> Result<String, Box<dyn Error>> {
    let known = place.fixture.certificate();
    let strict = format!(
        "ssl_verify_client on; ssl_client_certificate {};",
        known.display()
    );
    cross_names(place, form, protocol, ["", &strict], &[])
}

/// One address with two names that demand certificates of different authorities. nginx itself tells sessions of such names
/// apart since 1.27.4.
fn nginx_authorities(
    place: &Place,
    form: Form,
    protocol: Protocol,
) -> Result<String, Box<dyn Error>> {
    let [key, other] = ["other.key", "other.pem"].map(|name| place.file(name));
    let mut make = Command::new("openssl");
    make.args([
        "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
    ]);
    make.args(["-subj", "/CN=other", "-batch", "-keyout"]);
    make.arg(key)
        .arg("-out")
        .arg(&other)
        .stderr(std::process::Stdio::null());
    run(&mut make)?;
    let known = place.fixture.certificate();
    let rules = [&known, &other].map(|authority| {
        format!(
            "ssl_verify_client on; ssl_client_certificate {};",
            authority.display()
        )
    });
    let rules = [rules[0].as_str(), &rules[1]];
    cross_names(place, form, protocol, rules, &["certified"])
}

/// Sessions that are made at the first name and offered at the second. How many are resumed depends on the workers that the clients
/// meet: libssl itself resumes a TLS 1.2 session at another name, where nginx before 1.27.4 does not prevent it.
fn cross_names(
    place: &Place,
    form: Form,
    protocol: Protocol,
    rules: [&str; 2],
    more: &[&str],
) -> Result<String, Box<dyn Error>> {
    let port = free_port()?.to_string();
    let server = |name, rule| {
        format!("server_name {name}; ssl_session_tickets off; ssl_session_cache builtin; {rule}")
    };
    let servers = [server("first", rules[0]), server("second", rules[1])];
    let servers = [servers[0].as_str(), &servers[1]];
    let listen = format!("127.0.0.1:{port} reuseport");
    nginx::configure_servers(place, &listen, WORKERS, &servers, "hello")?;
    let mut running =
        Running::start(place, nginx::command(place, form), &*port)?.ended_by(libc::SIGQUIT);
    let names = ["first", "second"].map(|name| format!("{name}@{port}"));
    let key = place.fixture.key().display().to_string();
    let what = [TRIES, "http", &names[0], &names[1], &key];
    let what = what.iter().chain(more);
    let said = running.visit(place.fixture.visitor("crossing", protocol, what))?;
    running.end(place, form)?;
    let words = said.split(' ').filter(|word| !word.starts_with("resumed="));
    Ok(words.collect::<Vec<_>>().join(" "))
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
