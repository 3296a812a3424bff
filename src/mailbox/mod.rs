//! The mailbox: memory by which the processes of a tree and the agent of their host speak to each other.
//!
//! A process makes it with its first context and sends it to the agent's socket; its children inherit it. The agent, which
//! is the only one that speaks to other hosts, writes the fleet's ticket keys into it, and answers what the processes ask of sessions
//! on other hosts. The processes need neither a socket
//! nor a descriptor for that afterwards, so what they do later (chroot, seccomp, dropped privileges) does not matter.
//!
//! * **Memory.** A memfd of its own, sealed against a change of its size, so that neither side can end the other by
//!   truncating it.
//! * **Trust.** Neither side believes the other: places are checked, numbers are bounded, and keys that contradict
//!   themselves count as none. A program that overwrites its mailbox harms itself.
//! * **Crashes.** Keys are written to the copy that is not valid, which one store makes the valid one. The agent may end
//!   between any two stores; the keys end by the clock, without it.
//! * **Secrets.** The memory is kept out of core dumps, and keys that have ended are wiped.
//!
//! The files, each of which knows only those above it in this list:
//!
//! * `layout`: the places in a mailbox.
//! * `keys`: the fleet's ticket keys, and how they are written and read.
//! * `memory`: how a mailbox is made, checked and mapped, and whether anybody still uses it.
//! * `request`: what processes ask and tell about sessions.
//! * `breaker`: when nobody asks.
//! * `slots`: requests and their replies, on the side of the processes.
//! * `hearing`: the same, on the agent's side.
//! * `owed`: removals and flushes, which arrive however late.
//! * `news`: which sessions are no more on other hosts.
//! * `post`: how it gets from the process to the agent.

mod breaker;
mod hearing;
mod keys;
mod layout;
mod memory;
mod news;
mod owed;
mod post;
mod request;
mod slots;
#[cfg(test)]
mod tests;

pub use hearing::{Heard, Hearing, Serving, Slot};
pub use keys::{EPOCH_SECONDS, EPOCHS_AHEAD, FleetKey, FleetKeys, MOST_FLEET_KEYS, epoch_of};
pub use memory::{AgentEnd, Answer, MAILBOX_BYTES, Mailbox, Question, Refusal};
pub use news::News;
#[cfg(test)]
pub use post::end_of_next;
pub use post::{Peer, listen, receive, send};
pub use request::{OwnedRequest, Realm, Request, SessionName};
pub use slots::{REPLY_MOST, REQUEST_MOST, Reply, Unanswered};
