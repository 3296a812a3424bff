//! What C sees: libssl's session-cache interface over the cache of each context.
//!
//! The only room with exported functions. An export is a guard, a conversion and a call; libssl's rules are in
//! [`context`](crate::context). A context that is not attached gets the host's own function, and so does every call that the
//! host makes on behalf of sslcache.
//!
//! * `entry` leads an export to the cache of its context, or to the host.
//! * `contexts`, `sessions`, `control`, `setters`, `verification` and `sslcache` are the exports, by subject.
//! * `host_callbacks` and `ticket_callbacks` are the functions that the host calls; `serving` finds their contexts.
//! * `attach` takes a context over; `hooks` learns when the host's objects begin and end.
//! * `init` runs when the library is loaded, and tells in which form it was.

pub mod attach;
pub mod contexts;
pub mod control;
mod entry;
mod hooks;
mod host_callbacks;
mod init;
mod serving;
pub mod sessions;
pub mod setters;
pub mod sslcache;
mod ticket_callbacks;
pub mod verification;
