//! Who may share with whom. The rule above all others: a session is resumed only where plain libssl would have resumed
//! it, had it been made and kept in this very context, as the context is configured now.
//!
//! [`attributes`] is the table of what is compared. A session that others may have goes to them with a [`Tag`]: the
//! digest of all attributes of the connection that made it, and the server name that its client sent. A connection that
//! asks for a session has a tag, too, and gets none with another one. A connection whose tag cannot be told shares with
//! nobody: it finds what its own process has cached in its context, as libssl would, and what it caches stays there.
//!
//! * [`rule`] is that tag, and what it is made of; [`decide`] gives it to connections and sessions.
//! * [`subject`] is a connection or a context as its getters show it; [`learned`] what only setters tell;
//!   [`look`] makes a digest of it.
//! * [`names`] reads the name in a ClientHello, [`verdicts`] remembers what the program's callbacks make of it.
//! * [`login`] keeps the data connections of FTP servers to the sessions of their own login.

pub mod attributes;
pub mod decide;
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

/// What a context has to do with comparing.
#[derive(Default)]
pub struct Alike {
    /// What its setters have told.
    pub learned: Learned,
    /// What its connections looked like.
    pub looks: Looks,
    /// What it looked like itself.
    pub context: Looks,
    /// What names lead to.
    pub verdicts: Verdicts,
}
