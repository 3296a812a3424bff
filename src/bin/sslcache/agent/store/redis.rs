//! Redis and Valkey: one server, a cluster, or whichever server the sentinels say is the master.

use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ErrorKind, FromRedisValue,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, TlsCertificates, TlsMode,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::address::{Address, Engine};
use super::config::StoreConfig;
use super::trouble::{Cause, Trouble};
use super::{MOST_BYTES, Said};
use crate::agent::secret;
use crate::failure::Failure;

/// A way to connections.
pub struct Server {
    thing: String,
    rule: String,
    way: Way,
}

enum Way {
    One(Client, AsyncConnectionConfig),
    Cluster(redis::cluster::ClusterClient),
    Sentinel(SentinelClient, AsyncConnectionConfig),
}

impl Server {
    /// The server at `address`. Connects to nothing, but reads password and authorities.
    pub fn of(address: &Address, config: &StoreConfig) -> Result<Self, Failure> {
        let password = config.password_file.as_deref().map(password).transpose()?;
        let certificates = authorities(config.ca_file.as_deref())?;
        let mut login = RedisConnectionInfo::default()
            .set_db(address.database)
            // It would be one more command that an access list has to allow.
            .set_skip_set_lib_name();
        if let Some(user) = &config.user {
            login = login.set_username(user);
        }
        if let Some(password) = &password {
            login = login.set_password(password.as_str());
        }
        // The store has the clock for the whole of an attempt.
        let unbounded = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        let refused =
            |error: RedisError| Failure::new(address, error, "see to the settings of the store");
        let way = match &address.engine {
            Engine::Redis | Engine::Unix(_) => {
                let place = match &address.engine {
                    Engine::Unix(path) => ConnectionAddr::Unix(path.clone()),
                    _ => node(&address.nodes[0], address.tls),
                };
                let info = place
                    .into_connection_info()
                    .map_err(refused)?
                    .set_redis_settings(login);
                let client = match address.tls {
                    true => Client::build_with_tls(info, certificates),
                    false => Client::open(info),
                };
                Way::One(client.map_err(refused)?, unbounded)
            }
            Engine::Cluster => {
                let nodes = address.nodes.iter().map(|each| node(each, address.tls));
                let mut builder = ClusterClientBuilder::new(nodes)
                    // A node that does not answer is waited for twice, and then there is to be time for the others.
                    .connection_timeout(config.connect_timeout / 4)
                    .response_timeout(config.timeout)
                    .retries(3);
                if let Some(user) = &config.user {
                    builder = builder.username(user);
                }
                if let Some(password) = &password {
                    builder = builder.password(password.as_str());
                }
                if address.tls {
                    builder = builder.tls(TlsMode::Secure).certs(certificates);
                }
                Way::Cluster(builder.build().map_err(refused)?)
            }
            Engine::Sentinel(group) => {
                let nodes = address.nodes.iter().map(|each| node(each, address.tls));
                let master = SentinelServerType::Master;
                let mut builder = SentinelClientBuilder::new(nodes, group, master)
                    .map_err(refused)?
                    .set_client_to_redis_db(address.database);
                if let Some(user) = &config.user {
                    builder = builder.set_client_to_redis_username(user);
                }
                if let Some(password) = &password {
                    builder = builder.set_client_to_redis_password(password.as_str());
                }
                if let Some(path) = &config.sentinel_password_file {
                    builder =
                        builder.set_client_to_sentinel_password(self::password(path)?.as_str());
                }
                if address.tls {
                    builder = builder
                        .set_client_to_redis_tls_mode(TlsMode::Secure)
                        .set_client_to_redis_certificates(certificates.clone())
                        .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                        .set_client_to_sentinel_certificates(certificates);
                }
                Way::Sentinel(builder.build().map_err(refused)?, unbounded)
            }
            Engine::Memcached => unreachable!("a memcached is no Redis"),
        };
        Ok(Self {
            thing: address.to_string(),
            rule: rule(&address.engine, config.user.as_deref()),
            way,
        })
    }

