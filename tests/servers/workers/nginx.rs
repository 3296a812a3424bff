//! nginx: workers by fork. When nginx reloads its configuration, it makes new workers with new contexts.

use super::results::version;
use super::running::{Running, figure, wait_until};
use super::{Count, Expected, Row, Setting, VISITS, WORKERS};
use crate::form::{Form, Protocol};
use crate::nginx::{command, configure};
use crate::server::{Place, free_port};
use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

const VERSION: &[&str] = &["nginx", "-v"];
const BUILTIN: &str = "ssl_session_tickets off; ssl_session_cache builtin;";
const SHARED: &str = "ssl_session_tickets off; ssl_session_cache shared:one:1m;";
const TICKETS: &str = "ssl_session_tickets on;";
const SHARED_TICKETS: &str = "ssl_session_tickets on; ssl_session_cache shared:one:1m;";

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "nginx builtin",
            VERSION,
            "fork",
            Expected::Few,
            |place, form, protocol| {
                start(place, form, BUILTIN)?
                    .0
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
        Row::new(
            "nginx shared",
            VERSION,
            "fork, own shared cache",
            Expected::All,
            |place, form, protocol| {
                start(place, form, SHARED)?
                    .0
                    .come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
        Row::new(
            "nginx builtin, over a reload",
            VERSION,
            "fork, new contexts",
            Expected::Nobody,
            |place, form, protocol| over(place, form, protocol, BUILTIN, reload),
        )
        .unset(Expected::Nobody)
        .with(Setting::Group, Expected::All),
        Row::new(
            "nginx builtin, over a restart",
            VERSION,
            "fork, after an end",
            Expected::Nobody,
            |place, form, protocol| over(place, form, protocol, BUILTIN, restart),
        )
        .unset(Expected::Nobody)
        .with(Setting::Region, Expected::All),
        Row::new(
            "nginx with tickets, over a reload",
            VERSION,
            "fork, new contexts",
            Expected::Nobody,
            |place, form, protocol| over(place, form, protocol, TICKETS, reload),
        )
        .unset(Expected::Nobody)
        .with(Setting::Keys, Expected::All),
        Row::new(
            "nginx with tickets, over a restart",
            VERSION,
            "fork, after an end",
            Expected::Nobody,
            |place, form, protocol| over(place, form, protocol, TICKETS, restart),
        )
        .unset(Expected::Nobody)
        .with(Setting::KeysInRegion, Expected::All),
        shared_with_tickets(),
        Row::new(
            "nginx shared with tickets, over a restart",
            VERSION,
            "fork, after an end",
            Expected::Nobody,
            |place, form, protocol| over(place, form, protocol, SHARED_TICKETS, restart),
        )
        .unset(Expected::Nobody)
        .with(
            Setting::KeysInRegion,
            match has_keys_of_its_own() {
                true => Expected::Nobody,
                false => Expected::All,
            },
        ),
    ]
}

fn shared_with_tickets() -> Row {
    let row = |plain| {
        Row::new(
            "nginx shared with tickets, over a reload",
            VERSION,
            "fork, new contexts",
            plain,
            |place, form, protocol| over(place, form, protocol, SHARED_TICKETS, reload),
        )
        .unset(plain)
    };
    match has_keys_of_its_own() {
        true => row(Expected::All),
        false => row(Expected::Nobody).with(Setting::Keys, Expected::All),
    }
}

/// True if this nginx keeps ticket keys of its own, which it changes, in a shared session cache: 1.23.2 and later.
fn has_keys_of_its_own() -> bool {
    version(VERSION).is_ok_and(|version| {
        let numbers: Vec<u32> = version
            .split('.')
            .filter_map(|part| part.parse().ok())
            .collect();
        numbers >= vec![1, 23, 2]
    })
}

/// With a socket for each worker, the kernel distributes the connections. From a common one, the worker that went to sleep
/// last would take most of them.
fn start(place: &Place, form: Form, settings: &str) -> Result<(Running, String), Box<dyn Error>> {
    let port = free_port()?.to_string();
    let listen = format!("127.0.0.1:{port} reuseport");
    configure(place, &listen, WORKERS, settings, "hello")?;
    let running = Running::start(place, command(place, form), &*port)?;
    Ok((running.ended_by(libc::SIGQUIT), port))
}

/// Does something to a server between two visits, and returns the server of the second.
type Event = fn(Running, &Place, Form) -> Result<Running, Box<dyn Error>>;

/// All clients visit nginx, something happens to it, and all clients visit it again.
fn over(
    place: &Place,
    form: Form,
    protocol: Protocol,
    settings: &str,
    event: Event,
) -> Result<Count, Box<dyn Error>> {
    let (mut running, port) = start(place, form, settings)?;
    let mut client = place.fixture.clients(Form::Plain, &port, protocol, VISITS);
    let mut client = client
        .arg("pause")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(client.stdout.take().ok_or("no stdout")?).lines();
    // The clients end by themselves if the server does not answer.
    if said.next().transpose()?.as_deref() == Some("gone") {
        running = event(running, place, form)?;
        client.stdin.take().ok_or("no stdin")?.write_all(b"\n")?;
    }
    let figures = said.next().transpose()?.unwrap_or_default();
    client.wait()?;
    running.end(place, form)?;
    let holder = match settings {
        TICKETS | SHARED_TICKETS => "held=client",
        _ => "held=server",
    };
    let held = if figures.contains(holder) { VISITS } else { 0 };
    Ok(Count {
        resumed: figure(&figures, "resumed")?,
        held,
    })
}

/// Makes nginx replace its workers, by a signal.
fn reload(running: Running, _: &Place, _: Form) -> Result<Running, Box<dyn Error>> {
    let old = running.server().processes();
    running.server().signal(libc::SIGHUP);
    wait_until("new workers", || {
        let now = running.server().processes();
        now.len() == old.len() && !now[1..].iter().any(|pid| old.contains(pid))
    })?;
    Ok(running)
}

/// Ends nginx and starts it with the same configuration.
fn restart(running: Running, place: &Place, form: Form) -> Result<Running, Box<dyn Error>> {
    running.end(place, form)?;
    Ok(Running::start(place, command(place, form), "")?.ended_by(libc::SIGQUIT))
}
