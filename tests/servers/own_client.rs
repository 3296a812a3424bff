//! Our own client in the forms, linked too, with its sessions kept by callback; a plain nginx opposite.

use crate::form::Form;
use crate::server::{Place, Server};
use crate::{Case, Outcome, nginx};

pub fn cases() -> Vec<Case> {
    let resumed = "full=20 resumed=20 held=server";
    let mut case = Case::new("C client", resumed, |fixture, form, protocol| {
        let place = Place::new(fixture)?;
        nginx::configure(
            &place,
            1,
            "ssl_session_tickets off; ssl_session_cache builtin;",
            "hello",
        )?;
        let mut server = Server::start(nginx::command(&place, Form::Plain), place.file("stderr"))?;
        let resumed = server.visit(fixture.client(form, &place.socket(), protocol))?;
        server.stop(libc::SIGQUIT)?;
        Outcome {
            resumed,
            told: place.told(Form::Plain)?,
        }
        .heard()
    });
    case.forms = &Form::ALL;
    vec![case]
}
