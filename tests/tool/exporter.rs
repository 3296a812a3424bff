//! `sslcache exporter`: what it answers, and counters that do not fall.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Case;
use crate::prometheus::{Samples, parsed};
use crate::server::Server;
use crate::tool::{Folder, Outcome, Tool, has_in_order};

pub const CASES: &[Case] = &[
    ("the exporter answers what HTTP asks, and no more", http),
    (
        "the exporter's counters outlive reloads and a restart",
        counters,
    ),
];

const SETTINGS: &str = "ssl_session_tickets off; ssl_session_cache builtin:1000;";

/// An exporter. It ends on drop.
struct Exporter {
    child: Child,
    address: String,
}

impl Exporter {
    fn start(tool: &Tool, runtime: &Folder, more: &[&str]) -> Result<Self, Box<dyn Error>> {
        let command = tool.command(&runtime.0);
        // Not by timeout(1), so that the child is the exporter itself.
        let mut child = Command::new(tool.stage.join("bin/sslcache"))
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .args(["exporter", "--listen", "127.0.0.1:0"])
            .args(more)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on http://");
        let address = address.and_then(|rest| rest.strip_suffix("/metrics"));
        let address = address
            .ok_or_else(|| format!("it says {line:?}"))?
            .to_owned();
        Ok(Self { child, address })
    }

    /// Sends a text and returns the whole answer.
    fn ask(&self, request: &str) -> Result<String, Box<dyn Error>> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn samples(&self) -> Result<Samples, Box<dyn Error>> {
        let answer = self.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
        has_in_order(
            head,
            &[
                "HTTP/1.1 200 OK\r\n",
                "Content-Type: text/plain; version=0.0.4",
                "Connection: close",
            ],
        )?;
        has_in_order(head, &[&format!("Content-Length: {}\r\n", body.len())])?;
        parsed(body)
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn http(tool: &Tool) -> Outcome {
    let runtime = Folder::new()?;
    let exporter = Exporter::start(tool, &runtime, &[])?;
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
    for (request, status, body) in [
        (
            "GET / HTTP/1.0\r\n\r\n",
            "200 OK",
            "sslcache exporter: see /metrics\n",
        ),
        (
            "GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n",
            "200 OK",
            "sslcache_closed_folders",
        ),
        (
            "GET /other HTTP/1.1\r\n\r\n",
            "404 Not Found",
            "404 Not Found\n",
        ),
        (
            "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            "405 Method Not Allowed",
            "405",
        ),
        ("nonsense\r\n\r\n", "400 Bad Request", "400 Bad Request\n"),
        ("GET /\r\n\r\n", "400 Bad Request", "400"),
        (&long, "400 Bad Request", "400"),
    ] {
        let answer = exporter.ask(request)?;
        has_in_order(
            &answer,
            &[&format!("HTTP/1.1 {status}\r\n"), "\r\n\r\n", body],
        )?;
    }
    let head = exporter.ask("HEAD /metrics HTTP/1.1\r\n\r\n")?;
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    assert!(!head.contains("Content-Length: 0"), "{head}");
    // Clients that send nothing, or go before the answer, keep nobody else waiting.
    let silent: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(&exporter.address))
        .collect::<Result<_, _>>()?;
    for _ in 0..3 {
        TcpStream::connect(&exporter.address)?.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")?;
    }
    exporter.samples()?;
    drop(silent);
    // An address that is taken, and one connection only.
    let taken = tool.say(&runtime.0, &["exporter", "--listen", &exporter.address])?;
    assert_eq!(taken.code, 2);
    has_in_order(
        &taken.err,
        &[&exporter.address, "in use", "give a free port"],
    )?;
    let mut once = Exporter::start(tool, &runtime, &["--once"])?;
    once.samples()?;
    assert!(once.child.wait()?.success());
    Ok(())
}

/// Waits until a sample has at least this value, and returns all.
fn samples_with(
    exporter: &Exporter,
    server: &Server,
    name: &str,
    value: f64,
) -> Result<Samples, Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let samples = exporter.samples()?;
        if samples.get(name).is_some_and(|&now| now >= value) {
            return Ok(samples);
        }
        if Instant::now() > end {
            return Err(format!("{name} is not {value}: {samples:?}").into());
        }
        // A worker may write the stats of its last handshake only at its next connection.
        server.knock();
        thread::sleep(Duration::from_millis(20));
    }
}

fn is_counter(name: &str) -> bool {
    ["_total ", "_bucket ", "_sum ", "_count "]
        .iter()
        .any(|ending| name.contains(ending))
}

fn counters(tool: &Tool) -> Outcome {
    if !tool.alone {
        return Ok(()); // there may be other servers of this name
    }
    let mut server = Server::start(tool, &[], SETTINGS)?;
    let exporter = Exporter::start(tool, &server.runtime, &[])?;
    let label = server.label(tool)?;
    let handshakes = &*format!("sslcache_handshakes_total {label}");
    let mut before = Samples::new();
    let mut check = |now: Samples| {
        for (name, value) in before.iter().filter(|(name, _)| is_counter(name)) {
            let now = now.get(name).copied();
            assert!(
                now.is_some_and(|now| now >= *value),
                "{name} was {value}, is {now:?}"
            );
        }
        let is_new = |name: &&String| !before.contains_key(*name);
        assert!(
            before.is_empty() || now.keys().find(is_new).is_none(),
            "new labels: {now:?}"
        );
        before = now;
    };
    for round in 1..=6 {
        assert_eq!(server.visit("1.2")?, "full=20 resumed=20 held=server");
        check(samples_with(
            &exporter,
            &server,
            handshakes,
            f64::from(round * 40),
        )?);
        match round {
            1..=3 => server.reload()?,
            4 => server.kill_a_worker()?,
            _ => server.restart(tool, &[])?,
        }
        check(exporter.samples()?);
    }
    server.stop()?;
    let gone = exporter.samples()?;
    let of = |name: &str| gone[&format!("sslcache_{name} {label}")];
    assert_eq!(
        (of("handshakes_total"), of("resumed_total"), of("processes")),
        (240.0, 120.0, 0.0)
    );
    Ok(())
}
