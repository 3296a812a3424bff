//! Several redis servers on one certificate, as behind one name; redis itself is one process. Its contexts ask for
//! client certificates, and each connection is told not to.

use super::running::{Running, without_tickets};
use super::{Expected, Row, Setting, WORKERS};
use crate::server::free_port;
use std::error::Error;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "redis",
            &["redis-server", "--version"],
            "side by side",
            Expected::Nobody,
            |place, form, protocol| {
                let commands = (0..WORKERS).map(|number| {
                    let port = free_port()?.to_string();
                    let mut command = place.command("redis-server", form);
                    without_tickets(place, &mut command)?;
                    command.args(["--port", "0", "--bind", "127.0.0.1", "--tls-port", &port]);
                    command
                        .arg("--tls-cert-file")
                        .arg(place.fixture.certificate())
                        .arg("--tls-key-file")
                        .arg(place.fixture.key())
                        .arg("--tls-ca-cert-file")
                        .arg(place.fixture.certificate());
                    command.args(["--tls-auth-clients", "no", "--tls-session-caching", "yes"]);
                    command.args(["--save", "", "--logfile", &format!("redis{number}.log")]);
                    Ok((command, port))
                });
                let commands = commands.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
                Running::start_several(place, commands)?
                    .talking("redis")
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Region, Expected::All),
    ]
}
