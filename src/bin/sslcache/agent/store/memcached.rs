//! The commands of memcached's text protocol that the fleet needs, many of them on their way at once. Written here, as the
//! client that is kept (async-memcached 0.9) connects over IPv4 only and takes an answer of any length.
//!
//! Answers come in the order of the questions. A task writes, and reads what it knows to be asked for; with the first answer that
//! is none it ends, and the questions that are left with it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use super::trouble::{Cause, Trouble};
use super::{MOST_BYTES, Put, Said, Where};

/// Above this, memcached takes a time to live for a time since 1970.
const MOST_SECONDS_TO_LIVE: u64 = 30 * 24 * 60 * 60;
/// More than any line of an answer, which has a name of at most 250 bytes.
const MOST_LINE: u64 = 512;
/// The most questions that wait to be written; those who have further ones wait.
const MOST_WAITING: usize = 256;
/// So many bytes are written at once where there are as many.
const AT_ONCE: usize = 64 * 1024;

/// A connection to a memcached. A clone asks over the same.
#[derive(Clone)]
pub struct Connection {
    thing: Arc<str>,
    asks: mpsc::Sender<Ask>,
    _task: Arc<Task>,
}

/// What serves the connection; it ends with the last clone.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Ask {
    command: Vec<u8>,
    /// The name whose value is asked for; else the answer is a line.
    value_of: Option<String>,
    answer: oneshot::Sender<Said<Answer>>,
}

enum Answer {
    Line(String),
    /// The value, and which one it is of those that have stood there.
    Value(Option<(Vec<u8>, u64)>),
}

impl Connection {
    /// Connects to host and port; `thing` is what trouble is told of.
    pub async fn open(host: &str, port: u16, thing: &str) -> Said<Self> {
        let told = |error: std::io::Error| {
            Trouble::told(Cause::Unreachable, thing, &error.to_string(), "")
        };
        let stream = TcpStream::connect((host, port)).await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
        let thing: Arc<str> = thing.into();
        let (asks, asked) = mpsc::channel(MOST_WAITING);
        let task = tokio::spawn(serve(stream, asked, thing.clone()));
        Ok(Self {
            thing,
            asks,
            _task: Arc::new(Task(task.abort_handle())),
        })
    }

    /// The value under `name`.
    pub async fn get(&self, name: &str) -> Said<Option<Vec<u8>>> {
        let command = format!("get {name}\r\n").into_bytes();
        Ok(self.value(name, command).await?.map(|(value, _)| value))
    }

    /// The values under all of these names, asked for at once.
    pub async fn get_all(&self, names: &[String]) -> Said<Vec<Option<Vec<u8>>>> {
        let mut answers = Vec::with_capacity(names.len());
        for name in names {
            let command = format!("get {name}\r\n").into_bytes();
            answers.push(self.send(command, Some(name)).await?);
        }
        let mut values = Vec::with_capacity(names.len());
        for answer in answers {
            values.push(self.value_in(answer).await?.map(|(value, _)| value));
        }
        Ok(values)
    }

    /// Puts the value under `name` unless there is one; whether it did.
    pub async fn add(&self, name: &str, value: &[u8], ttl: Duration) -> Said<bool> {
        let answer = self.send(store("add", name, value, ttl, ""), None).await?;
        self.is_stored(answer).await
    }

    /// Puts all of these values; whether it did, for each one.
    pub async fn put_all(&self, puts: &[Put], where_: Where) -> Said<Vec<Said<bool>>> {
        let verb = match where_ {
            Where::NothingIs => "add",
            Where::Anything => "set",
        };
        let mut answers = Vec::with_capacity(puts.len());
        for put in puts {
            let command = store(verb, &put.name, &put.value, put.ttl, "");
            answers.push(self.send(command, None).await?);
        }
        let mut said = Vec::with_capacity(puts.len());
        for answer in answers {
            said.push(self.is_stored(answer).await);
        }
        Ok(said)
    }

    /// Replaces what is under `name`, if there is something, and returns that. Nothing if somebody else was faster.
    pub async fn take(&self, name: &str, instead: &[u8], ttl: Duration) -> Said<Option<Vec<u8>>> {
        let command = format!("gets {name}\r\n").into_bytes();
        let Some((value, number)) = self.value(name, command).await? else {
            return Ok(None);
        };
        let command = store("cas", name, instead, ttl, &format!(" {number}"));
        let answer = self.send(command, None).await?;
        match self.line_in(answer).await?.as_str() {
            "STORED" => Ok(Some(value)),
            "EXISTS" | "NOT_FOUND" => Ok(None),
            line => Err(unexpected(&self.thing, line)),
        }
    }

    /// Counts one up from the number under `name`, which is `first` where there is none, and returns it.
    pub async fn count(&self, name: &str, first: u64) -> Said<u64> {
        // A time to live of zero would be for ever, which `end` does not give.
        let first = first.to_string();
        let add = format!("add {name} 0 0 {}\r\n{first}\r\n", first.len());
        let added = self.send(add.into_bytes(), None).await?;
        let incremented = self
            .send(format!("incr {name} 1\r\n").into_bytes(), None)
            .await?;
        self.is_stored(added).await?;
        let line = self.line_in(incremented).await?;
        line.trim_end()
            .parse()
            .map_err(|_| unexpected(&self.thing, &line))
    }

    async fn value(&self, name: &str, command: Vec<u8>) -> Said<Option<(Vec<u8>, u64)>> {
        let answer = self.send(command, Some(name)).await?;
        self.value_in(answer).await
    }

