//! stunnel: calls SSL_CTX_add_session by itself, beside callbacks, and hangs data on sessions.

use crate::fixture::Fixture;
use crate::form::{Form, Protocol};
use crate::server::Place;
use crate::{Case, Outcome};
use std::error::Error;

pub fn cases() -> Vec<Case> {
    vec![Case::new("stunnel", "full=20 resumed=20 held=server", serve).needing("stunnel4")]
}

fn serve(fixture: &Fixture, form: Form, protocol: Protocol) -> Result<Outcome, Box<dyn Error>> {
    let place = Place::new(fixture)?;
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
        place.socket(),
        fixture.certificate().display(),
        fixture.key().display(),
    );
    place.write("stunnel.conf", &text)?;
    let mut command = place.command("stunnel4", form);
    command.arg("stunnel.conf");
    place.serve(command, form, protocol, &place.socket(), libc::SIGTERM)
}
