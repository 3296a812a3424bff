//! Why the store gave no answer: the store, the reason, the remedy.

use std::fmt;

use crate::failure::Failure;

/// What kind of trouble it is, for figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no connection: refused, cut, no such name, no such certificate.
    Unreachable,
    /// There is no connection yet.
    Early,
    /// No answer in time.
    Late,
    /// The store wants another user, password or access list.
    Denied,
    /// The store says that it cannot do it now: read only, out of memory, loading.
    Unable,
    /// It has done it, but fewer replicas have it than are to.
    Short,
    /// The answer makes no sense.
    Odd,
}

/// The store, the reason, the remedy; shown as one line, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind it is.
    pub cause: Cause,
    thing: String,
    reason: String,
    remedy: String,
}

/// What a store says, or what is said of it, and what is to be done then. The first that is found counts. `{rule}` stands for
/// the access list that is needed.
const KNOWN: [(&str, Cause, &str); 23] = [
    (
        "NOAUTH",
        Cause::Denied,
        "set `password_file`, and `user` if the store has an access list",
    ),
    (
        "authentication failed",
        Cause::Denied,
        "set `user` and `password_file` to what the store has, or remove them if it has no password",
    ),
    ("NOPERM", Cause::Denied, "allow it in the store: {rule}"),
    (
        "no permission",
        Cause::Denied,
        "allow it in the store: {rule}",
    ),
    (
        "READONLY",
        Cause::Unable,
        "name the master, or all sentinels as redis+sentinel://",
    ),
    (
        "OOM",
        Cause::Unable,
        "raise the store's maxmemory, or set maxmemory-policy volatile-ttl",
    ),
    (
        "out of memory",
        Cause::Unable,
        "give the store more memory (memcached -m)",
    ),
    (
        "LOADING",
        Cause::Unable,
        "wait: the store reads its data after a start",
    ),
    (
        "MISCONF",
        Cause::Unable,
        "see to the store's disk: it cannot save, and takes no writes",
    ),
    (
        "NOREPLICAS",
        Cause::Unable,
        "see to the store's replicas: it takes no writes without them",
    ),
    (
        "MASTERDOWN",
        Cause::Unable,
        "see to the store's master, or name the sentinels",
    ),
    (
        "CLUSTERDOWN",
        Cause::Unable,
        "see to the cluster: not all slots are served",
    ),
    (
        "cluster support disabled",
        Cause::Odd,
        "the store is no cluster: use redis://",
    ),
    (
        "MOVED",
        Cause::Odd,
        "the store is a cluster: use redis+cluster://",
    ),
    (
        "Master with given name not found",
        Cause::Odd,
        "name the group as the sentinels do (sentinel monitor NAME), and see that it has a master",
    ),
    (
        "not point to a sentinel",
        Cause::Odd,
        "name the sentinels, not the servers: their port is 26379",
    ),
    (
        "not valid for name",
        Cause::Unreachable,
        "name the store as its certificate does, or issue one for this name",
    ),
    (
        "UnknownIssuer",
        Cause::Unreachable,
        "set `ca_file` to the authority that issued the store's certificate",
    ),
    (
        "certificate",
        Cause::Unreachable,
        "see to the store's certificate, and to `ca_file`",
    ),
    (
        "InvalidContentType",
        Cause::Unreachable,
        "the store speaks no TLS on this port: name the other port, or use redis://",
    ),
    (
        "Connection refused",
        Cause::Unreachable,
        "start the store, or see to its address and to firewalls",
    ),
    (
        "lookup address",
        Cause::Unreachable,
        "see to the store's name and to the DNS",
    ),
    (
        "timed out",
        Cause::Late,
        "see to the store's load and to the network",
    ),
];

impl Trouble {
    /// Trouble with the store `thing`, told as `text`: of this cause, if the text is not known. `rule` is the access list that
    /// is needed.
    pub fn told(cause: Cause, thing: &str, text: &str, rule: &str) -> Self {
        let known = KNOWN.iter().find(|(words, ..)| text.contains(words));
        let (cause, remedy) = match known {
            Some(&(_, cause, remedy)) => (cause, remedy),
            None => (cause, "see to the store and to its log"),
        };
        Self::new(cause, thing, text, remedy.replace("{rule}", rule))
    }

    /// An answer that the protocol does not have.
    pub fn odd(thing: &str, reason: &str) -> Self {
        let remedy =
            "see that the address is that of the store, and that nothing else answers there";
        Self::new(Cause::Odd, thing, reason, remedy.into())
    }

    /// No answer in time.
    pub fn late(thing: &str, what: &str, after: std::time::Duration) -> Self {
        let reason = format!("no {what} within {after:?}");
        let tls = match thing.starts_with("rediss") {
            true => ", and that it speaks TLS on this port",
            false => "",
        };
        let remedy = format!("see to the store's load and to the network{tls}");
        Self::new(Cause::Late, thing, &reason, remedy)
    }

    /// There is no connection yet, nor was there any trouble with one.
    pub fn early(thing: &str) -> Self {
        let remedy = "wait a moment";
        Self::new(
            Cause::Early,
            thing,
            "the connection is being made",
            remedy.into(),
        )
    }

    fn new(cause: Cause, thing: &str, reason: &str, remedy: String) -> Self {
        Self {
            cause,
            thing: thing.into(),
            reason: printable(reason),
            remedy,
        }
    }

    /// The same trouble, of which nothing new can be known before `rest`.
    pub fn still(mut self, rest: std::time::Duration) -> Self {
        let seconds = rest.as_secs_f32().ceil();
        self.reason
            .push_str(&format!(" (the next attempt is in {seconds} s)"));
        self
    }
}

/// What a store said, as it may be printed.
fn printable(text: &str) -> String {
    let shown = text.chars().take(300);
    shown
        .map(|char| if char.is_control() { '?' } else { char })
        .collect()
}

impl fmt::Display for Trouble {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}: {}", self.thing, self.reason, self.remedy)
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::new(trouble.thing, trouble.reason, trouble.remedy)
    }
}
