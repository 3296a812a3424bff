//! The addresses of a store, read from its configuration.

use std::fmt::{self, Write};
use std::path::PathBuf;

use url::{Host, Url};

use crate::failure::Failure;

/// What answers at the addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One Redis or Valkey.
    Redis,
    /// The same, at a socket of this host.
    Unix(PathBuf),
    /// Some nodes of a cluster.
    Cluster,
    /// The sentinels of the group of this name.
    Sentinel(String),
    /// One memcached.
    Memcached,
}

/// A store: what it is and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// What it is.
    pub engine: Engine,
    /// Whether it is spoken to by TLS.
    pub tls: bool,
    /// Host and port of each node.
    pub nodes: Vec<(String, u16)>,
    /// The number of the database.
    pub database: i64,
}

const FORMS: &str = "use redis://HOST:PORT, rediss:// for TLS, redis+cluster://, redis+sentinel://HOST:PORT/NAME, \
                     unix:///PATH or memcached://HOST:PORT";

impl Address {
    /// Reads the addresses, which have to be of one store.
    pub fn parse(urls: &[String]) -> Result<Self, Failure> {
        let mut whole: Option<Self> = None;
        for url in urls {
            let mut one = Self::parse_one(url)?;
            let Some(whole) = &mut whole else {
                whole = Some(one);
                continue;
            };
            let several = matches!(whole.engine, Engine::Cluster | Engine::Sentinel(_));
            if !several {
                return Err(Failure::new(
                    shown(url),
                    "is a second address, and this kind of store has one",
                    "leave one, or use redis+cluster:// or redis+sentinel:// for all of them",
                ));
            }
            if (&one.engine, one.tls, one.database) != (&whole.engine, whole.tls, whole.database) {
                return Err(Failure::new(
                    shown(url),
                    "is of another kind than the addresses before it",
                    "write all addresses alike, but for host and port",
                ));
            }
            whole.nodes.append(&mut one.nodes);
        }
        whole.ok_or_else(|| Failure::new("the store", "has no address", FORMS))
    }

    fn parse_one(text: &str) -> Result<Self, Failure> {
        let wrong = |reason: &str, remedy: &str| Failure::new(shown(text), reason, remedy);
        let url = Url::parse(text).map_err(|error| wrong(&error.to_string(), FORMS))?;
        if !url.username().is_empty() || url.password().is_some() {
            let remedy = "set `user` and `password_file` instead";
            return Err(wrong(
                "has a user or a password, and addresses are shown in logs",
                remedy,
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(
                "has parameters, of which there are none",
                "remove what follows ? or #",
            ));
        }
        let path = url.path().trim_matches('/');
        let (engine, tls, port) = match url.scheme() {
            "redis" => (Engine::Redis, false, 6379),
            "rediss" => (Engine::Redis, true, 6379),
            "redis+cluster" => (Engine::Cluster, false, 6379),
            "rediss+cluster" => (Engine::Cluster, true, 6379),
            scheme @ ("redis+sentinel" | "rediss+sentinel") => {
                let group = path.split('/').next().unwrap_or_default();
                if group.is_empty() {
                    let remedy =
                        "write redis+sentinel://HOST:PORT/NAME, as in `sentinel monitor NAME`";
                    return Err(wrong("does not name the group of servers", remedy));
                }
                (
                    Engine::Sentinel(group.into()),
                    scheme == "rediss+sentinel",
                    26379,
                )
            }
            "memcached" => (Engine::Memcached, false, 11211),
            "unix" if url.host().is_none() && !path.is_empty() => {
                return Ok(Self {
                    engine: Engine::Unix(format!("/{path}").into()),
                    tls: false,
                    nodes: Vec::new(),
                    database: 0,
                });
            }
            _ => return Err(wrong("is no address of a store that is known here", FORMS)),
        };
        let database = match &engine {
            Engine::Sentinel(group) => path[group.len()..].trim_start_matches('/'),
            _ => path,
        };
        let database = match (database, &engine) {
            ("", _) => 0,
            (number, Engine::Redis | Engine::Sentinel(_)) => number
                .parse()
                .ok()
                .filter(|number| *number >= 0)
                .ok_or_else(|| {
                    wrong(
                        "does not end with the number of a database",
                        "write /0, or nothing",
                    )
                })?,
            _ => {
                return Err(wrong(
                    "has a path, and this kind of store has none",
                    "remove it",
                ));
            }
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_string(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(wrong("names no host", FORMS)),
        };
        Ok(Self {
            engine,
            tls,
            nodes: vec![(host, url.port().unwrap_or(port))],
            database,
        })
    }
}

/// Without whatever stands where a password would, and without control characters.
fn shown(url: &str) -> String {
    let hidden = match url.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://...@{after}")
        }
        None => url.to_string(),
    };
    hidden.replace(char::is_control, "?")
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.tls { "s" } else { "" };
        match &self.engine {
            Engine::Redis => write!(out, "redis{s}://")?,
            Engine::Cluster => write!(out, "redis{s}+cluster://")?,
            Engine::Sentinel(_) => write!(out, "redis{s}+sentinel://")?,
            Engine::Memcached => write!(out, "memcached://")?,
            Engine::Unix(path) => return write!(out, "unix://{}", path.display()),
        }
        for (index, (host, port)) in self.nodes.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match host.contains(':') {
                true => write!(out, "{comma}[{host}]:{port}")?,
                false => write!(out, "{comma}{host}:{port}")?,
            }
        }
        if let Engine::Sentinel(group) = &self.engine {
            out.write_char('/')?;
            out.write_str(group)?;
        }
        if self.database != 0 {
            write!(out, "/{}", self.database)?;
        }
        Ok(())
    }
}
