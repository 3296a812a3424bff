//! `sslcache test`, on live servers.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Case;
use crate::relay::Relay;
use crate::relay::Turn::{self, Hears, Says};
use crate::server::{Server, certify};
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
    (
        "test counts the keys of processes that have their own",
        keys,
    ),
    ("test sees that nothing is kept, or nothing given out", off),
    ("test sees that a protocol is not spoken", one_protocol),
    ("test says what cannot be reached, in time", unreachable),
    ("test asks for TLS in each protocol", starttls),
    (
        "test shows no control characters of a server's",
        control_characters,
    ),
    ("test makes as many connections as it says", connections),
];

const NO_TICKETS: &str = "ssl_session_tickets off; ssl_session_cache builtin:1000;";

/// A port that was free a moment ago.
fn free_port() -> Result<u16, Box<dyn Error>> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Runs the tool with `test` and these arguments for a server at this port.
fn ask(tool: &Tool, port: u16, arguments: &[&str]) -> Result<Said, Box<dyn Error>> {
    let folder = Folder::new()?;
    let server = format!("127.0.0.1:{port}");
    tool.say(&folder.0, &[&["test", &server], arguments].concat())
}

/// The JSON of the same.
fn json(tool: &Tool, port: u16, arguments: &[&str]) -> Result<(i32, Value), Box<dyn Error>> {
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

/// openssl s_server: one process, which serves one connection after the other. It ends on drop.
struct SServer {
    child: Child,
    port: u16,
    _folder: Folder,
}

impl SServer {
    fn start(options: &[&str]) -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new()?;
        certify(&folder)?;
        let mut command = Command::new("openssl");
        command
            .args(["s_server", "-accept", "127.0.0.1:0"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .args(options)
            .current_dir(&folder.0)
            // It reads what it is to send, and would end with its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut line = String::new();
        let port = loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                return Err("s_server does not listen".into());
            }
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                let (_, port) = address.trim().rsplit_once(':').ok_or("no port")?;
                break port.parse()?;
            }
        };
        // What it prints for each connection is nobody's concern, but a full pipe would stop it.
        thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Ok(Self {
            child,
            port,
            _folder: folder,
        })
    }
}

impl Drop for SServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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

/// Each protocol, with the words of its RFC. Servers may say more than one line.
static DIALOGUES: [(&str, &[Turn]); 6] = [
    (
        "smtp",
        &[
            Says(b"220-localhost\r\n220 ready\r\n"),
            Hears(b"EHLO localhost\r\n"),
            Says(b"250-localhost\r\n250-SIZE 100\r\n250-starttls\r\n250 HELP\r\n"),
            Hears(b"STARTTLS\r\n"),
            Says(b"220 2.0.0 go ahead\r\n"),
        ],
    ),
    (
        "imap",
        &[
            Says(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
            Hears(b"a STARTTLS\r\n"),
            Says(b"* CAPABILITY IMAP4rev1\r\na OK begin now\r\n"),
        ],
    ),
    (
        "pop3",
        &[
            Says(b"+OK ready\r\n"),
            Hears(b"STLS\r\n"),
            Says(b"+OK begin now\r\n"),
        ],
    ),
    (
        "ftp",
        &[
            Says(b"220-welcome\r\n to this server\r\n220 ready\r\n"),
            Hears(b"AUTH TLS\r\n"),
            Says(b"234 begin now\r\n"),
        ],
    ),
    (
        "ldap",
        &[
            Hears(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
            // The long form of the lengths, as Active Directory writes them.
            Says(b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"),
        ],
    ),
    (
        "postgres",
        &[Hears(b"\0\0\0\x08\x04\xd2\x16\x2f"), Says(b"S")],
    ),
];

fn starttls(tool: &Tool) -> Outcome {
    let server = SServer::start(&["-no_ticket"])?;
    for (protocol, turns) in DIALOGUES {
        let relay = Relay::start(turns, &[server.port])?;
        let (code, json) = json(tool, relay.port, &["-n", "4", "--starttls", protocol])?;
        assert_eq!(code, 0, "{protocol}: {json}");
        assert_eq!(json["starttls"], protocol);
        assert_eq!(
            json["rows"][0]["returns"]["resumed"], 4,
            "{protocol}: {json}"
        );
    }
    Ok(())
}

fn control_characters(tool: &Tool) -> Outcome {
    let relay = Relay::start(
        &[Says(b"554 \x1b]0;title\x07 go away\r\n")],
        &[free_port()?],
    )?;
    let said = ask(tool, relay.port, &["--starttls", "smtp"])?;
    assert_eq!((said.code, &*said.out), (2, ""));
    has_in_order(&said.err, &["the server says", "554 ]0;title go away"])?;
    assert!(
        !said
            .err
            .chars()
            .any(|char| char.is_control() && char != '\n'),
        "{:?}",
        said.err
    );
    Ok(())
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
