//! The openssl program, as a server and as a client.

use crate::fixture::Fixture;
use crate::form::{Form, Protocol};
use crate::server::{Place, Server};
use crate::{Case, Outcome, nginx};
use std::error::Error;
use std::process::{Command, Stdio};
use std::{fs, io::Write};

pub fn cases() -> Vec<Case> {
    vec![
        s_server(
            "openssl s_server",
            "full=20 resumed=20 held=server",
            &["-no_ticket"],
        ),
        s_server(
            "openssl s_server, sealed tickets",
            "full=20 resumed=20 held=client",
            &[],
        ),
        s_server(
            "openssl s_server, no cache",
            "full=20 resumed=0",
            &["-no_ticket", "-no_cache"],
        ),
        Case::new("openssl s_client", "New Reused", s_client),
    ]
}

fn s_server(name: &'static str, resumed: &'static str, options: &'static [&str]) -> Case {
    Case::new(name, resumed, move |fixture, form, protocol| {
        let place = Place::new(fixture)?;
        let mut command = server(&place, form, "socket");
        // One connection more than our clients make, so that the server is still there to be examined after them.
        command.args(["-naccept", &(2 * crate::fixture::CLIENTS + 1).to_string()]);
        command.args(options);
        let mut server = Server::start(command, place.file("stderr"))?;
        let resumed = server.visit(fixture.client(Form::Plain, &place.socket(), protocol))?;
        server.check_form(form, fixture.stage.as_deref())?;
        // This is no TLS client, but it completes the count, and the server ends by itself.
        drop(std::os::unix::net::UnixStream::connect(place.socket())?);
        server.stop(0)?;
        Outcome {
            resumed,
            told: place.told(form)?,
        }
        .heard()
    })
}

/// s_server, listening on `socket`, a name in the place: s_server accepts a path of at most 31 characters.
pub fn server(place: &Place, form: Form, socket: &str) -> Command {
    let mut command = place.command("openssl", form);
    command.args(["s_server", "-quiet", "-www", "-unix", socket, "-cert"]);
    command
        .arg(place.fixture.certificate())
        .arg("-key")
        .arg(place.fixture.key());
    command
}

/// Two connections with a session file between them, to a plain nginx.
fn s_client(fixture: &Fixture, form: Form, protocol: Protocol) -> Result<Outcome, Box<dyn Error>> {
    let place = Place::new(fixture)?;
    let settings = "ssl_session_tickets off; ssl_session_cache builtin;";
    let mut server = nginx::start_plain(&place, settings, "hello")?;
    server.visit(fixture.client(Form::Plain, &place.socket(), protocol))?;
    let mut resumed = Vec::new();
    for option in ["-sess_out", "-sess_in"] {
        let text = connect(&place, form, protocol, option)?;
        let said = text
            .lines()
            .find_map(|line| line.split_once(", TLSv1."))
            .map(|(word, _)| word);
        resumed.push(said.unwrap_or("nothing").to_owned());
    }
    server.stop(libc::SIGQUIT)?;
    Outcome {
        resumed: resumed.join(" "),
        told: place.told(form)?,
    }
    .heard()
}

fn connect(
    place: &Place,
    form: Form,
    protocol: Protocol,
    option: &str,
) -> Result<String, Box<dyn Error>> {
    let version = match protocol {
        Protocol::Tls12 => "-tls1_2",
        Protocol::Tls13 => "-tls1_3",
    };
    let mut command = place.command("timeout", form);
    command.args([
        "60",
        "openssl",
        "s_client",
        "-ign_eof",
        version,
        option,
        "session.pem",
    ]);
    command.args(["-unix", &place.socket(), "-verify_return_error", "-CAfile"]);
    command.arg(place.fixture.certificate());
    // s_client prints the certificate chain on stderr. It must not complain about a library there.
    let stderr = place.file("client-stderr");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(fs::File::create(&stderr)?);
    let mut child = command.spawn()?;
    // Closed at once: the server's answer ends the connection, not the end of this input.
    child
        .stdin
        .take()
        .ok_or("no stdin")?
        .write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let output = child.wait_with_output()?;
    let said = fs::read_to_string(stderr)?;
    if !output.status.success() || said.contains("sslcache") || said.contains("ld.so") {
        return Err(format!("{}\n{said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}
