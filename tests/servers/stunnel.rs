//! stunnel: calls SSL_CTX_add_session itself, has callbacks, and attaches data to sessions.

use crate::fixture::Fixture;
use crate::form::{Form, Protocol};
use crate::server::Place;
use crate::{Case, Outcome};
use std::error::Error;
use std::io;
use std::process::Command;

pub fn cases() -> Vec<Case> {
    vec![Case::new("stunnel", "full=20 resumed=20 held=server", serve).needing("stunnel4")]
}

fn serve(fixture: &Fixture, form: Form, protocol: Protocol) -> Result<Outcome, Box<dyn Error>> {
    let place = Place::new(fixture)?;
    let command = command(&place, form, "socket")?;
    place.serve(command, form, protocol, &place.socket(), libc::SIGTERM)
}

/// stunnel, listening on `socket`, a name in the place. With different names, several can run in one place.
pub fn command(place: &Place, form: Form, socket: &str) -> io::Result<Command> {
    let text = format!(
        "foreground = quiet
         debug = 4
         pid =
         [echo]
         accept = {}
         exec = /bin/echo
         execArgs = echo hello
         cert = {}
         key = {}
         options = NO_TICKET
",
        place.file(socket).display(),
        place.fixture.certificate().display(),
        place.fixture.key().display(),
    );
    let configuration = format!("{socket}.conf");
    place.write(&configuration, &text)?;
    let mut command = place.command("stunnel4", form);
    command.arg(configuration);
    Ok(command)
}
