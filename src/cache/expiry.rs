//! Expiry: the second after which a session may no longer be resumed.

/// The last second in which a session is good: it has expired when `now > expiry`, strictly, as in libssl. The caller
/// chooses the clock; seconds may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Expiry(i64);

/// An expiry as an entry keeps it, in five bytes: the upper eight bits, then the lower ones. Only expiries within 17,400
/// years of zero fit; the lowest upper part marks one that is kept elsewhere.
pub(crate) type Packed = (i8, u32);

/// The upper part of an expiry that does not fit; the lower part then says where it is kept.
pub(super) const FAR: i8 = i8::MIN;
const FIRST: i64 = (FAR as i64 + 1) << 32;
/// The largest number of 40 bits stands for never.
const PACKED_NEVER: i64 = (1 << 39) - 1;
const LAST: i64 = PACKED_NEVER - 1;

impl Expiry {
    /// Later than any second.
    pub const NEVER: Expiry = Expiry(i64::MAX);

    /// Good up to and including the second `secs`; `i64::MAX` means never.
    pub const fn at(secs: i64) -> Expiry {
        Expiry(secs)
    }

    /// True if a session with this expiry has expired at `now`.
    pub const fn has_passed(self, now: i64) -> bool {
        now > self.0
    }

    pub(crate) const fn secs(self) -> i64 {
        self.0
    }

    /// True if the expiry can be packed.
    pub(super) const fn is_near(self) -> bool {
        FIRST <= self.0 && self.0 <= LAST || self.0 == i64::MAX
    }

    /// The nearest expiry that can be packed.
    pub(crate) const fn nearest(self) -> Expiry {
        if self.is_near() {
            self
        } else if self.0 < FIRST {
            Expiry(FIRST)
        } else {
            Expiry(LAST)
        }
    }

    /// The packed expiry, or the nearest one that can be packed.
    pub(crate) const fn packed(self) -> Packed {
        let bits = match self.nearest().0 {
            i64::MAX => PACKED_NEVER,
            secs => secs,
        };
        ((bits >> 32) as i8, bits as u32)
    }

    /// The expiry that was packed.
    pub(crate) const fn unpacked((upper, lower): Packed) -> Expiry {
        match (upper as i64) << 32 | lower as i64 {
            PACKED_NEVER => Expiry::NEVER,
            secs => Expiry(secs),
        }
    }
}
