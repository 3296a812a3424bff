//! uWSGI: HTTPS by router processes in front of its workers, libssl's cache switched off.

use super::running::{Running, without_tickets};
use super::{Expected, Row, SCRIPTS, Setting, WORKERS};
use crate::server::free_port;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "uWSGI",
            &["uwsgi-core", "--version"],
            "fork, cache switched off",
            Expected::Nobody,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let mut command = place.command("uwsgi-core", form);
                without_tickets(place, &mut command)?;
                command
                    .args(["--plugins", "http,python3", "--master", "--die-on-term"])
                    .arg("--disable-logging")
                    .arg("--https")
                    .arg(format!(
                        "127.0.0.1:{port},{},{}",
                        place.fixture.certificate().display(),
                        place.fixture.key().display(),
                    ))
                    .args(["--http-processes", &WORKERS.to_string()])
                    .args(["--wsgi-file", &format!("{SCRIPTS}/app.py")])
                    .env("PYTHONDONTWRITEBYTECODE", "1");
                Running::start(place, command, port)?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Force, Expected::All),
    ]
}
