//! A small HTTP server for pages of text.
//!
//! Each connection has a thread, and there are a few at most: the oldest one gives way, so that clients that say nothing keep no
//! scraper waiting. A request is read within a time and a size; its answer ends the connection. `httparse` reads the request; a
//! server from a crate would bring an asynchronous runtime for two pages of text.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The time that a client has for its request, and for taking the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest request that is read.
const REQUEST_MOST: usize = 8192;
const HEADERS_MOST: usize = 64;
/// The most connections at one time.
const CLIENTS_MOST: usize = 16;

/// The type of plain text.
pub const PLAIN: &str = "text/plain; charset=utf-8";
/// The type of JSON.
#[cfg(feature = "agent")]
pub const JSON: &str = "application/json";
/// The type of figures for Prometheus.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page of a path: its type and its text.
type Page = dyn Fn(&str) -> Option<(&'static str, String)> + Send + Sync;

/// Answers clients, or just one.
pub fn serve(
    listener: &TcpListener,
    once: bool,
    page: impl Fn(&str) -> Option<(&'static str, String)> + Send + Sync + 'static,
) {
    let page: Arc<Page> = Arc::new(page);
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
                let (client, page) = (Arc::new(client), page.clone());
                let kept = client.clone();
                // A client that fails or is too slow has only itself to blame.
                let thread = thread::spawn(move || drop(answer(&client, &*page)));
                if once {
                    let _ = thread.join();
                    return;
                }
                clients.push_back((kept, thread));
            }
            // The client has gone, or descriptors are short: then trying again at once would be a busy loop.
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}

/// Reads a request and answers it.
fn answer(mut client: &TcpStream, page: &Page) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let answer = match request(client, end)? {
        Some(request) => reply(&request, page),
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
    fn error(status: &'static str) -> Self {
        Self {
            status,
            kind: PLAIN,
            body: format!("{status}\n"),
            head_only: false,
        }
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

fn reply(request: &Request, page: &Page) -> Reply {
    let head_only = request.method == "HEAD";
    if !head_only && request.method != "GET" {
        return Reply::error("405 Method Not Allowed");
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let reply = match page(path) {
        Some((kind, body)) => Reply {
            status: "200 OK",
            kind,
            body,
            head_only: false,
        },
        None => Reply::error("404 Not Found"),
    };
    Reply { head_only, ..reply }
}
