//! The store as it is asked for sessions: many questions on their way at once, over connections that are there beforehand, as
//! nobody waits for one to be made.
//!
//! What takes a value has a connection of its own, because a question for replicas holds up all that follows it there. Whether
//! that connection still is to the store that has confirmed the last takes is judged here: where it may be another one, or one
//! that has lost some of them, takes are refused until a session that was taken before cannot be used for early data any more.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::address::{Address, Engine};
use super::backoff::Backoff;
use super::redis::Replicas;
use super::trouble::{Cause, Trouble};
use super::{
    Connection, Purpose, Put, Said, Server, StoreConfig, Where, connect_timeout, server_of,
};
use crate::failure::Failure;

/// A server takes early data of a session for about ten seconds: so long after a change of the store, what was taken before
/// may be there again.
pub const DOUBT: Duration = Duration::from_secs(12);

/// The connections.
pub struct Traffic {
    address: Address,
    connect_timeout: Duration,
    timeout: Duration,
    replicas: u32,
    usual: Line,
    /// `None` where nothing is taken.
    takes: Option<Line>,
    doubt: Mutex<Doubt>,
}

/// A connection that is made anew when it breaks.
struct Line {
    state: Mutex<State>,
    server: tokio::sync::Mutex<(Server, Backoff)>,
    is_broken: Notify,
    is_made: Notify,
}

struct State {
    connection: Option<Connection>,
    /// How many there have been: trouble with an earlier one is no news.
    number: u64,
    last: Option<Trouble>,
}

/// Until when nothing is taken.
#[derive(Default)]
struct Doubt {
    until: Option<Instant>,
    /// The last known run of the server.
    run: Option<String>,
}

impl Traffic {
    /// The store of this configuration. `takes`: how many replicas have to confirm what is taken, if anything is.
    pub fn new(config: &StoreConfig, takes: Option<u32>) -> Result<Self, Failure> {
        let (address, server) = server_of(config, Purpose::Sessions)?;
        let line = match takes {
            Some(least) => Some(Line::of(server_of(config, Purpose::Takes(least))?.1)),
            None => None,
        };
        Ok(Self {
            connect_timeout: connect_timeout(&address, config),
            timeout: config.timeout,
            usual: Line::of(server),
            takes: line,
            replicas: takes.unwrap_or(0),
            doubt: Mutex::default(),
            address,
        })
    }

    /// Its address, for people.
    pub fn shown(&self) -> String {
        self.address.to_string()
    }

    /// Makes the connections, and makes them anew when they break, for ever.
    pub async fn keep_connected(&self) {
        let takes = async {
            if let Some(line) = &self.takes {
                self.keep(line, true).await;
            }
        };
        tokio::join!(self.keep(&self.usual, false), takes);
    }

    /// Whether all that may be asked can be asked now, or why not.
    pub fn is_connected(&self) -> Said<()> {
        self.usual.connection(&self.address)?;
        match &self.takes {
            Some(line) => line.connection(&self.address).map(drop),
            None => Ok(()),
        }
    }

    /// The number of the connection that was made last, but for that of takes; 0 before the first one. The nodes of a cluster
    /// are connected to by its client, which does not tell: all of them are one.
    pub fn connection(&self) -> u64 {
        self.usual.lock().number
    }

    /// Waits until there is a new connection of that kind.
    pub async fn connects(&self) {
        self.usual.is_made.notified().await;
    }

