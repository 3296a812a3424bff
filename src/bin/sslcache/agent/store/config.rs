//! Where the store is, and what it asks of those who come.

use std::path::PathBuf;
use std::time::Duration;

/// Where the store is, and how it is reached. `Store::connect` refuses what does not fit together.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// One address, or several of one kind: the nodes of a cluster, or the sentinels. The port may be left out.
    /// * `redis://host:6379/0`, `rediss://` with TLS, `unix:///run/redis.sock`
    /// * `redis+cluster://host:6379`, `rediss+cluster://`
    /// * `redis+sentinel://host:26379/NAME`, `rediss+sentinel://`: NAME is that of the group of servers
    /// * `memcached://host:11211`
    ///
    /// A user or a password in an address is refused, as addresses are shown in logs.
    pub urls: Vec<String>,
    /// The user of an access list; without it, a password is the default user's.
    pub user: Option<String>,
    /// The file with the password. A name without a `/` is a credential of systemd, in $CREDENTIALS_DIRECTORY.
    pub password_file: Option<PathBuf>,
    /// The same for the sentinels, which have passwords of their own.
    pub sentinel_password_file: Option<PathBuf>,
    /// The authorities, as PEM, of which one has to have issued the store's certificate; without it, those of the system.
    pub ca_file: Option<PathBuf>,
    /// The longest that a connection may take, TLS and password included.
    pub connect_timeout: Duration,
    /// The longest that an answer may take.
    pub timeout: Duration,
}

impl StoreConfig {
    /// The store at these addresses, without a password, with the time-outs that suit a network of one site.
    pub fn at(urls: Vec<String>) -> Self {
        Self {
            urls,
            user: None,
            password_file: None,
            sentinel_password_file: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
        }
    }
}
