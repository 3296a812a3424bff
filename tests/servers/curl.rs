//! curl makes three transfers in one command, and nginx logs whether each was resumed.

use crate::fixture::{Fixture, run};
use crate::form::{Form, Protocol};
use crate::server::Place;
use crate::{Case, Outcome, nginx};
use std::error::Error;

pub fn cases() -> Vec<Case> {
    // nginx logs `.` for a full handshake and `r` for a resumed one.
    vec![
        case(
            "curl",
            "ssl_session_tickets off; ssl_session_cache builtin;",
            ". r r",
        ),
        case(
            "curl, sealed tickets",
            "ssl_session_cache builtin;",
            ". r r",
        ),
        case(
            "curl, nothing to resume",
            "ssl_session_tickets off; ssl_session_cache off;",
            ". . .",
        ),
    ]
}

fn case(name: &'static str, settings: &'static str, resumed: &'static str) -> Case {
    Case::new(name, resumed, move |fixture, form, protocol| {
        fetch(fixture, form, protocol, settings)
    })
}

fn fetch(
    fixture: &Fixture,
    form: Form,
    protocol: Protocol,
    settings: &str,
) -> Result<Outcome, Box<dyn Error>> {
    let place = Place::new(fixture)?;
    let mut server = nginx::start_plain(&place, settings, "$ssl_session_reused")?;
    // Our own client waits until the server listens.
    server.visit(fixture.client(Form::Plain, &place.socket(), protocol))?;

    let mut curl = place.command("timeout", form);
    curl.args([
        "60",
        "curl",
        "-q",
        "--silent",
        "--show-error",
        "--header",
        "Connection: close",
    ]);
    curl.args(match protocol {
        Protocol::Tls12 => ["--tlsv1.2", "--tls-max", "1.2"],
        Protocol::Tls13 => ["--tlsv1.3", "--tls-max", "1.3"],
    });
    curl.arg("--cacert")
        .arg(fixture.certificate())
        .arg("--unix-socket")
        .arg(place.socket());
    curl.args(["https://localhost/"; 3]);
    let said = String::from_utf8(run(&mut curl)?.stdout)?;
    server.stop(libc::SIGQUIT)?;

    let resumed = said.split_whitespace().collect::<Vec<_>>().join(" ");
    Outcome {
        resumed,
        told: place.told(form)?,
    }
    .heard()
}
