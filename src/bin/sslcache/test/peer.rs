//! The server: its address, and connections to it that end in time.

use std::cell::OnceCell;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::starttls::StartTls;

/// The time until which one connection must have done what it is for.
#[derive(Clone, Copy)]
pub struct Deadline {
    end: Instant,
    whole: Duration,
}

impl Deadline {
    pub fn after(whole: Duration) -> Self {
        Self {
            end: Instant::now() + whole,
            whole,
        }
    }

    /// The time that is left; an error if there is none.
    pub fn left(self) -> Result<Duration, String> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("no answer in {} s", self.whole.as_secs()));
        }
        Ok(left)
    }
}

/// What a socket is waited for.
#[derive(Clone, Copy)]
pub enum Ready {
    Read,
    Write,
}

/// Waits until the socket is ready, the time is over, or a signal has come.
pub fn wait(stream: &TcpStream, ready: Ready, time: Duration) {
    let mut waiting = libc::pollfd {
        fd: stream.as_raw_fd(),
        events: match ready {
            Ready::Read => libc::POLLIN,
            Ready::Write => libc::POLLOUT,
        },
        revents: 0,
    };
    // Rounded up: a wait of no time at all would spin.
    let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX - 1) + 1;
    // SAFETY: one structure, which lives across the call.
    unsafe { libc::poll(&raw mut waiting, 1, milliseconds) };
}

/// The server that is asked.
pub struct Peer {
    /// As it was given: a name or an address.
    pub host: String,
    pub port: u16,
    /// The addresses of the host.
    pub addresses: Vec<SocketAddr>,
    /// The first of them that accepts a connection; all go to it.
    pub chosen: OnceCell<SocketAddr>,
    /// The name that is asked for (RFC 6066, section 3).
    pub server_name: Option<String>,
    pub starttls: Option<StartTls>,
    pub timeout: Duration,
}

/// Splits HOST:PORT; an address of IPv6 is in brackets.
pub fn host_and_port(text: &str) -> Result<(String, u16), String> {
    let (host, port) = text
        .rsplit_once(':')
        .ok_or("no port: write HOST:PORT, such as example.org:443")?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']').ok_or("no ] after the address")?,
        None if host.contains(':') => return Err("write [ADDRESS]:PORT for IPv6".to_owned()),
        None => host,
    };
    if host.is_empty() || host.chars().any(char::is_control) {
        return Err("no host: write HOST:PORT".to_owned());
    }
    match port.parse() {
        Ok(port) if port > 0 => Ok((host.to_owned(), port)),
        _ => Err(format!("{port:?} is no port: a number from 1 to 65535")),
    }
}

/// The name that a client of this host asks for: none for an address.
pub fn server_name(host: &str) -> Option<String> {
    host.parse::<IpAddr>().is_err().then(|| host.to_owned())
}

/// The addresses of a host.
pub fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let found: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|error| error.to_string())?
        .collect();
    match found.is_empty() {
        true => Err("the name has no address".to_owned()),
        false => Ok(found),
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(out, "[{}]:{}", self.host, self.port),
            false => write!(out, "{}:{}", self.host, self.port),
        }
    }
}

impl Peer {
    /// A connection on which the TLS handshake is next.
    pub fn connect(&self, deadline: Deadline) -> Result<TcpStream, String> {
        let mut stream = self.reach(deadline)?;
        // A request behind a Finished would wait for an acknowledgement that takes its time.
        let set = stream.set_nodelay(true);
        set.map_err(|error| error.to_string())?;
        if let Some(starttls) = self.starttls {
            let mut dialogue = Dialogue {
                stream: &mut stream,
                deadline,
                bytes_left: Dialogue::MOST,
            };
            starttls.ask(&mut dialogue)?;
        }
        stream
            .set_nonblocking(true)
            .map_err(|error| error.to_string())?;
        Ok(stream)
    }

    fn reach(&self, deadline: Deadline) -> Result<TcpStream, String> {
        let candidates = match self.chosen.get() {
            Some(address) => std::slice::from_ref(address),
            None => &self.addresses,
        };
        let mut failed = "the name has no address".to_owned();
        for (tried, address) in candidates.iter().enumerate() {
            // A share for each: the first of two addresses may be one that nothing answers from.
            let shares = u32::try_from(candidates.len() - tried).unwrap_or(1);
            match TcpStream::connect_timeout(address, deadline.left()? / shares) {
                Ok(stream) => {
                    self.chosen.get_or_init(|| *address);
                    return Ok(stream);
                }
                Err(error) => failed = in_words(&error, deadline),
            }
        }
        Err(failed)
    }
}

/// What is said before the handshake: bounded in time and size.
pub struct Dialogue<'a> {
    stream: &'a mut TcpStream,
    deadline: Deadline,
    bytes_left: usize,
}

impl Dialogue<'_> {
    /// The most that a server may say before the handshake.
    const MOST: usize = 64 << 10;
    const LONGEST_LINE: usize = 4096;

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let deadline = self.deadline;
        self.stream
            .set_write_timeout(Some(deadline.left()?))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(|error| in_words(&error, deadline))
    }

    /// Fills the buffer, and reads no further: what follows may be TLS.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<(), String> {
        self.bytes_left = self
            .bytes_left
            .checked_sub(buffer.len())
            .ok_or("the server says too much before TLS")?;
        let deadline = self.deadline;
        let mut filled = 0;
        while filled < buffer.len() {
            // Set anew before each read: a server that sends a byte now and then would never end.
            let read = self
                .stream
                .set_read_timeout(Some(deadline.left()?))
                .and_then(|()| self.stream.read(&mut buffer[filled..]));
            match read {
                Ok(0) => return Err("the server closed the connection before TLS".to_owned()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(in_words(&error, deadline)),
            }
        }
        Ok(())
    }

    /// The next line, without its end.
    pub fn line(&mut self) -> Result<String, String> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.read(&mut byte)?;
            match byte[0] {
                b'\n' => break,
                _ if line.len() >= Self::LONGEST_LINE => {
                    return Err("the server's line has no end".to_owned());
                }
                byte => line.push(byte),
            }
        }
        Ok(shown(&line))
    }
}

/// What a stranger has said, fit for a terminal.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .filter(|char| !char.is_control())
        .collect()
}

fn in_words(error: &io::Error, deadline: Deadline) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("no answer in {} s", deadline.whole.as_secs())
        }
        _ => error.to_string(),
    }
}
