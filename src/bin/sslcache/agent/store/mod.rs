//! The store that the hosts of a fleet share: a Redis, a Valkey or a memcached.
//!
//! For keys, as [`Store`], it is asked for one thing at a time, connects when it is first asked, and again when that failed: an
//! idle connection that was closed is replaced at once, and a store that does not answer is left alone for a while, during which
//! the last trouble is told again. For sessions, as [`Traffic`], it has connections of its own, and many questions are on their
//! way at once. Nothing of it ends the program or blocks its other tasks.

pub mod address;
pub mod backoff;
mod config;
pub mod memcached;
mod redis;
mod traffic;
mod trouble;

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Mutex;
use tokio::time::timeout;

use self::address::{Address, Engine};
use self::backoff::Backoff;
use crate::failure::Failure;

pub use config::StoreConfig;
pub use traffic::Traffic;
pub use trouble::{Cause, Trouble};

/// What the store says, or why it says nothing.
pub type Said<T> = Result<T, Trouble>;

/// The most bytes of a value that is taken from a store: far more than any of ours has.
const MOST_BYTES: usize = 64 * 1024;
/// The client leaves a sentinel that does not answer after 1.5 s, and then there is to be time for another.
const LEAST_FOR_SENTINELS: Duration = Duration::from_secs(2);
/// How often a value may vanish between the answer that there is one and the question for it.
const MOST_VANISHED: usize = 3;

/// Where values are put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// Only under a name where there is no value.
    NothingIs,
    /// Also in place of another one.
    Anything,
}

/// A value to be put under a name, for a time.
pub struct Put {
    pub name: String,
    pub value: Vec<u8>,
    pub ttl: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Keys,
    Sessions,
    /// Taking sessions, with so many replicas that have to confirm it.
    Takes(u32),
}

impl Purpose {
    /// How often a cluster is asked again that sends a question to another node. For a session there is no time, and what takes
    /// one is not asked twice.
    fn retries(self) -> u32 {
        match self {
            Self::Keys => 3,
            Self::Sessions | Self::Takes(_) => 0,
        }
    }
}

/// A store.
pub struct Store {
    address: Address,
    connect_timeout: Duration,
    timeout: Duration,
    state: Mutex<State>,
}

struct State {
    server: Server,
    /// Taken out for as long as it is in use, so that it is not used again if that was given up.
    connection: Option<Connection>,
    backoff: Backoff,
    /// Told while the store is left alone.
    last: Option<Trouble>,
}

enum Server {
    Redis(Box<redis::Server>),
    Memcached(String, u16),
}

#[derive(Clone)]
enum Connection {
    Redis(redis::Connection),
    Memcached(memcached::Connection),
}

impl Store {
    /// The store of this configuration, which is refused if it does not fit together. The store need not be there yet.
    pub fn new(config: &StoreConfig) -> Result<Self, Failure> {
        let (address, server) = server_of(config, Purpose::Keys)?;
        Ok(Self {
            connect_timeout: connect_timeout(&address, config),
            address,
            timeout: config.timeout,
            state: Mutex::new(State {
                server,
                connection: None,
                backoff: Backoff::default(),
                last: None,
            }),
        })
    }

    /// Its address, for people.
    pub fn shown(&self) -> String {
        self.address.to_string()
    }

    /// The value under `name`.
    pub async fn get(&self, name: &str) -> Said<Option<Vec<u8>>> {
        self.ask(&Question::Get(name)).await
    }

    /// Puts `value` under `name` for `ttl` unless there is a value; the one that stands there afterwards.
    pub async fn put_if_absent(&self, name: &str, value: &[u8], ttl: Duration) -> Said<Vec<u8>> {
        for _ in 0..MOST_VANISHED {
            // The answer is the value itself where it was put.
            if let Some(put) = self.ask(&Question::Add(name, value, ttl)).await? {
                return Ok(put);
            }
            if let Some(found) = self.get(name).await? {
                return Ok(found);
            }
        }
        let reason = "values vanish at once: it evicts them, or its clock is wrong";
        Err(Trouble::odd(&self.shown(), reason))
    }

    /// Puts a value that ends after a second: a store that may be read may refuse that, as a replica does.
    pub async fn try_to_write(&self) -> Said<()> {
        let second = Duration::from_secs(1);
        self.put_if_absent("sslc:1:try", b"1", second)
            .await
            .map(drop)
    }

    /// How long the store is still left alone after trouble.
    pub async fn rest(&self) -> Option<Duration> {
        self.state.lock().await.backoff.rest(Instant::now())
    }

