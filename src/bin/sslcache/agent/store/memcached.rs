//! The two commands of memcached's text protocol that the fleet needs. Written here, as the client that is kept
//! (async-memcached 0.9) connects over IPv4 only and takes an answer of any length.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::trouble::{Cause, Trouble};
use super::{MOST_BYTES, Said};

/// Above this, memcached takes a time to live for a time since 1970.
const MOST_SECONDS_TO_LIVE: u64 = 30 * 24 * 60 * 60;
/// More than any line of an answer, which has a name of at most 250 bytes.
const MOST_LINE: u64 = 512;

/// A connection to a memcached. One that was given up during a command has to be dropped.
pub struct Connection {
    thing: String,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to host and port; `thing` is what trouble is told of.
    pub async fn open(host: &str, port: u16, thing: &str) -> Said<Self> {
        let told = |error: std::io::Error| {
            Trouble::told(Cause::Unreachable, thing, &error.to_string(), "")
        };
        let stream = TcpStream::connect((host, port)).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        Ok(Self {
            thing: thing.into(),
            stream: BufReader::new(stream),
        })
    }

    /// The value under `name`.
    pub async fn get(&mut self, name: &str) -> Said<Option<Vec<u8>>> {
        self.send(format!("get {name}\r\n").as_bytes()).await?;
        let line = self.line().await?;
        if line == "END" {
            return Ok(None);
        }
        let length = line
            .strip_prefix(&format!("VALUE {name} "))
            .and_then(|rest| rest.split_once(' '))
            .and_then(|(_flags, length)| length.parse().ok())
            .filter(|length| *length <= MOST_BYTES)
            .ok_or_else(|| self.unexpected(&line))?;
        let mut value = vec![0; length + 2];
        let read = self.stream.read_exact(&mut value).await;
        read.map_err(|error| self.told(&error))?;
        if !value.ends_with(b"\r\n") || self.line().await? != "END" {
            return Err(Trouble::odd(
                &self.thing,
                "a value does not end where it says",
            ));
        }
        value.truncate(length);
        Ok(Some(value))
    }

    /// Puts the value under `name` unless there is one; whether it did.
    pub async fn add(&mut self, name: &str, value: &[u8], ttl: Duration) -> Said<bool> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let end = end(ttl, now.unwrap_or_default());
        let mut command = format!("add {name} 0 {end} {}\r\n", value.len()).into_bytes();
        command.extend_from_slice(value);
        command.extend_from_slice(b"\r\n");
        self.send(&command).await?;
        let line = self.line().await?;
        match line.as_str() {
            "STORED" => Ok(true),
            "NOT_STORED" => Ok(false),
            _ => Err(self.unexpected(&line)),
        }
    }

    async fn send(&mut self, command: &[u8]) -> Said<()> {
        let sent = self.stream.write_all(command).await;
        sent.map_err(|error| self.told(&error))
    }

    /// A line of the answer, without its end.
    async fn line(&mut self) -> Said<String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(MOST_LINE);
        let read = limited.read_until(b'\n', &mut line).await;
        read.map_err(|error| self.told(&error))?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None if (line.len() as u64) < MOST_LINE => {
                let cut = "the connection was closed before the end of an answer";
                Err(Trouble::told(Cause::Unreachable, &self.thing, cut, ""))
            }
            None => Err(Trouble::odd(&self.thing, "an answer has too long a line")),
        }
    }

    fn told(&self, error: &std::io::Error) -> Trouble {
        Trouble::told(Cause::Unreachable, &self.thing, &error.to_string(), "")
    }

    /// What a line means that is not the expected one.
    fn unexpected(&self, line: &str) -> Trouble {
        match line.strip_prefix("SERVER_ERROR ") {
            Some(reason) => Trouble::told(Cause::Unable, &self.thing, reason, ""),
            None => Trouble::odd(&self.thing, &format!("unexpected answer {line:?}")),
        }
    }
}

/// When a value ends that is to live for `ttl` from `now`, as memcached is told: seconds from now, or since 1970 where there
/// are too many. At least one, as none would be for ever.
pub fn end(ttl: Duration, now: Duration) -> u64 {
    let seconds = ttl.as_secs().max(1);
    match seconds > MOST_SECONDS_TO_LIVE {
        true => now.as_secs() + seconds,
        false => seconds,
    }
}
