//! Which connections may share sessions. The rule above all others: a session is resumed only where plain libssl would
//! have resumed it, had it been made and kept in this very context, as the context is configured now.
//!
//! Two contexts or connections are compared by the table in [`attributes`], and nowhere else. A shared session carries a
//! [`Tag`](rule::Tag): a digest of all attributes of the connection that made it and of the server name that its client
//! sent. A connection that asks for a session has a tag, too, and gets only sessions with that tag. A connection whose tag
//! cannot be told shares with no other process: as with libssl, it finds the sessions that its process has cached in its
//! context, and the session that it makes stays there.
//!
//! An attribute of a new kind is a row in [`attributes`]. If libssl has no getter for it, [`learned`] records it at its
//! setter (`capi::setters`). A getter that some hosts lack is an optional entry of `host::table`; its absence makes the
//! attribute unknown, and so the connection shares with no other process.
//!
//! Each file knows only those above it in this list.
//!
//! * `digest`: digests that are the same on every host.
//! * `names`: the server name in a ClientHello.
//! * `rule`: the rule, the tag, and the terms of a connection.
//! * `verdicts`: what a context's servername and certificate callbacks make of a name.
//! * `learned`: the attributes that only setters tell.
//! * `subject`: a connection or a context, as its getters show it.
//! * `sink`: the receiver of the attributes that are read.
//! * `attributes`: the table.
//! * `look`: the digest of all attributes, cheaply if nothing has changed.
//! * `login`: FTP servers' data connections get only sessions of their own login.
//! * `decide`: the terms on which connections ask for sessions and make them.

pub mod attributes;
pub mod decide;
pub mod digest;
pub mod learned;
pub mod login;
pub mod look;
mod names;
pub mod rule;
mod sink;
mod subject;
mod verdicts;

use self::learned::Learned;
use self::look::Looks;
use self::verdicts::Verdicts;

/// What a context keeps to be compared.
#[derive(Default)]
pub struct Alike {
    /// The attributes that its setters have told.
    pub learned: Learned,
    /// The last looks at its connections.
    pub looks: Looks,
    /// The last looks at the context itself.
    pub context: Looks,
    /// The rules that names lead to.
    pub verdicts: Verdicts,
}
