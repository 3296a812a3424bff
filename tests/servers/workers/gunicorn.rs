//! gunicorn: workers by fork, and a context for each connection. It closes connections without close_notify, for which libssl
//! removes the session; a group keeps it.

use super::running::{Running, without_tickets};
use super::{Expected, Row, SCRIPTS, Setting, WORKERS};
use crate::server::free_port;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "gunicorn",
            &["gunicorn", "--version"],
            "fork, a context for each connection",
            Expected::Nobody,
            |place, form, protocol| {
                let port = free_port()?.to_string();
                let mut command = place.command("gunicorn", form);
                without_tickets(place, &mut command)?;
                command
                    .args(["--workers", &WORKERS.to_string()])
                    .args(["--worker-class", "gthread", "--threads", "2"])
                    .arg(format!("--bind=127.0.0.1:{port}"))
                    .arg("--certfile")
                    .arg(place.fixture.certificate())
                    .arg("--keyfile")
                    .arg(place.fixture.key())
                    .args(["--log-level", "warning", "--pythonpath", SCRIPTS, "app"]);
                // Python must not write bytecode beside the source.
                command.env("PYTHONDONTWRITEBYTECODE", "1");
                Running::start(place, command, port)?
                    .talking("abrupt")
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Group, Expected::All),
    ]
}
