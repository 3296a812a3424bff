//! HAProxy: threads, and a shared cache of its own.

use super::running::Running;
use super::{Expected, Row, WORKERS};
use crate::haproxy::command;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "haproxy",
            &["haproxy", "-v"],
            "threads, own shared cache",
            Expected::All,
            |place, form, protocol| {
                let command = command(place, form, WORKERS, "")?;
                Running::start(place, command, place.socket())?
                    .ended_by(libc::SIGUSR1)
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
    ]
}
