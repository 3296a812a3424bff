//! Several redis or valkey servers with one certificate, as behind one name; a redis server is one process. Its contexts ask for client
//! certificates, which it switches off for each connection.

use super::running::{Running, without_tickets};
use super::{Expected, Row, Setting, WORKERS};
use crate::form::Form;
use crate::server::{Place, free_port};
use std::error::Error;

pub fn rows() -> Vec<Row> {
    vec![
        row("redis", &["redis-server", "--version"]),
        row("valkey", &["valkey-server", "--version"]),
    ]
}

fn row(name: &'static str, version: &'static [&'static str]) -> Row {
    let program = version[0];
    Row::new(
        name,
        version,
        "side by side",
        Expected::Nobody,
        move |place, form, protocol| {
            start(place, form, program, &["no"; WORKERS as usize])?
                .0
                .talking("redis")
                .come_back(place, form, protocol)
        },
    )
    .unset(Expected::Nobody)
    .with(Setting::Region, Expected::All)
}

/// Starts a server for each value of `tls-auth-clients`, and returns their ports.
pub(super) fn start(
    place: &Place,
    form: Form,
    program: &str,
    auth_clients: &[&str],
) -> Result<(Running, Vec<String>), Box<dyn Error>> {
    let mut commands = Vec::new();
    for (number, auth) in auth_clients.iter().enumerate() {
        let port = free_port()?.to_string();
        let mut command = place.command(program, form);
        without_tickets(place, &mut command)?;
        command.args(["--port", "0", "--bind", "127.0.0.1", "--tls-port", &port]);
        command
            .arg("--tls-cert-file")
            .arg(place.fixture.certificate())
            .arg("--tls-key-file")
            .arg(place.fixture.key())
            .arg("--tls-ca-cert-file")
            .arg(place.fixture.certificate());
        command.args(["--tls-auth-clients", auth, "--tls-session-caching", "yes"]);
        command.args(["--save", "", "--logfile", &format!("redis{number}.log")]);
        commands.push((command, port));
    }
    let ports = commands.iter().map(|(_, port)| port.clone()).collect();
    Ok((Running::start_several(place, commands)?, ports))
}
