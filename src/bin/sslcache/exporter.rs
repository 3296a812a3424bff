//! `sslcache exporter`: answers Prometheus over HTTP with the figures of all services.
//!
//! Each connection has a thread, and there are a few at most: the oldest one gives way, so that clients that say nothing keep no
//! scraper waiting. A request is read within a time and a size; its answer ends the connection. `httparse` reads the request; a
//! server from a crate would bring an asynchronous runtime for two pages of text.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::failure::Failure;
use crate::processes;
use crate::stat::prometheus;
use crate::stat::services::History;

const LONG: &str = "\
Answers GET /metrics with the figures of all services that this user may look at, for Prometheus: by service, with labels \
that stay the same, and with counters that do not fall when a service is reloaded or restarted, for as long as the exporter \
runs. Root sees every service.

The figures are no secrets, but the address should be one that only the scraper reaches: there is no authentication and no \
TLS here.";

/// The time that a client has for its request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request that is read.
const REQUEST_MOST: usize = 8192;
const HEADERS_MOST: usize = 64;
/// The most connections at one time.
const CLIENTS_MOST: usize = 16;

/// The command line.
pub fn command() -> Command {
    Command::new("exporter")
        .about("Answer Prometheus with the figures of all services, over HTTP")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache exporter\n  sslcache exporter --listen 127.0.0.1:0 --once",
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS:PORT")
                .default_value("127.0.0.1:9798")
                .value_parser(value_parser!(SocketAddr))
                .help("Where; with port 0 the system chooses one, and the first line says which"),
        )
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("End after the first connection"),
        )
}

/// Listens and answers until it is ended.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let default = SocketAddr::from(([127, 0, 0, 1], 9798));
    let address = *arguments.get_one("listen").unwrap_or(&default);
    let failed = |error: io::Error| {
        Failure::new(
            address,
            error,
            "give a free port of this machine with --listen",
        )
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    println!("listening on http://{bound}/metrics");
    // SAFETY: no other thread is there. A client that is gone must not end the exporter.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let history = Arc::new(Mutex::new(History::default()));
    let mut clients: VecDeque<(Arc<TcpStream>, JoinHandle<()>)> = VecDeque::new();
    loop {
        match listener.accept() {
            Ok((client, _)) => {
                clients.retain(|(_, thread)| !thread.is_finished());
                while clients.len() >= CLIENTS_MOST
                    && let Some((oldest, thread)) = clients.pop_front()
                {
                    let _ = oldest.shutdown(Shutdown::Both);
                    let _ = thread.join(); // it has nothing left to wait for
                }
                let (client, history) = (Arc::new(client), history.clone());
                let kept = client.clone();
                // A client that fails or is too slow has only itself to blame.
                let thread = thread::spawn(move || drop(answer(&client, &history)));
                if arguments.get_flag("once") {
                    let _ = thread.join();
                    return Ok(ExitCode::SUCCESS);
                }
                clients.push_back((kept, thread));
            }
            // The client has gone, or descriptors are short: then trying again at once would be a busy loop.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Reads a request and answers it.
fn answer(mut client: &TcpStream, history: &Mutex<History>) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let answer = match request(client, end)? {
        Some(request) => reply(&request, history),
        None => Reply::error("400 Bad Request"),
    };
    client.set_write_timeout(Some(PATIENCE))?;
    client.write_all(answer.text().as_bytes())?;
    client.shutdown(Shutdown::Write)?;
    // What the client has sent beyond its request must be read, or the end of the connection may take the answer with it.
    let mut rest = [0; 1024];
    for _ in 0..64 {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        client.set_read_timeout(Some(left))?;
        if client.read(&mut rest)? == 0 {
            break;
        }
    }
    Ok(())
}

/// The part of a request that matters.
struct Request {
    method: String,
    path: String,
}

/// Reads a request's head. `None` if it is not HTTP, or too long.
fn request(mut client: &TcpStream, end: Instant) -> io::Result<Option<Request>> {
    let mut bytes = [0; REQUEST_MOST];
    let mut len = 0;
    while len < bytes.len() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        client.set_read_timeout(Some(left))?;
        let read = client.read(&mut bytes[len..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        len += read;
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MOST];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(&bytes[..len]) {
            Ok(httparse::Status::Partial) => {}
            Ok(httparse::Status::Complete(_)) => {
                let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
                return Ok(Some(Request {
                    method: word(request.method),
                    path: word(request.path),
                }));
            }
            Err(_) => return Ok(None),
        }
    }
    Ok(None)
}

/// An answer.
struct Reply {
    status: &'static str,
    kind: &'static str,
    body: String,
    /// True if the client asked for the head alone.
    head_only: bool,
}

impl Reply {
    fn plain(status: &'static str, body: String) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body,
            head_only: false,
        }
    }

    fn error(status: &'static str) -> Self {
        Self::plain(status, format!("{status}\n"))
    }

    fn text(&self) -> String {
        let allow = match self.status.starts_with("405") {
            true => "Allow: GET, HEAD\r\n",
            false => "",
        };
        let body = match self.head_only {
            true => "",
            false => &self.body,
        };
        format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n{body}",
            self.status,
            self.kind,
            self.body.len(),
        )
    }
}

fn reply(request: &Request, history: &Mutex<History>) -> Reply {
    let head_only = request.method == "HEAD";
    if !head_only && request.method != "GET" {
        return Reply::error("405 Method Not Allowed");
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let reply = match path {
        "/metrics" => Reply {
            kind: "text/plain; version=0.0.4; charset=utf-8",
            ..Reply::plain("200 OK", metrics(history))
        },
        "/" => Reply::plain("200 OK", "sslcache exporter: see /metrics\n".to_owned()),
        _ => Reply::error("404 Not Found"),
    };
    Reply { head_only, ..reply }
}

fn metrics(history: &Mutex<History>) -> String {
    // One after the other: what one look has found is no less than what the last one has.
    let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
    let (trees, closed) = processes::all();
    prometheus::services(&history.look(&trees)) + &prometheus::closed(closed.len())
}
