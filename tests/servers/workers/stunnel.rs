//! Several stunnels with one certificate. Each adds its sessions to the cache itself, and has those of the others once it has added
//! one. Over TLS 1.3 a stunnel resumes a session of its own once: the tickets that
//! follow it does not store.

use super::results::version;
use super::running::Running;
use super::{Expected, Row, Setting, WORKERS};
use crate::form::Protocol;
use crate::stunnel::command;
use std::error::Error;

const VERSION: &[&str] = &["stunnel4", "-version"];

pub fn rows() -> Vec<Row> {
    // That of Debian 11 leaves data of its own with each session, which therefore stays in its process.
    if version(VERSION).is_ok_and(|version| version == "5.56") {
        return vec![row(Expected::Nobody)];
    }
    vec![
        row(Expected::Nearly).over(&[Protocol::Tls12]),
        row(Expected::EveryOther).over(&[Protocol::Tls13]),
    ]
}

fn row(with_region: Expected) -> Row {
    Row::new(
        "stunnel",
        VERSION,
        "side by side",
        Expected::Nobody,
        |place, form, protocol| {
            let commands = (0..WORKERS).map(|number| {
                let socket = format!("socket{number}");
                let address = place.file(&socket).display().to_string();
                Ok((command(place, form, &socket)?, address))
            });
            let commands = commands.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
            Running::start_several(place, commands)?.come_back(place, form, protocol)
        },
    )
    .unset(Expected::Nobody)
    .with(Setting::Region, with_region)
}
