//! Redis and Valkey: one server, a cluster, or whichever server the sentinels say is the master.

use std::path::Path;
use std::sync::Arc;

use redis::cluster::ClusterClientBuilder;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo,
    RedisError, TlsCertificates, TlsMode,
};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use super::address::{Address, Engine};
use super::config::StoreConfig;
use super::trouble::{Cause, Trouble};
use super::{Purpose, Said};
use crate::agent::secret;
use crate::failure::Failure;

mod commands;

pub use commands::{Connection, Replicas};
use commands::{Link, text};

/// A way to connections.
pub struct Server {
    thing: Arc<str>,
    rule: Arc<str>,
    way: Way,
}

enum Way {
    One(Client, AsyncConnectionConfig),
    Cluster(redis::cluster::ClusterClient),
    Sentinel(SentinelClient, AsyncConnectionConfig),
}

impl Server {
    /// The server at `address`. Connects to nothing, but reads password and authorities.
    pub fn of(address: &Address, config: &StoreConfig, purpose: Purpose) -> Result<Self, Failure> {
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
                    .retries(purpose.retries());
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
            thing: address.to_string().into(),
            rule: rule(&address.engine, config.user.as_deref(), purpose).into(),
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
fn rule(engine: &Engine, user: Option<&str>, purpose: Purpose) -> String {
    let of_engine = match engine {
        Engine::Cluster => " +cluster|slots +ping",
        Engine::Sentinel(_) => " +role",
        _ => "",
    };
    let of_takes = match (purpose, engine) {
        (Purpose::Takes(_), Engine::Redis | Engine::Unix(_)) => " +info +wait",
        (Purpose::Takes(_), _) => " +wait",
        _ => "",
    };
    format!(
        "ACL SETUSER {} ~sslc:* +get +set +incr{of_engine}{of_takes}",
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
