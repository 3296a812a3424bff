//! hitch: terminates TLS in workers by fork, in front of an HTTP server, which is a thread of the test.

use super::running::{Running, without_tickets};
use super::{Expected, Row, WORKERS};
use crate::fixture::is_root;
use crate::server::free_port;
use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::{fs, io};

pub fn rows() -> Vec<Row> {
    vec![
        Row::new(
            "hitch",
            &["hitch", "--version"],
            "fork",
            Expected::Few,
            |place, form, protocol| {
                let path = place.file("backend");
                let _backend = Backend::start(&path)?;
                let port = free_port()?;
                let mut command = place.command("hitch", form);
                without_tickets(place, &mut command)?;
                command
                    .arg(format!("--workers={WORKERS}"))
                    .arg(format!("--frontend=[127.0.0.1]:{port}"))
                    .arg(format!("--backend={}", path.display()))
                    .arg("--quiet");
                if is_root() {
                    // hitch refuses to run workers as root.
                    command.args(["--user=nobody", "--group=nogroup"]);
                }
                command.arg(place.fixture.certificate_and_key());
                Running::start(place, command, port.to_string())?.come_back(place, form, protocol)
            },
        )
        .unset(Expected::All),
    ]
}

/// Answers all requests alike, one after the other.
struct Backend {
    path: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Backend {
    fn start(path: &Path) -> Result<Self, Box<dyn Error>> {
        let listener = UnixListener::bind(path)?;
        // The workers of hitch run as another user.
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
        let over = Arc::new(AtomicBool::new(false));
        let seen = over.clone();
        let thread = thread::spawn(move || {
            for connection in listener.incoming() {
                // Relaxed: the connection that wakes this thread is made after the store.
                if seen.load(Ordering::Relaxed) {
                    return;
                }
                // The test of the client reports a client that closes its connection.
                let _ = connection.and_then(answer);
            }
        });
        Ok(Self {
            path: path.to_owned(),
            over,
            thread: Some(thread),
        })
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if UnixStream::connect(&self.path).is_ok() {
            let _ = self.thread.take().map(JoinHandle::join);
        }
    }
}

fn answer(mut connection: UnixStream) -> io::Result<()> {
    connection.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let _ = connection.read(&mut [0; 1024])?;
    connection.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
}
