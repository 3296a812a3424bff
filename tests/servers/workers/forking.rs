//! Small servers in Python, Ruby and PHP that fork their workers themselves.

use super::running::Running;
use super::{Expected, Row, SCRIPTS, Setting, WORKERS};
use crate::form::Form;
use crate::server::{Place, free_port};
use std::error::Error;
use std::process::Command;

/// The distribution's interpreter: others may have a libssl of their own.
const PYTHON: &str = "/usr/bin/python3";
const RUBY: &str = "/usr/bin/ruby";
const PHP: &str = "/usr/bin/php";

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "Python ssl",
            &[PYTHON, "--version"],
            "fork",
            Expected::Few,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let command = python(place, form, "each-port", &[&port]);
                Running::start(place, command, port)?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
        // The client offers a session of one context to the other, and an SSL_CTX does not resume another's sessions.
        Row::new(
            "Python ssl, two contexts",
            &[PYTHON, "--version"],
            "fork",
            Expected::Nobody,
            |place, form, protocol| {
                let ports = [free_port()?.to_string(), free_port()?.to_string()];
                let command = python(place, form, "each-port", &[&ports[0], &ports[1]]);
                Running::start(place, command, &*ports[0])?
                    .also_at(&ports[1])
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Group, Expected::Nearly),
        Row::new(
            "Python ssl, a context for each connection",
            &[PYTHON, "--version"],
            "fork, a context for each connection",
            Expected::Nobody,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let command = python(place, form, "each-connection", &[&port]);
                Running::start(place, command, port)?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Group, Expected::All),
        Row::new(
            "Ruby openssl",
            &[RUBY, "--version"],
            "fork",
            Expected::Few,
            |place, form, protocol| {
                script(place, form, RUBY, "forking.rb")?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
        Row::new(
            "PHP stream_socket_server",
            &[PHP, "--version"],
            "fork, a context for each connection",
            Expected::Nobody,
            |place, form, protocol| {
                script(place, form, PHP, "forking.php")?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Group, Expected::All),
    ]
}

fn python(place: &Place, form: Form, contexts: &str, ports: &[&str]) -> Command {
    let mut command = place.command(PYTHON, form);
    command
        .arg(format!("{SCRIPTS}/forking.py"))
        .arg(place.fixture.certificate_and_key())
        .args([&WORKERS.to_string(), contexts])
        .args(ports);
    command
}

fn script(
    place: &Place,
    form: Form,
    language: &str,
    file: &str,
) -> Result<Running, Box<dyn Error>> {
    let port = free_port()?.to_string();
    let mut command = place.command(language, form);
    command
        .arg(format!("{SCRIPTS}/{file}"))
        .arg(place.fixture.certificate())
        .arg(place.fixture.key())
        .args([&WORKERS.to_string(), &port]);
    Running::start(place, command, port)
}
