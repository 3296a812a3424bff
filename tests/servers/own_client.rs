//! Our own client in every form, including linked. It keeps its sessions by callback, and visits a plain nginx.

use crate::form::Form;
use crate::server::Place;
use crate::{Case, Outcome, nginx};

pub fn cases() -> Vec<Case> {
    let resumed = "full=20 resumed=20 held=server";
    let mut case = Case::new("C client", resumed, |fixture, form, protocol| {
        let place = Place::new(fixture)?;
        let settings = "ssl_session_tickets off; ssl_session_cache builtin;";
        let mut server = nginx::start_plain(&place, settings, "hello")?;
        let mut client = fixture.client(form, &place.socket(), protocol);
        fixture.probe(&mut client, form, &place.file("probe"));
        let resumed = server.visit(client)?;
        server.stop(libc::SIGQUIT)?;
        Outcome {
            resumed,
            told: place.told(form)?,
        }
        .heard()
    });
    case.forms = &Form::ALL;
    vec![case]
}