    /// Asks over the connection that there is, or a new one.
    async fn ask(&self, question: &Question<'_>) -> Said<Option<Vec<u8>>> {
        let mut state = self.state.lock().await;
        if let Some(rest) = state.backoff.rest(Instant::now())
            && let Some(last) = &state.last
        {
            return Err(last.clone().still(rest));
        }
        let mut answer = None;
        if let Some(connection) = state.connection.take() {
            answer = Some(self.ask_over(&mut state, connection, question).await);
        }
        // Stores close what is idle, and restart. Both questions may be asked twice: what was put by the first is found by
        // the second.
        let is_stale = |answer: &Said<_>| matches!(answer, Err(trouble) if trouble.cause == Cause::Unreachable);
        if answer.as_ref().is_none_or(is_stale) {
            answer = Some(
                match state
                    .server
                    .connect(&self.shown(), self.connect_timeout)
                    .await
                {
                    Ok(connection) => self.ask_over(&mut state, connection, question).await,
                    Err(trouble) => Err(trouble),
                },
            );
        }
        let answer = answer.expect("asked over the old connection or a new one");
        match &answer {
            Ok(_) => state.backoff.answered(),
            Err(trouble) => {
                let mut dice = [0];
                // Without random bytes, the wait is the shortest.
                let _ = SystemRandom::new().fill(&mut dice);
                state.backoff.failed(Instant::now(), dice[0]);
                state.last = Some(trouble.clone());
            }
        }
        answer
    }

    /// Asks, and keeps the connection if there is an answer.
    async fn ask_over(
        &self,
        state: &mut State,
        mut connection: Connection,
        question: &Question<'_>,
    ) -> Said<Option<Vec<u8>>> {
        let answer = match timeout(self.timeout, connection.ask(question)).await {
            Ok(answer) => answer,
            Err(_) => Err(Trouble::late(&self.shown(), "answer", self.timeout)),
        };
        if answer.is_ok() {
            state.connection = Some(connection);
        }
        answer
    }
}

/// The address in this configuration, and the way there; refused if it does not fit together.
fn server_of(config: &StoreConfig, purpose: Purpose) -> Result<(Address, Server), Failure> {
    let address = Address::parse(&config.urls)?;
    let unused = |setting: &str, why: &str| Failure::new(setting, why, "remove it");
    let server = match address.engine {
        Engine::Memcached => {
            if config.user.is_some() || config.password_file.is_some() {
                let why = "memcached is spoken to without user and password";
                return Err(unused("user, password_file", why));
            }
            let (host, port) = address.nodes[0].clone();
            Server::Memcached(host, port)
        }
        _ => Server::Redis(Box::new(redis::Server::of(&address, config, purpose)?)),
    };
    if config.ca_file.is_some() && !address.tls {
        return Err(Failure::new(
            "ca_file",
            "the address is one without TLS",
            "use rediss://, rediss+cluster:// or rediss+sentinel://, or remove it",
        ));
    }
    if config.sentinel_password_file.is_some() && !matches!(address.engine, Engine::Sentinel(_)) {
        return Err(unused(
            "sentinel_password_file",
            "the address is not that of sentinels",
        ));
    }
    Ok((address, server))
}

fn connect_timeout(address: &Address, config: &StoreConfig) -> Duration {
    match address.engine {
        Engine::Sentinel(_) => config.connect_timeout.max(LEAST_FOR_SENTINELS),
        _ => config.connect_timeout,
    }
}

impl Server {
    /// Connects to it: `shown` is its address, for people.
    async fn connect(&mut self, shown: &str, most: Duration) -> Said<Connection> {
        let connecting = async {
            match self {
                Self::Redis(server) => server.connect().await.map(Connection::Redis),
                Self::Memcached(host, port) => memcached::Connection::open(host, *port, shown)
                    .await
                    .map(Connection::Memcached),
            }
        };
        match timeout(most, connecting).await {
            Ok(connection) => connection,
            Err(_) => Err(Trouble::late(shown, "connection", most)),
        }
    }
}

enum Question<'a> {
    Get(&'a str),
    /// Answered by the value where it was put, by nothing where there is one already.
    Add(&'a str, &'a [u8], Duration),
}

impl Connection {
    async fn ask(&mut self, question: &Question<'_>) -> Said<Option<Vec<u8>>> {
        match (self, question) {
            (Self::Redis(redis), Question::Get(name)) => redis.get(name).await,
            (Self::Memcached(memcached), Question::Get(name)) => memcached.get(name).await,
            (Self::Redis(redis), Question::Add(name, value, ttl)) => {
                Ok(redis.add(name, value, *ttl).await?.then(|| value.to_vec()))
            }
            (Self::Memcached(memcached), Question::Add(name, value, ttl)) => Ok(memcached
                .add(name, value, *ttl)
                .await?
                .then(|| value.to_vec())),
        }
    }
}
