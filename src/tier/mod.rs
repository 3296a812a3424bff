//! Second homes of a session: bytes in, bytes out.

mod ballot;
mod expect;

pub use ballot::{Ballot, Lot};
pub use expect::{Figures, Found, PAGE_BYTES, Realm, Refusal, Region, Share};
