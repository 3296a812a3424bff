//! Several `openssl s_server` processes with one certificate.

use super::running::Running;
use super::{Expected, Row, Setting, WORKERS};
use crate::openssl::server;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "openssl s_server",
            &["openssl", "version"],
            "side by side",
            Expected::Nobody,
            |place, form, protocol| {
                let commands = (0..WORKERS).map(|number| {
                    let socket = format!("socket{number}");
                    let mut command = server(place, form, &socket);
                    command.arg("-no_ticket");
                    (command, place.file(&socket).display().to_string())
                });
                Running::start_several(place, commands)?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Region, Expected::All),
    ]
}
