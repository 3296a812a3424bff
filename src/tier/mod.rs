//! Second homes of a session: bytes in, bytes out.

mod ballot;
mod digest;
mod figures;
mod file;
mod heap;
mod identity;
mod index;
mod keys;
mod layout;
mod lock;
mod memory;
mod page;
mod queues;
mod realms;
mod record;
mod region;
mod shard;
mod share;
mod undumped;

#[cfg(test)]
mod tests;

pub use ballot::{Ballot, Lot};
pub use figures::Figures;
pub use file::Refusal;
pub use keys::{FreshKey, KEY_PAGE_BYTES, KeyName, LONGEST_LIFETIME, TicketKey, TicketKeys};
pub use page::PAGE_BYTES;
pub use realms::Realm;
pub use region::Region;
pub use share::{Found, Share};
pub use undumped::Undumped;
