//! When a session may no longer be resumed.

/// The last second in which a session is still good: it has expired when `now > expiry`, strictly, as in libssl.
///
/// Seconds of whatever clock the caller counts in, also before zero. They are kept in 40 bits, 17,400 years to either
/// side of zero; a second further out is taken for the last one there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expiry(i64);

/// An expiry as an entry keeps it, in five bytes: the upper eight bits, then the lower ones.
pub(crate) type Packed = (i8, u32);

const FIRST: i64 = -(1 << 39);
/// The largest number of 40 bits stands for never.
const PACKED_NEVER: i64 = (1 << 39) - 1;

impl Expiry {
    /// Later than any second there is.
    pub const NEVER: Expiry = Expiry(i64::MAX);

    /// Good up to and including the second `secs`; `i64::MAX`, after which there is none, is never.
    pub const fn at(secs: i64) -> Expiry {
        if secs < FIRST {
            Expiry(FIRST)
        } else if secs < PACKED_NEVER || secs == i64::MAX {
            Expiry(secs)
        } else {
            Expiry(PACKED_NEVER - 1)
        }
    }

    /// Whether a session with this expiry has expired at `now`.
    pub const fn has_passed(self, now: i64) -> bool {
        now > self.0
    }

    pub(crate) const fn secs(self) -> i64 {
        self.0
    }

    pub(crate) const fn packed(self) -> Packed {
        let bits = if self.0 == i64::MAX {
            PACKED_NEVER
        } else {
            self.0
        };
        ((bits >> 32) as i8, bits as u32)
    }

    pub(crate) const fn unpacked((upper, lower): Packed) -> Expiry {
        match (upper as i64) << 32 | lower as i64 {
            PACKED_NEVER => Expiry::NEVER,
            secs => Expiry(secs),
        }
    }
}
