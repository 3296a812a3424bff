//! What C sees: libssl's session-cache interface over the cache of each context.
//!
//! The only room with exported functions. An entry is a guard, a conversion and a call; libssl's rules are in
//! [`context`](crate::context). A context that is not in our care, and every call that the host makes on our behalf,
//! gets the host's own function.
//!
//! * [`contexts`], [`sessions`], [`control`], [`setters`] and [`sslcache`] are the exported functions, by subject.
//! * [`host_callbacks`] and [`ticket_callbacks`] are what the host calls.
//! * [`attach`] takes a context over; [`hooks`] tells when the host's objects begin and end.
//! * [`init`] is how we came into the process.

pub mod attach;
pub mod contexts;
pub mod control;
mod hooks;
mod host_callbacks;
mod init;
pub mod sessions;
pub mod setters;
pub mod sslcache;
mod ticket_callbacks;
