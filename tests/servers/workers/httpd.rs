//! Apache httpd with one process per connection: with its own shared cache, and without a cache.

use super::running::Running;
use super::{Count, Expected, Row, Setting, WORKERS};
use crate::form::{Form, Protocol};
use crate::httpd::{command, configuration};
use crate::server::{Place, free_port};
use std::error::Error;

const VERSION: &[&str] = &["apache2", "-v"];

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "httpd shmcb",
            VERSION,
            "prefork, own shared cache",
            Expected::All,
            |place, form, protocol| serve(place, form, protocol, "shmcb:cache(512000)"),
        )
        .unset(Expected::All),
        Row::new(
            "httpd nonenotnull",
            VERSION,
            "prefork, cache switched off",
            Expected::Nobody,
            |place, form, protocol| serve(place, form, protocol, "nonenotnull"),
        )
        .unset(Expected::Nobody)
        .with(Setting::Force, Expected::All),
    ]
}

fn serve(
    place: &Place,
    form: Form,
    protocol: Protocol,
    cache: &str,
) -> Result<Count, Box<dyn Error>> {
    let port = free_port()?;
    let text = configuration(place, port, WORKERS, "prefork", cache);
    let command = command(place, form, &text)?;
    Running::start(place, command, port.to_string())?
        .ended_by(libc::SIGWINCH)
        .come_back(place, form, protocol)
}
