//! The libssl behind us: where it is, what it offers, and owning references to its objects.
//!
//! TLS and every `SSL_CTX`, `SSL` and `SSL_SESSION` are the host library's. This layer finds that library
//! in the process, resolves its public functions, and calls nothing else of it: no private field, no
//! assumption about the layout of a struct. It knows nothing of the cache.
//!
//! * [`locate`] finds the library, lazily and without blocking, and never finds ourselves.
//! * [`owners`] tells whose an object is, where there are several.
//! * [`images`] knows the mapped files, and who called.
//! * [`abi`] and [`types`] are libssl's numbers and objects.
//! * [`table`] is the list of functions we call.
//! * [`session`] owns references to sessions; [`record`] turns them into bytes and back.
//! * [`tickets`] makes a host's ciphers ready for a stateless ticket.
//! * [`inside`] tells a call of the application from one that the host makes on our behalf.
//! * [`scratch`] marks a session not resumable, for which libssl has no function of its own.

pub mod abi;
pub mod images;
pub mod inside;
pub mod library;
pub mod locate;
mod numbers;
pub mod owners;
pub mod record;
pub mod scratch;
pub mod session;
pub mod table;
pub mod tickets;
pub mod types;

pub use library::Host;
pub use session::SessionRef;
pub use table::Libssl;
