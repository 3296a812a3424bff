//! puma: workers by fork, libssl's cache switched off.

use super::results::version;
use super::running::{Running, without_tickets};
use super::{Expected, Row, SCRIPTS, Setting, WORKERS};
use crate::server::free_port;

const VERSION: &[&str] = &["puma", "--version"];

pub fn rows() -> Vec<Row> {
    // Puma 4 takes a second to close a connection of TLS, which is more than two hundred visits may.
    if version(VERSION).is_ok_and(|version| version.starts_with("4.")) {
        return Vec::new();
    }
    vec![
        Row::new(
            "puma",
            VERSION,
            "fork, cache switched off",
            Expected::Nobody,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let mut command = place.command("puma", form);
                without_tickets(place, &mut command)?;
                command
                    .args([
                        "--workers",
                        &WORKERS.to_string(),
                        "--environment",
                        "production",
                        "--config",
                        &format!("{SCRIPTS}/puma.rb"),
                    ])
                    .arg(format!(
                        "--bind=ssl://127.0.0.1:{port}?cert={}&key={}&verify_mode=none",
                        place.fixture.certificate().display(),
                        place.fixture.key().display(),
                    ))
                    .arg(format!("{SCRIPTS}/app.ru"));
                Running::start(place, command, port)?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Force, Expected::All),
    ]
}
