//! Second homes of a session: bytes in, bytes out.

mod expect;

pub use expect::{Figures, Found, PAGE_BYTES, Realm, Refusal, Region, Share};
