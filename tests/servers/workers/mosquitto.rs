//! Several mosquitto brokers with one certificate, as behind one name; a broker is one process. Each chooses a random session
//! id context when it starts, and so keeps its sessions to itself.

use super::running::{Running, without_tickets};
use super::{Expected, Row, Setting, WORKERS};
use crate::server::free_port;
use std::error::Error;

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "mosquitto",
            &["mosquitto", "-h"],
            "side by side, a random session id context each",
            Expected::Nobody,
            |place, form, protocol| {
                let commands = (0..WORKERS).map(|number| {
                    let port = free_port()?.to_string();
                    let text = format!(
                        "listener {port} 127.0.0.1
certfile {}
keyfile {}
allow_anonymous true
persistence false
user root
",
                        place.fixture.certificate().display(),
                        place.fixture.key().display(),
                    );
                    let file = place.write(&format!("mosquitto{number}.conf"), &text)?;
                    let mut command = place.command("mosquitto", form);
                    without_tickets(place, &mut command)?;
                    command.arg("-c").arg(file);
                    Ok((command, port))
                });
                let commands = commands.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
                Running::start_several(place, commands)?
                    .talking("mqtt")
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::Nobody)
        .with(Setting::Region, Expected::Nobody),
    ]
}