    async fn send(
        &self,
        command: Vec<u8>,
        value_of: Option<&str>,
    ) -> Said<oneshot::Receiver<Said<Answer>>> {
        let (answer, receiver) = oneshot::channel();
        let ask = Ask {
            command,
            value_of: value_of.map(str::to_owned),
            answer,
        };
        self.asks.send(ask).await.map_err(|_| cut(&self.thing))?;
        Ok(receiver)
    }

    async fn value_in(
        &self,
        answer: oneshot::Receiver<Said<Answer>>,
    ) -> Said<Option<(Vec<u8>, u64)>> {
        match answer.await.map_err(|_| cut(&self.thing))?? {
            Answer::Value(value) => Ok(value),
            Answer::Line(line) => Err(unexpected(&self.thing, &line)),
        }
    }

    async fn line_in(&self, answer: oneshot::Receiver<Said<Answer>>) -> Said<String> {
        match answer.await.map_err(|_| cut(&self.thing))?? {
            Answer::Line(line) => Ok(line),
            Answer::Value(_) => Err(unexpected(&self.thing, "VALUE")),
        }
    }

    async fn is_stored(&self, answer: oneshot::Receiver<Said<Answer>>) -> Said<bool> {
        match self.line_in(answer).await?.as_str() {
            "STORED" => Ok(true),
            "NOT_STORED" => Ok(false),
            line => Err(unexpected(&self.thing, line)),
        }
    }
}

/// A command that stores.
fn store(verb: &str, name: &str, value: &[u8], ttl: Duration, more: &str) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let end = end(ttl, now.unwrap_or_default());
    let mut command = format!("{verb} {name} 0 {end} {}{more}\r\n", value.len()).into_bytes();
    command.extend_from_slice(value);
    command.extend_from_slice(b"\r\n");
    command
}

/// A question whose command is written, or about to be.
type Written = (Option<String>, oneshot::Sender<Said<Answer>>);

/// Serves a connection until it fails, or nobody has it any more.
async fn serve(stream: TcpStream, asked: mpsc::Receiver<Ask>, thing: Arc<str>) {
    let (read, write) = stream.into_split();
    let (written, mut answers) = mpsc::unbounded_channel();
    let mut reader = Reader {
        thing: thing.clone(),
        stream: BufReader::new(read),
    };
    // What the writer fails with is also seen by the reader, which says it to those who wait.
    tokio::join!(write_all(write, asked, written), async {
        let mut trouble = None;
        while let Some((value_of, answer)) = answers.recv().await {
            let said = match &trouble {
                None => reader.answer(value_of.as_deref()).await,
                Some(trouble) => Err(Trouble::clone(trouble)),
            };
            if let Err(why) = &said
                && why.cause != Cause::Unable
                && trouble.is_none()
            {
                trouble = Some(why.clone());
                // The writer ends when it has something for this, and so do those who ask.
                answers.close();
            }
            // Whoever asked may not wait any more.
            let _ = answer.send(said);
        }
    });
}

async fn write_all(
    mut stream: OwnedWriteHalf,
    mut asked: mpsc::Receiver<Ask>,
    written: mpsc::UnboundedSender<Written>,
) {
    let mut bytes = Vec::new();
    while let Some(first) = asked.recv().await {
        let mut next = Some(first);
        while let Some(ask) = next {
            bytes.extend_from_slice(&ask.command);
            if written.send((ask.value_of, ask.answer)).is_err() {
                return;
            }
            next = match bytes.len() < AT_ONCE {
                true => asked.try_recv().ok(),
                false => None,
            };
        }
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
}

struct Reader {
    thing: Arc<str>,
    stream: BufReader<OwnedReadHalf>,
}

impl Reader {
    async fn answer(&mut self, value_of: Option<&str>) -> Said<Answer> {
        let line = self.line().await?;
        let Some(name) = value_of else {
            return match line.starts_with("SERVER_ERROR ") {
                true => Err(unexpected(&self.thing, &line)),
                false => Ok(Answer::Line(line)),
            };
        };
        if line == "END" {
            return Ok(Answer::Value(None));
        }
        let mut words = line
            .strip_prefix("VALUE ")
            .and_then(|rest| rest.strip_prefix(name)?.strip_prefix(' '))
            .unwrap_or_default()
            .split(' ')
            .skip(1);
        let length = words.next().and_then(|length| length.parse().ok());
        let number = words.next().map_or(Ok(0), str::parse);
        let (Some(length), Ok(number)) = (length.filter(|length| *length <= MOST_BYTES), number)
        else {
            return Err(unexpected(&self.thing, &line));
        };
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
        Ok(Answer::Value(Some((value, number))))
    }

    /// A line of the answer, without its end.
    async fn line(&mut self) -> Said<String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(MOST_LINE);
        let read = limited.read_until(b'\n', &mut line).await;
        read.map_err(|error| self.told(&error))?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(String::from_utf8_lossy(line).into_owned()),
            None if (line.len() as u64) < MOST_LINE => Err(cut(&self.thing)),
            None => Err(Trouble::odd(&self.thing, "an answer has too long a line")),
        }
    }

    fn told(&self, error: &std::io::Error) -> Trouble {
        Trouble::told(Cause::Unreachable, &self.thing, &error.to_string(), "")
    }
}

fn cut(thing: &str) -> Trouble {
    let cut = "the connection was closed before the end of an answer";
    Trouble::told(Cause::Unreachable, thing, cut, "")
}

/// What a line means that is not the expected one.
fn unexpected(thing: &str, line: &str) -> Trouble {
    match line.strip_prefix("SERVER_ERROR ") {
        Some(reason) => Trouble::told(Cause::Unable, thing, reason, ""),
        None => Trouble::odd(thing, &format!("unexpected answer {line:?}")),
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
