//! The commands that the fleet needs of a Redis.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError};
use tokio::task::JoinSet;

use super::super::trouble::{Cause, Trouble};
use super::super::{MOST_BYTES, Put, Said, Where};

/// A connection, or those to the nodes of a cluster. A clone asks over the same.
#[derive(Clone)]
pub struct Connection {
    pub(super) thing: Arc<str>,
    pub(super) rule: Arc<str>,
    pub(super) link: Link,
}

#[derive(Clone)]
pub(super) enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// The value under `name`.
    pub async fn get(&mut self, name: &str) -> Said<Option<Vec<u8>>> {
        let value = self.ask(redis::cmd("GET").arg(name)).await?;
        self.of_length(value)
    }

    /// The values under all of these names, asked for at once.
    pub async fn get_all(&mut self, names: &[String]) -> Said<Vec<Option<Vec<u8>>>> {
        let gets = names.iter().map(|name| {
            let mut get = redis::cmd("GET");
            get.arg(name);
            get
        });
        let answers: Vec<Result<Option<Vec<u8>>, _>> = self.ask_all(gets).await?;
        let values = answers.into_iter().map(|value| {
            let value = value.map_err(|error| self.told(&error))?;
            self.of_length(value)
        });
        values.collect()
    }

    /// Puts the value under `name` unless there is one; whether it did.
    pub async fn add(&mut self, name: &str, value: &[u8], ttl: Duration) -> Said<bool> {
        let done = self.ask(&add(name, value, ttl)).await?;
        self.is_done(done)
    }

    /// Puts all of these values; whether it did, for each one.
    pub async fn put_all(&mut self, puts: &[Put], where_: Where) -> Said<Vec<Said<bool>>> {
        let commands = puts.iter().map(|put| match where_ {
            Where::NothingIs => add(&put.name, &put.value, put.ttl),
            Where::Anything => {
                let mut set = redis::cmd("SET");
                let millis = millis(put.ttl);
                set.arg(&put.name).arg(&put.value).arg("PX").arg(millis);
                set
            }
        });
        let answers: Vec<Result<Option<String>, _>> = self.ask_all(commands).await?;
        let said = answers.into_iter().map(|done| {
            let done = done.map_err(|error| self.told(&error))?;
            self.is_done(done)
        });
        Ok(said.collect())
    }

    /// Replaces what is under `name`, if there is something, and returns that. It is trouble if not as many replicas have
    /// confirmed it in time.
    pub async fn take(
        &mut self,
        name: &str,
        instead: &[u8],
        ttl: Duration,
        replicas: Replicas,
    ) -> Said<Option<Vec<u8>>> {
        let mut command = redis::cmd("SET");
        command.arg(name).arg(instead).arg("XX").arg("GET");
        command.arg("PX").arg(millis(ttl));
        if replicas.least == 0 {
            let value = self.ask(&command).await?;
            return self.of_length(value);
        }
        // Both go to the node of the name. What is waited for is what this connection has written.
        let mut both = Pipeline::with_capacity(2);
        let wait = redis::cmd("WAIT");
        both.add_command(command).add_command(wait);
        both.arg(replicas.least).arg(millis(replicas.within));
        let answer: Result<(Option<Vec<u8>>, u32), _> = match &mut self.link {
            Link::One(link) => both.query_async(link).await,
            Link::Cluster(link) => both.query_async(link).await,
        };
        let (value, have) = answer.map_err(|error| self.told(&error))?;
        if have < replicas.least {
            let reason = format!("{have} of {} replicas have taken a write", replicas.least);
            return Err(Trouble::told(Cause::Short, &self.thing, &reason, ""));
        }
        self.of_length(value)
    }

    /// Counts one up from the number under `name`, which is `first` where there is none, and returns it.
    pub async fn count(&mut self, name: &str, first: u64) -> Said<u64> {
        let mut set = redis::cmd("SET");
        set.arg(name).arg(first).arg("NX");
        let _: Option<String> = self.ask(&set).await?;
        self.ask(redis::cmd("INCR").arg(name)).await
    }

    /// The run of the server.
    pub async fn run(&mut self) -> Said<Run> {
        let mut info =
            async |section| -> Said<String> { self.ask(redis::cmd("INFO").arg(section)).await };
        let text = info("server").await? + &info("persistence").await?;
        let of = |field: &str| {
            let mut lines = text.lines();
            lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        };
        let uptime = of("uptime_in_seconds").and_then(|seconds| seconds.parse().ok());
        let is_known = of("rdb_last_load_keys_loaded") == Some("0");
        match (of("run_id"), uptime) {
            (Some(id), Some(seconds)) => Ok(Run {
                id: id.into(),
                uptime: Duration::from_secs(seconds),
                began_empty: is_known && of("aof_enabled") == Some("0"),
            }),
            _ => Err(Trouble::odd(&self.thing, "it does not tell its run")),
        }
    }

    /// Asks all of them at once.
    async fn ask_all<T: FromRedisValue + Send + 'static>(
        &mut self,
        commands: impl ExactSizeIterator<Item = Cmd>,
    ) -> Said<Vec<Result<T, RedisError>>> {
        match &mut self.link {
            Link::One(link) => {
                let mut pipeline = Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.ignore_errors();
                let answers = pipeline.query_async(link).await;
                answers.map_err(|error| self.told(&error))
            }
            // Those of different slots cannot be sent as one.
            Link::Cluster(link) => {
                let mut all = JoinSet::new();
                for (number, command) in commands.enumerate() {
                    let mut link = link.clone();
                    all.spawn(async move { (number, command.query_async(&mut link).await) });
                }
                let mut answers = all.join_all().await;
                answers.sort_unstable_by_key(|(number, _)| *number);
                Ok(answers.into_iter().map(|(_, answer)| answer).collect())
            }
        }
    }

    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Said<T> {
        async fn over<T: FromRedisValue>(
            command: &Cmd,
            link: &mut (impl ConnectionLike + Sync),
        ) -> Result<T, RedisError> {
            command.query_async(link).await
        }
        let answer = match &mut self.link {
            Link::One(link) => over(command, link).await,
            Link::Cluster(link) => over(command, link).await,
        };
        answer.map_err(|error| self.told(&error))
    }

    fn of_length(&self, value: Option<Vec<u8>>) -> Said<Option<Vec<u8>>> {
        match value.as_ref().is_some_and(|value| value.len() > MOST_BYTES) {
            true => Err(Trouble::odd(&self.thing, "a value is too long to be ours")),
            false => Ok(value),
        }
    }

    fn is_done(&self, done: Option<String>) -> Said<bool> {
        match done.as_deref() {
            None => Ok(false),
            Some("OK") => Ok(true),
            Some(other) => Err(Trouble::odd(
                &self.thing,
                &format!("unexpected answer {other:?}"),
            )),
        }
    }

    fn told(&self, error: &RedisError) -> Trouble {
        let cause = match error.kind() {
            ErrorKind::Server(_) | ErrorKind::Extension => Cause::Unable,
            ErrorKind::UnexpectedReturnType => Cause::Odd,
            ErrorKind::Parse if error.to_string().contains(CUT) => Cause::Unreachable,
            ErrorKind::Parse => Cause::Odd,
            _ => Cause::Unreachable,
        };
        Trouble::told(cause, &self.thing, &text(error), &self.rule)
    }
}

/// How many replicas have to have a write, and how long they are waited for.
#[derive(Clone, Copy, Debug)]
pub struct Replicas {
    pub least: u32,
    pub within: Duration,
}

/// A run of a server, from its start to its end.
pub struct Run {
    /// No other run has the same.
    pub id: String,
    /// For how long it has lasted.
    pub uptime: Duration,
    /// True if it is known to have read nothing that an earlier run had written.
    pub began_empty: bool,
}

fn add(name: &str, value: &[u8], ttl: Duration) -> Cmd {
    let mut command = redis::cmd("SET");
    // Without GET, which there is with NX from version 7 on only.
    command
        .arg(name)
        .arg(value)
        .arg("NX")
        .arg("PX")
        .arg(millis(ttl));
    command
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1)
}

/// What the client says of an answer that ends too early.
const CUT: &str = "Unexpected end of input";

/// What the server said, in its own words, or what the client says.
pub(super) fn text(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        (Some(code), None) => code.into(),
        (None, Some(detail)) => detail.into(),
        (None, None) => {
            let text = error.to_string();
            let kind = format!(" - {:?}", error.kind());
            text.strip_suffix(&kind).unwrap_or(&text).into()
        }
    }
}
