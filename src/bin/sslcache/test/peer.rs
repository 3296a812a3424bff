//! The server: its address, and connections to it that end in time.

use std::cell::OnceCell;
use std::fmt;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::Duration;

use super::dialogue::{Deadline, Dialogue};
use super::starttls::StartTls;

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
            starttls.ask(&mut Dialogue::new(&mut stream, deadline))?;
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
                Err(error) => failed = deadline.in_words(&error),
            }
        }
        Err(failed)
    }
}
