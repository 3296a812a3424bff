//! What the fuzzers share: their entry, and an input as a sequence of numbers.

/// What a fuzzer does with an input: libFuzzer's entry, or the function `fuzz` of a module of `smoke.rs`.
#[cfg(feature = "libfuzzer")]
#[macro_export]
macro_rules! target {
    (|$input:ident: &$kind:tt| $body:block) => {
        libfuzzer_sys::fuzz_target!(|$input: &$kind| $body);
    };
}

/// The same without libFuzzer.
#[cfg(not(feature = "libfuzzer"))]
#[macro_export]
macro_rules! target {
    (|$input:ident: &[u8]| $body:block) => {
        pub fn fuzz($input: &[u8]) $body
    };
    (|$input:ident: &str| $body:block) => {
        pub fn fuzz(bytes: &[u8]) {
            let Ok($input) = std::str::from_utf8(bytes) else {
                return;
            };
            $body
        }
    };
}

/// The bytes of an input, from the front. After the last one there are zeros.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes([self.u8(), self.u8()])
    }

    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(core::array::from_fn(|_| self.u8()))
    }

    pub fn below(&mut self, bound: u8) -> u8 {
        self.u8() % bound
    }

    pub fn flip(&mut self) -> bool {
        self.u8() & 1 != 0
    }

    pub fn bytes(&mut self, most: usize) -> &[u8] {
        let (bytes, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// A number that is often a special one.
    pub fn odd(&mut self) -> u64 {
        match self.u8() {
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX >> 1,
            3 => 1 << 63,
            4 => u64::from(u32::MAX),
            5 => 1 << 31,
            6..64 => self.u8().into(),
            64..128 => self.u16().into(),
            _ => self.u64(),
        }
    }

    /// A change of a word: in part, by a step, or as a whole.
    pub fn change(&mut self) -> impl FnOnce(u64) -> u64 + use<> {
        let (how, number) = (self.below(6), self.odd());
        move |word| match how {
            0 => number,
            1 => word & !0xffff_ffff | number & 0xffff_ffff,
            2 => word & 0xffff_ffff | number << 32,
            3 => word.wrapping_add(number),
            4 => word ^ 1 << (number % 64),
            _ => word.rotate_left(32),
        }
    }
}