    async fn keep(&self, line: &Line, is_for_takes: bool) {
        loop {
            if line.lock().connection.is_some() {
                line.is_broken.notified().await;
                continue;
            }
            let mut server = line.server.lock().await;
            let shown = self.shown();
            let mut made = server.0.connect(&shown, self.connect_timeout).await;
            if is_for_takes && let Ok(connection) = &mut made {
                match timeout(self.timeout, self.judge(connection)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(trouble)) => made = Err(trouble),
                    Err(_) => made = Err(Trouble::late(&shown, "answer", self.timeout)),
                }
            }
            let rest = match &made {
                Ok(_) => {
                    server.1.answered();
                    None
                }
                Err(_) => {
                    let mut dice = [0];
                    // Without random bytes, the wait is the shortest.
                    let _ = SystemRandom::new().fill(&mut dice);
                    server.1.failed(Instant::now(), dice[0]);
                    server.1.rest(Instant::now())
                }
            };
            line.have(made);
            if let Some(rest) = rest {
                sleep(rest).await;
            }
        }
    }

    /// Judges a new connection for takes.
    async fn judge(&self, connection: &mut Connection) -> Said<()> {
        let run = match (connection, &self.address.engine) {
            // What was put before it started is not there any more.
            (Connection::Memcached(_), _) => return Ok(()),
            (_, Engine::Cluster | Engine::Sentinel(_)) => None,
            (Connection::Redis(redis), _) => Some(redis.run().await?),
        };
        let mut doubt = lock(&self.doubt);
        match run {
            None => doubt.until = Some(Instant::now() + DOUBT),
            Some(run) => {
                let is_other = doubt.run.as_ref().is_some_and(|last| *last != run.id);
                // One that has just started may have read what is older than the last takes.
                let doubtful = match (is_other, run.began_empty) {
                    (true, _) => DOUBT,
                    (false, true) => Duration::ZERO,
                    (false, false) => DOUBT.saturating_sub(run.uptime),
                };
                if !doubtful.is_zero() {
                    doubt.until = Some(Instant::now() + doubtful);
                }
                doubt.run = Some(run.id);
            }
        }
        Ok(())
    }

    /// For how long nothing is taken.
    pub fn doubt(&self) -> Duration {
        let until = lock(&self.doubt).until;
        until.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// The values under all of these names.
    pub async fn get_all(&self, names: &[String]) -> Said<Vec<Option<Vec<u8>>>> {
        self.ask(&self.usual, async |connection| match connection {
            Connection::Redis(redis) => match names {
                [name] => Ok(vec![redis.get(name).await?]),
                _ => redis.get_all(names).await,
            },
            Connection::Memcached(memcached) => memcached.get_all(names).await,
        })
        .await
    }

    /// Puts all of these values; whether it did, for each one.
    pub async fn put_all(&self, puts: &[Put], where_: Where) -> Said<Vec<Said<bool>>> {
        self.ask(&self.usual, async |connection| match connection {
            Connection::Redis(redis) => redis.put_all(puts, where_).await,
            Connection::Memcached(memcached) => memcached.put_all(puts, where_).await,
        })
        .await
    }

    /// Counts one up from the number under `name`, which is `first` where there is none, and returns it.
    pub async fn count(&self, name: &str, first: u64) -> Said<u64> {
        self.ask(&self.usual, async |connection| match connection {
            Connection::Redis(redis) => redis.count(name, first).await,
            Connection::Memcached(memcached) => memcached.count(name, first).await,
        })
        .await
    }

    /// Replaces what is under `name`, if there is something, and returns that: one of all that do this gets it. On any doubt
    /// there is trouble, and nobody may get it.
    pub async fn take(&self, name: &str, instead: &[u8], ttl: Duration) -> Said<Option<Vec<u8>>> {
        let taken = self.take_now(name, instead, ttl).await;
        let is_of_many = matches!(self.address.engine, Engine::Cluster | Engine::Sentinel(_));
        if is_of_many && matches!(&taken, Err(trouble) if trouble.cause != Cause::Short) {
            // It was sent elsewhere, the connection broke, or the server hangs: another one may have become the store.
            lock(&self.doubt).until = Some(Instant::now() + DOUBT);
        }
        // Also of an answer that came from a store which was judged meanwhile.
        match (taken?, self.doubt()) {
            (value, Duration::ZERO) => Ok(value),
            (_, rest) => Err(changed(&self.shown(), rest)),
        }
    }

    async fn take_now(&self, name: &str, instead: &[u8], ttl: Duration) -> Said<Option<Vec<u8>>> {
        let Some(line) = &self.takes else {
            return Err(Trouble::odd(&self.shown(), "nothing is taken from it"));
        };
        let replicas = Replicas {
            least: self.replicas,
            within: self.timeout / 2,
        };
        self.ask(line, async |connection| match connection {
            Connection::Redis(redis) => redis.take(name, instead, ttl, replicas).await,
            Connection::Memcached(memcached) => memcached.take(name, instead, ttl).await,
        })
        .await
    }

    /// Asks for all that is asked for sessions, so that what the store refuses is known.
    pub async fn try_all(&self) -> Said<()> {
        let name = "sslc:1:try";
        let put = Put {
            name: name.into(),
            value: b"1".to_vec(),
            // For long enough that the number below is not without end.
            ttl: Duration::from_secs(5),
        };
        let said = self.put_all(&[put], Where::Anything).await?;
        said.into_iter().collect::<Said<Vec<_>>>()?;
        self.count(name, 1).await?;
        if self.takes.is_some() {
            self.take_now(name, b"1", Duration::from_secs(1)).await?;
        }
        Ok(())
    }

    async fn ask<T>(
        &self,
        line: &Line,
        question: impl AsyncFnOnce(&mut Connection) -> Said<T>,
    ) -> Said<T> {
        let (mut connection, number) = line.connection(&self.address)?;
        let said = match timeout(self.timeout, question(&mut connection)).await {
            Ok(said) => said,
            Err(_) => Err(Trouble::late(&self.shown(), "answer", self.timeout)),
        };
        if let Err(trouble) = &said
            && !matches!(trouble.cause, Cause::Unable | Cause::Short | Cause::Denied)
        {
            // A cluster's client sees to its connections by itself.
            if self.address.engine != Engine::Cluster {
                line.drop_connection(number, trouble);
            }
        }
        said
    }
}

impl Line {
    fn of(server: Server) -> Self {
        Self {
            state: Mutex::new(State {
                connection: None,
                number: 0,
                last: None,
            }),
            server: tokio::sync::Mutex::new((server, Backoff::default())),
            is_broken: Notify::new(),
            is_made: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn connection(&self, address: &Address) -> Said<(Connection, u64)> {
        let state = self.lock();
        match (&state.connection, &state.last) {
            (Some(connection), _) => Ok((connection.clone(), state.number)),
            (None, Some(last)) => Err(last.clone()),
            (None, None) => Err(Trouble::early(&address.to_string())),
        }
    }

    fn have(&self, made: Said<Connection>) {
        let mut state = self.lock();
        match made {
            Ok(connection) => {
                state.connection = Some(connection);
                state.number += 1;
                self.is_made.notify_waiters();
            }
            Err(trouble) => state.last = Some(trouble),
        }
    }

    fn drop_connection(&self, number: u64, trouble: &Trouble) {
        let mut state = self.lock();
        if state.number == number {
            state.connection = None;
            state.last = Some(trouble.clone());
            self.is_broken.notify_one();
        }
    }
}

fn changed(shown: &str, rest: Duration) -> Trouble {
    let seconds = rest.as_secs() + 1;
    let reason = format!("it is another one, or started anew: nothing is taken for {seconds} s");
    Trouble::told(Cause::Unable, shown, &reason, "")
}

/// What is behind the lock is whole between any two of its changes.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
