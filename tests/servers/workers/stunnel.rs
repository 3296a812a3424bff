//! Several stunnels on one certificate.

use super::running::Running;
use super::{Expected, Row, WORKERS};
use crate::stunnel::command;
use std::error::Error;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "stunnel",
            &["stunnel4", "-version"],
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
        .unset(Expected::Nobody),
    ]
}
