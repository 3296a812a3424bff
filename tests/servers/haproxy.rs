//! HAProxy: threads, and a cache of its own in libssl's callbacks, which change session ids.

use crate::Case;
use crate::form::Form;
use crate::server::Place;
use std::io;
use std::process::Command;

pub fn cases() -> Vec<Case> {
    let all = "full=20 resumed=20 held=server";
    let nobody = "full=20 resumed=0";
    vec![
        case("haproxy", all, ""),
        case("haproxy without a cache", nobody, "tune.ssl.cachesize 0"),
    ]
}

fn case(name: &'static str, resumed: &'static str, setting: &'static str) -> Case {
    Case::new(name, resumed, move |fixture, form, protocol| {
        let place = Place::new(fixture)?;
        let command = command(&place, form, 2, setting)?;
        place
            .serve(command, form, protocol, &place.socket(), libc::SIGUSR1)?
            .heard()
    })
    .needing("haproxy")
}

pub fn command(place: &Place, form: Form, threads: u32, setting: &str) -> io::Result<Command> {
    let text = format!(
        "global
             nbthread {threads}
             ssl-default-bind-options no-tls-tickets
             {setting}
         defaults
             mode http
             timeout client 10s
             timeout server 10s
             timeout connect 10s
         frontend tls
             bind unix@{} ssl crt {}
             http-request return status 200 content-type text/plain string hello
",
        place.socket(),
        place.fixture.certificate_and_key().display(),
    );
    place.write("haproxy.cfg", &text)?;
    let mut command = place.command("haproxy", form);
    command.args(["-db", "-q", "-f", "haproxy.cfg"]);
    Ok(command)
}
