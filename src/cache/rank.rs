//! What an entry says of its use: when it was last used, in which queue it is, and how often it was used there.

/// Uses that count: beyond this an entry earns no further round in the main queue.
pub(super) const USES_MOST: u8 = 0b11;

/// A point in a time that arrivals advance: a sixteenth of the shard's entries make a moment. The count wraps after sixteen
/// turnovers; an entry that was not used for so long seems fresh to some comparisons.
#[derive(Clone, Copy, Default)]
pub(super) struct Moment(u8);

impl Moment {
    pub(super) const FIRST: Moment = Moment(0);

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    pub(super) fn from_bits(bits: u8) -> Moment {
        Moment(bits)
    }

    pub(super) fn next(self) -> Moment {
        Moment(self.0.wrapping_add(1))
    }

    pub(super) fn since(self, earlier: Moment) -> u8 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The most moments that may have passed; two of them may not have.
    pub(super) fn since_remembered(self, earlier: Remembered) -> u8 {
        (Remembered::of(self).0.wrapping_sub(earlier.0) & Remembered::MASK) << 1 | 1
    }
}

/// What is kept of the moment at which an entry that has left was last used. It tells every other moment only, and wraps after
/// eight turnovers, before which nearly every memory has made room for another.
#[derive(Clone, Copy)]
pub(super) struct Remembered(u8);

impl Remembered {
    /// The length of `bits`.
    pub(super) const BITS: u32 = 6;
    const MASK: u8 = (1 << Remembered::BITS) - 1;

    pub(super) fn of(moment: Moment) -> Remembered {
        Remembered(moment.0 >> 1 & Remembered::MASK)
    }

    pub(super) fn bits(self) -> u8 {
        self.0
    }

    /// What the lowest of the bits say.
    pub(super) fn from_bits(bits: u8) -> Remembered {
        Remembered(bits & Remembered::MASK)
    }
}

/// The rank of an entry: its queue, and its uses since it was last passed over.
#[derive(Clone, Copy, Default)]
pub(super) struct Rank {
    pub(super) uses: u8,
    pub(super) main: bool,
}

impl Rank {
    /// The length of `bits`.
    pub(super) const BITS: u32 = 3;

    pub(super) fn bits(self) -> u8 {
        self.uses | u8::from(self.main) << 2
    }

    /// The rank whose bits are the lowest of `bits`.
    pub(super) fn from_bits(bits: u8) -> Rank {
        Rank {
            uses: bits & USES_MOST,
            main: bits & 1 << 2 != 0,
        }
    }
}
