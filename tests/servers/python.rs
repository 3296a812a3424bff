//! Python's ssl module, which loads libssl with RTLD_LOCAL.

use crate::fixture::run;
use crate::server::check_maps;
use crate::{Case, Outcome};

/// The distribution's Python: another one may have a libssl of its own.
const PYTHON: &str = "/usr/bin/python3";

pub fn cases() -> Vec<Case> {
    vec![
        case("python, server", "full=20 resumed=20", "tickets-off"),
        case("python, sealed tickets", "full=20 resumed=20", "tickets-on"),
        case(
            "python, a context per connection",
            "full=20 resumed=0",
            "context-each",
        ),
    ]
}

fn case(name: &'static str, resumed: &'static str, mode: &'static str) -> Case {
    Case::new(name, resumed, move |fixture, form, protocol| {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers/session.py");
        let mut command = fixture.command(PYTHON, form);
        command
            .arg(script)
            .arg(fixture.certificate_and_key())
            .arg(protocol.number())
            .arg(mode);
        let output = String::from_utf8(run(&mut command)?.stdout)?;
        let mut parts = output.splitn(3, '\n');
        let mut next = || parts.next().unwrap_or_default().to_owned();
        let (resumed, told, maps) = (next(), next(), next());
        check_maps(&maps, form, fixture.stage.as_deref())?;
        Ok(Outcome { resumed, told })
    })
}
