//! thin, on EventMachine: one process, and a context for each connection. It clears a connection before it frees it.

use super::running::{Running, without_tickets};
use super::{Expected, Row, SCRIPTS, Setting};
use crate::server::free_port;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "thin",
            &["thin", "--version"],
            "one process, a context for each connection",
            Expected::Nobody,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let mut command = place.command("thin", form);
                without_tickets(place, &mut command)?;
                command
                    .args(["--quiet", "--environment", "production"])
                    .args(["--address", "127.0.0.1", "--port", &port])
                    .args(["--ssl", "--ssl-disable-verify", "--ssl-cert-file"])
                    .arg(place.fixture.certificate())
                    .arg("--ssl-key-file")
                    .arg(place.fixture.key())
                    .args(["--rackup", &format!("{SCRIPTS}/app.ru"), "start"]);
                Running::start(place, command, port)?
                    .talking("abrupt")
                    .come_back(place, form, protocol)
            },
        )
        .alone()
        .unset(Expected::Nobody)
        .with(Setting::Group, Expected::All),
    ]
}
