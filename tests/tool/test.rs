//! `sslcache test`, on live servers.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Case;
use crate::relay::Relay;
use crate::relay::Turn::Says;
use crate::s_server::SServer;
use crate::server::{Server, free_port};
use crate::tool::{Folder, Outcome, Said, Tool, has_in_order};

pub const CASES: &[Case] = &[
    (
        "test sees the caches of two workers, and one under run",
        caches,
    ),
    (
        "test --wait sees that tickets do not survive a reload, and that shared keys do",
        reload,
    ),
    ("test needs a line to end its wait", no_line),
    (
        "test sees ids, tickets of both kinds, and early data",
        kinds,
    ),
    ("test is not misled by workers that take long turns", turns),
    (
        "test counts the keys of processes that have their own",
        keys,
    ),
    ("test sees that nothing is kept, or nothing given out", off),
    ("test sees that a protocol is not spoken", one_protocol),
    ("test says what cannot be reached, in time", unreachable),
    ("test makes as many connections as it says", connections),
];

const NO_TICKETS: &str = "ssl_session_tickets off; ssl_session_cache builtin:1000;";

/// Runs the tool with `test` and these arguments for a server at this port.
pub fn ask(tool: &Tool, port: u16, arguments: &[&str]) -> Result<Said, Box<dyn Error>> {
    let folder = Folder::new()?;
    let server = format!("127.0.0.1:{port}");
    tool.say(&folder.0, &[&["test", &server], arguments].concat())
}

/// The JSON of the same.
pub fn json(tool: &Tool, port: u16, arguments: &[&str]) -> Result<(i32, Value), Box<dyn Error>> {
    let said = ask(tool, port, &[&["--json"], arguments].concat())?;
    assert_eq!(said.err, "");
    let json: Value = serde_json::from_str(&said.out)?;
    assert_eq!(json["schema"], "sslcache-test-1");
    Ok((said.code, json))
}

/// `TLS 1.2 by id 50/50` for each row.
fn rows(json: &Value) -> Vec<String> {
    let rows = json["rows"].as_array().into_iter().flatten();
    rows.map(|row| {
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        let returns = &row["returns"];
        let (protocol, by) = (text(&row["protocol"]), text(&row["by"]));
        format!(
            "{protocol} by {by} {}/{}",
            returns["resumed"], returns["offered"]
        )
    })
    .collect()
}

fn caches(tool: &Tool) -> Outcome {
    let port = free_port()?;
    let settings = format!("listen 127.0.0.1:{port} ssl; {NO_TICKETS}");
    let mut plain = Server::start_plain(&settings)?;
    let (code, json_of_plain) = json(tool, port, &[])?;
    assert_eq!(code, 1);
    for row in [0, 2] {
        let row = &json_of_plain["rows"][row];
        let resumed = row["returns"]["resumed"].as_u64().ok_or("no number")?;
        // Half of them, give or take: the kernel chooses the worker.
        assert!((5..=45).contains(&resumed), "{row}");
        assert!(row["caches_about"].as_u64() >= Some(2), "{row}");
    }
    let verdict = json_of_plain["verdict"].as_str().ok_or("no verdict")?;
    has_in_order(
        verdict,
        &[
            "TLS 1.2 by id ",
            " of 50, TLS 1.3 by stateful ticket ",
            "it looks as if about ",
        ],
    )?;
    plain.stop()?;

    let mut ours = Server::start(tool, &[], &settings)?;
    let said = ask(tool, port, &[])?;
    assert_eq!(said.code, 0, "{said:?}");
    has_in_order(
        &said.out,
        &[
            "TLS 1.2 by id               50 of 50 resumed\n",
            "TLS 1.2 by ticket          nothing is given out to return with\n",
            "TLS 1.3 by stateful ticket  50 of 50 resumed, lifetime 300 s, no early data\n",
            "verdict: TLS 1.2 by id 50 of 50, TLS 1.3 by stateful ticket 50 of 50: all that was offered was resumed\n",
        ],
    )?;
    ours.stop()
}