    /// Connects anew, and says user and password.
    pub async fn connect(&mut self) -> Said<Connection> {
        let made = match &mut self.way {
            Way::One(client, config) => client
                .get_multiplexed_async_connection_with_config(config)
                .await
                .map(Link::One),
            Way::Cluster(client) => client.get_async_connection().await.map(Link::Cluster),
            Way::Sentinel(client, config) => client
                .get_async_connection_with_config(config)
                .await
                .map(Link::One),
        };
        let link = made.map_err(|error| {
            Trouble::told(Cause::Unreachable, &self.thing, &text(&error), &self.rule)
        })?;
        Ok(Connection {
            thing: self.thing.clone(),
            rule: self.rule.clone(),
            link,
        })
    }
}

/// A connection, or those to the nodes of a cluster.
pub struct Connection {
    thing: String,
    rule: String,
    link: Link,
}

enum Link {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    /// The value under `name`.
    pub async fn get(&mut self, name: &str) -> Said<Option<Vec<u8>>> {
        let mut command = redis::cmd("GET");
        command.arg(name);
        let value: Option<Vec<u8>> = self.ask(&command).await?;
        match value.as_ref().is_some_and(|value| value.len() > MOST_BYTES) {
            true => Err(Trouble::odd(&self.thing, "a value is too long to be ours")),
            false => Ok(value),
        }
    }

    /// Puts the value under `name` unless there is one; whether it did.
    pub async fn add(&mut self, name: &str, value: &[u8], ttl: Duration) -> Said<bool> {
        let mut command = redis::cmd("SET");
        let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
        // Without GET, which there is with NX from version 7 on only.
        command.arg(name).arg(value).arg("NX").arg("PX").arg(millis);
        let done: Option<String> = self.ask(&command).await?;
        match done.as_deref() {
            None => Ok(false),
            Some("OK") => Ok(true),
            Some(other) => Err(Trouble::odd(
                &self.thing,
                &format!("unexpected answer {other:?}"),
            )),
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
        answer.map_err(|error| {
            let cause = match error.kind() {
                ErrorKind::Server(_) | ErrorKind::Extension => Cause::Unable,
                ErrorKind::UnexpectedReturnType => Cause::Odd,
                ErrorKind::Parse if error.to_string().contains(CUT) => Cause::Unreachable,
                ErrorKind::Parse => Cause::Odd,
                _ => Cause::Unreachable,
            };
            Trouble::told(cause, &self.thing, &text(&error), &self.rule)
        })
    }
}

/// What the client says of an answer that ends too early.
const CUT: &str = "Unexpected end of input";

/// What the server said, in its own words, or what the client says.
fn text(error: &RedisError) -> String {
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

fn node((host, port): &(String, u16), tls: bool) -> ConnectionAddr {
    match tls {
        true => ConnectionAddr::TcpTls {
            host: host.clone(),
            port: *port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(host.clone(), *port),
    }
}

/// The line for the store's access list.
fn rule(engine: &Engine, user: Option<&str>) -> String {
    let more = match engine {
        Engine::Cluster => " +cluster|slots +ping",
        Engine::Sentinel(_) => " +role",
        _ => "",
    };
    format!(
        "ACL SETUSER {} ~sslc:* +get +set{more}",
        user.unwrap_or("default")
    )
}

/// The first line of the file.
fn password(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let contents = secret::read(path)?;
    let line = contents
        .split(|&byte| byte == b'\n')
        .next()
        .unwrap_or_default();
    let wrong = |reason| {
        Failure::new(
            secret::shown(path),
            reason,
            "put the password into its first line",
        )
    };
    match std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)) {
        Ok("") => Err(wrong("has no password")),
        Ok(line) => Ok(Zeroizing::new(line.into())),
        Err(_) => Err(wrong("is not UTF-8")),
    }
}

/// The authorities of the file, which has to have some; none stands for the system's.
fn authorities(path: Option<&Path>) -> Result<TlsCertificates, Failure> {
    let Some(path) = path else {
        return Ok(TlsCertificates {
            client_tls: None,
            root_cert: None,
        });
    };
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::new(
            secret::shown(path),
            reason,
            "name a PEM file with the authority's certificate",
        )
    };
    let pem = std::fs::read(path).map_err(|error| wrong(&error))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        store.add(certificate).map_err(|error| wrong(&error))?;
    }
    match store.is_empty() {
        true => Err(wrong(&"has no certificate")),
        false => Ok(TlsCertificates {
            client_tls: None,
            root_cert: Some(pem),
        }),
    }
}
