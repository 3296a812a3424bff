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

    /// The packed expiry; `None` if it cannot be packed.
    #[inline]
    pub(super) const fn try_packed(self) -> Option<Packed> {
        let bits = match self.0 {
            FIRST..=LAST => self.0,
            i64::MAX => PACKED_NEVER,
            _ => return None,
        };
        Some(((bits >> 32) as i8, bits as u32))
    }

    /// The nearest expiry that can be packed.
    pub(crate) const fn nearest(self) -> Expiry {
        match self.0 {
            ..FIRST => Expiry(FIRST),
            FIRST..=LAST | i64::MAX => self,
            _ => Expiry(LAST),
        }
    }

    /// The packed expiry, or the nearest one that can be packed.
    pub(crate) const fn packed(self) -> Packed {
        match self.nearest().try_packed() {
            Some(packed) => packed,
            None => (i8::MAX, u32::MAX), // not reached: `nearest` can be packed
        }
    }

    /// The expiry that was packed.
    pub(crate) const fn unpacked((upper, lower): Packed) -> Expiry {
        match (upper as i64) << 32 | lower as i64 {
            PACKED_NEVER => Expiry::NEVER,
            secs => Expiry(secs),
        }
    }
}