/// Runs the tool, with a reload of the server when it asks for one.
fn ask_over_reload(tool: &Tool, server: &Server, port: u16) -> Result<Said, Box<dyn Error>> {
    let folder = Folder::new()?;
    let mut command = tool.command(&folder.0);
    command
        .args(["test", &format!("127.0.0.1:{port}"), "--wait", "reload"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut errors = BufReader::new(child.stderr.take().ok_or("no stderr")?);
    let mut err = String::new();
    while !err.ends_with("press Enter\n") {
        if errors.read_line(&mut err)? == 0 {
            return Err(format!("it does not wait: {err}").into());
        }
    }
    server.reload()?;
    child.stdin.take().ok_or("no stdin")?.write_all(b"\n")?;
    let output = child.wait_with_output()?;
    Ok(Said {
        code: output.status.code().ok_or("it was killed")?,
        out: String::from_utf8(output.stdout)?,
        err,
    })
}

fn reload(tool: &Tool) -> Outcome {
    let port = free_port()?;
    let settings = format!("listen 127.0.0.1:{port} ssl; ssl_session_cache builtin:1000;");
    let mut plain = Server::start_plain(&settings)?;
    let said = ask_over_reload(tool, &plain, port)?;
    assert_eq!(said.code, 1);
    has_in_order(
        &said.out,
        &[
            "TLS 1.2 by ticket           50 of 50 resumed, 1 key, lifetime 300 s\n",
            "  after the wait             0 of 25 resumed, 1 key more\n",
            "TLS 1.3 by stateless ticket 50 of 50 resumed, 1 key, lifetime 300 s, no early data\n",
            "  after the wait             0 of 25 resumed, 1 key more\n",
            "verdict: ",
            "the ticket keys are others since the wait",
            "SSLCACHE_TICKET_KEYS=shared",
        ],
    )?;
    plain.stop()?;

    let mut ours = Server::start(tool, &["--ticket-keys", "shared"], &settings)?;
    let said = ask_over_reload(tool, &ours, port)?;
    has_in_order(
        &said.out,
        &[
            "TLS 1.2 by ticket           50 of 50 resumed, 1 key, lifetime 300 s\n",
            "  after the wait            25 of 25 resumed\n",
            "TLS 1.3 by stateless ticket 50 of 50 resumed, 1 key, lifetime 300 s, no early data\n",
            "  after the wait            25 of 25 resumed\n",
        ],
    )?;
    ours.stop()
}

fn no_line(tool: &Tool) -> Outcome {
    let server = SServer::start(&[])?;
    let folder = Folder::new()?;
    let mut command = tool.command(&folder.0);
    command
        .args(["test", &format!("127.0.0.1:{}", server.port)])
        .args(["-n", "2", "--wait", "reload"])
        .stdin(Stdio::null());
    let said = crate::tool::said(&mut command)?;
    assert_eq!((said.code, &*said.out), (2, ""));
    has_in_order(
        &said.err,
        &[
            "press Enter\n",
            "it ended before a line came",
            "--wait SECONDS",
        ],
    )?;
    let timed = ask(tool, server.port, &["-n", "2", "--wait", "1"])?;
    assert_eq!(timed.code, 0, "{timed:?}");
    has_in_order(&timed.out, &["after the wait             1 of 1 resumed"])
}

fn kinds(tool: &Tool) -> Outcome {
    let early = ["-n", "10", "--early-data"];
    let stateless = SServer::start(&[])?;
    let (code, json_of) = json(tool, stateless.port, &early)?;
    assert_eq!(code, 0);
    assert_eq!(
        rows(&json_of),
        [
            "TLS 1.2 by id 10/10",
            "TLS 1.2 by ticket 10/10",
            "TLS 1.3 by stateless ticket 10/10"
        ]
    );
    let of_13 = &json_of["rows"][2];
    assert_eq!(of_13["ticket_keys"], 1);
    assert_eq!(
        of_13["ticket_key_names"][0].as_str().map(str::len),
        Some(32)
    );
    assert_eq!(of_13["lifetime_seconds"], 7200);
    assert_eq!(of_13["returns"]["pattern"], "RRRRRRRRRR");
    assert_eq!(json_of["rows"][0]["lifetime_seconds"], Value::Null);
    // It allows none, so none was tried.
    assert_eq!(json_of["early_data"], Value::Null);

    let once = SServer::start(&["-early_data", "-max_early_data", "1000"])?;
    let (code, json_of) = json(tool, once.port, &early)?;
    assert_eq!(code, 0);
    assert_eq!(rows(&json_of)[2], "TLS 1.3 by stateful ticket 10/10");
    assert_eq!(json_of["rows"][2]["max_early_data"], 1000);
    assert_eq!(json_of["early_data"]["first_accepted"], true);
    assert_eq!(json_of["early_data"]["repeated_accepted"], false);
    let (_, not_tried) = json(tool, once.port, &["-n", "2"])?;
    assert_eq!(not_tried["early_data"], Value::Null);

    let twice = SServer::start(&["-early_data", "-max_early_data", "1000", "-no_anti_replay"])?;
    let said = ask(tool, twice.port, &early)?;
    has_in_order(
        &said.out,
        &[
            "early data up to 1000 bytes\n",
            "early data                 accepted, and when repeated accepted\n",
            "verdict: ",
            "the same early data was accepted twice",
        ],
    )
}

/// nginx lets a worker accept sixteen connections before the next takes its turn.
fn turns(tool: &Tool) -> Outcome {
    let servers = [
        SServer::start(&["-no_ticket"])?,
        SServer::start(&["-no_ticket"])?,
    ];
    let behind = servers.each_ref().map(|server| [server.port; 16]).concat();
    let relay = Relay::start(&[], &behind)?;
    let (code, json) = json(tool, relay.port, &["-n", "40"])?;
    assert_eq!(code, 1);
    for row in [0, 2] {
        let row = &json["rows"][row];
        let resumed = row["returns"]["resumed"].as_u64().ok_or("no number")?;
        // Half of them are. A single client would have seen 37.
        assert!((12..=28).contains(&resumed), "{row}");
        let caches = row["caches_about"].as_u64().ok_or("no number")?;
        assert!((2..=3).contains(&caches), "{row}");
    }
    // The rows estimate one number.
    let verdict = json["verdict"].as_str().ok_or("no verdict")?;
    has_in_order(verdict, &["it looks as if about 2 to 3 processes"])
}

fn keys(tool: &Tool) -> Outcome {
    let servers = [SServer::start(&[])?, SServer::start(&[])?];
    let relay = Relay::start(&[], &servers.each_ref().map(|server| server.port))?;
    let (code, json) = json(tool, relay.port, &[])?;
    assert_eq!(code, 1);
    for row in [1, 2] {
        let row = &json["rows"][row];
        assert_eq!(row["ticket_keys"], 2);
        let resumed = row["returns"]["resumed"].as_u64().ok_or("no number")?;
        // The clients return by chance, and the servers take turns.
        assert!((10..=40).contains(&resumed), "{row}");
    }
    let verdict = json["verdict"].as_str().ok_or("no verdict")?;
    has_in_order(
        verdict,
        &["2 ticket keys were seen", "SSLCACHE_TICKET_KEYS=shared"],
    )
}

fn off(tool: &Tool) -> Outcome {
    let none_kept = SServer::start(&["-no_ticket", "-no_cache"])?;
    let said = ask(tool, none_kept.port, &[])?;
    assert_eq!(said.code, 1);
    has_in_order(
        &said.out,
        &[
            "TLS 1.2 by id              nothing is given out",
            "TLS 1.2 by ticket          nothing is given out",
            "TLS 1.3 by stateful ticket   0 of 50 resumed",
            "verdict: TLS 1.3 by stateful ticket 0 of 50: ",
            "none is known again",
            "over TLS 1.2 nothing is given out to return with",
        ],
    )?;
    let none_given = SServer::start(&["-no_ticket", "-no_cache", "-num_tickets", "0"])?;
    let said = ask(tool, none_given.port, &[])?;
    assert_eq!(said.code, 1);
    has_in_order(&said.out, &["verdict: nobody can return: "])
}

fn one_protocol(tool: &Tool) -> Outcome {
    let server = SServer::start(&["-tls1_2"])?;
    let (code, json) = json(tool, server.port, &["-n", "10"])?;
    assert_eq!(code, 0);
    assert_eq!(
        rows(&json),
        ["TLS 1.2 by id 10/10", "TLS 1.2 by ticket 10/10"]
    );
    assert_eq!(json["not_spoken"][0]["protocol"], "TLS 1.3");
    Ok(())
}

fn unreachable(tool: &Tool) -> Outcome {
    let port = free_port()?;
    let said = ask(tool, port, &[])?;
    assert_eq!((said.code, &*said.out), (2, ""));
    has_in_order(
        &said.err,
        &[
            &format!("127.0.0.1:{port}"),
            "refused",
            "does the server run?",
        ],
    )?;

    // The kernel accepts for it, and nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let port = silent.local_addr()?.port();
    for more in [&[][..], &["--starttls", "smtp"]] {
        let begun = Instant::now();
        let said = ask(tool, port, &[&["--timeout", "1"], more].concat())?;
        assert_eq!((said.code, &*said.out), (2, ""));
        has_in_order(&said.err, &["no answer in 1 s"])?;
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    // No TLS at all.
    let plain = Relay::start(&[Says(b"220 hello, this is no TLS\r\n")], &[port])?;
    let said = ask(tool, plain.port, &[])?;
    assert_eq!((said.code, &*said.out), (2, ""));
    has_in_order(&said.err, &["TLS 1.2 and 1.3", "--starttls?"])
}

fn connections(tool: &Tool) -> Outcome {
    let server = SServer::start(&[])?;
    let relay = Relay::start(&[], &[server.port])?;
    let said = ask(tool, relay.port, &["-n", "7", "--wait", "1"])?;
    assert_eq!(said.code, 0, "{said:?}");
    // Three rows of four clients, who come, make seven returns, and come once more.
    has_in_order(&said.err, &["at most 45 connections"])?;
    assert_eq!(relay.connections(), 45);
    let (_, json) = json(tool, relay.port, &["-n", "7"])?;
    assert_eq!(json["connections"], 33);
    assert_eq!(relay.connections(), 45 + 33);
    Ok(())
}
