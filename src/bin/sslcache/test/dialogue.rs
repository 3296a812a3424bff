//! What is said in the clear: lines and bytes, bounded in time and size.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

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

    /// An error of a socket that had until then.
    pub fn in_words(self, error: &io::Error) -> String {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer in {} s", self.whole.as_secs())
            }
            _ => error.to_string(),
        }
    }
}

/// A conversation before the handshake.
pub struct Dialogue<'a> {
    stream: &'a mut TcpStream,
    deadline: Deadline,
    bytes_left: usize,
}

impl<'a> Dialogue<'a> {
    pub fn new(stream: &'a mut TcpStream, deadline: Deadline) -> Self {
        Self {
            stream,
            deadline,
            bytes_left: Self::MOST,
        }
    }

    /// The most that a server may say before the handshake.
    const MOST: usize = 64 << 10;
    const LONGEST_LINE: usize = 4096;

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), String> {
        let deadline = self.deadline;
        self.stream
            .set_write_timeout(Some(deadline.left()?))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(|error| deadline.in_words(&error))
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
                Err(error) => return Err(deadline.in_words(&error)),
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
