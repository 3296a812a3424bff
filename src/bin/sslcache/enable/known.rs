//! The services for which there is a drop-in with what their own configuration needs.

use super::unit::Name;

/// A service that has a drop-in.
pub struct Service {
    /// The unit, without `.service`.
    unit: &'static str,
    /// Its drop-in, which packages install as documentation.
    pub text: &'static str,
    /// The reason why the drop-in alone does not change where the service keeps its sessions, if there is one.
    pub note: Option<&'static str>,
    /// The reason why the service gains nothing, if there is one.
    pub gains_nothing: Option<&'static str>,
}

/// The text of a drop-in.
macro_rules! drop_in {
    ($name:literal) => {
        include_str!(concat!("../../../../packaging/systemd/", $name, ".conf"))
    };
}

static SERVICES: [Service; 5] = [
    Service {
        unit: "nginx",
        text: drop_in!("nginx"),
        note: None,
        gains_nothing: None,
    },
    Service {
        unit: "apache2",
        text: drop_in!("apache2"),
        note: Some(
            "With SSLSessionTickets on, which Debian has switched off, its tickets outlive a reload.",
        ),
        gains_nothing: None,
    },
    Service {
        unit: "haproxy",
        text: drop_in!("haproxy"),
        note: Some(
            "With tickets, which Debian has switched off (no-tls-tickets), its clients are resumed after a reload.",
        ),
        gains_nothing: None,
    },
    Service {
        unit: "postfix@",
        text: drop_in!("postfix"),
        note: None,
        gains_nothing: Some(
            "it gains nothing: its sessions are in a database of its own, and its tickets have keys that its tlsmgr gives \
             to all smtpd",
        ),
    },
    Service {
        unit: "dovecot",
        text: drop_in!("dovecot"),
        note: None,
        gains_nothing: None,
    },
];

/// The drop-in of any other service.
pub const TEXT_OF_OTHERS: &str = include_str!("other.conf");

/// The names of units to be offered.
pub const NAMES: &[&str] = &[
    "nginx",
    "apache2",
    "haproxy",
    "dovecot",
    "httpd",
    "lighttpd",
    "hitch",
    "stunnel4",
    "gunicorn",
    "uwsgi",
    "puma",
    "vsftpd",
    "proftpd",
    "exim4",
    "redis-server",
    "mariadb",
];

/// The unit that a name means. Debian runs Postfix as instances of a unit whose name has an @.
pub fn unit_of(name: &str) -> &str {
    match name {
        "postfix" | "postfix.service" => "postfix@",
        name => name,
    }
}

/// The drop-in for a service, or for one of its instances.
pub fn service(name: &Name) -> Option<&'static Service> {
    SERVICES.iter().find(|service| {
        service.unit == name.bare()
            || service.unit.ends_with('@') && service.unit.trim_end_matches('@') == name.stem()
    })
}
