//! The host: the libssl behind sslcache, its functions, and owning references to its objects.
//!
//! TLS and every `SSL_CTX`, `SSL` and `SSL_SESSION` belong to the host library. This room finds that library in the process,
//! resolves its public functions, and uses nothing else of it: no private field but one, which `mark` finds by watching the host
//! and tries before it is used. It knows nothing of the cache.
//!
//! * [`abi`] and [`types`] are libssl's numbers and objects.
//! * [`images`] are the mapped files, and the caller's.
//! * [`connection`] is what a connection tells by several functions together.
//! * [`table`] is the list of functions that are called.
//! * [`kind`] is what sets releases of OpenSSL apart: where the host's version matters.
//! * `demands` learns what 1.1.1 has no getters for by a verification.
//! * `stand_ins` are in place of the functions that 1.1.1 lacks.
//! * [`library`] is one libssl of the process, and `numbers` its number.
//! * [`locate`] finds the library, lazily and without blocking, and never finds sslcache itself.
//! * `own_memory` tells whether another process can change an object.
//! * [`owners`] tells to which library an object belongs, where there are several.
//! * [`session`] owns references to sessions; [`record`] turns them into bytes and back.
//! * [`tickets`] makes a host's ciphers ready for a stateless ticket.
//! * [`inside`] tells a call of the application from one that the host makes during a call of sslcache.
//! * [`mark`] marks a session not resumable, for which libssl has no function of its own; [`scratch`] has the host do it.

pub mod abi;
pub mod connection;
mod demands;
pub mod images;
pub mod inside;
pub mod kind;
pub mod library;
pub mod locate;
pub mod mark;
mod numbers;
mod own_memory;
pub mod owners;
pub mod record;
pub mod scratch;
pub mod session;
mod stand_ins;
pub mod table;
pub mod tickets;
pub mod types;

pub use library::Host;
pub use session::SessionRef;
pub use table::Libssl;
