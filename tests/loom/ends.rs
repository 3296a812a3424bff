//! Both ends of a mailbox, on memory that is played.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use crate::mailbox::layout::{ANSWERED_AT, OWED_AT, OWED_BYTES, SLOTS_AT, WORDS_AT, header, slot};
use crate::played::memory::Memory;

pub struct Mailbox {
    pub memory: Memory,
}

impl Mailbox {
    pub fn make() -> (Self, AgentEnd) {
        let memory = Memory::of_new_file();
        // A word that a thread uses has to be there before the thread is.
        let owed = (0..2)
            .flat_map(|number| (0..4).map(move |word| OWED_AT + number * OWED_BYTES + 8 * word));
        let of_slot = [
            slot::ABOUT,
            slot::SUM,
            slot::REQUEST,
            slot::REPLY_ABOUT,
            slot::REPLY_SUM,
            slot::REPLY,
        ];
        [
            header::BREAKER,
            header::OWED_NEXT,
            header::OWED_TAKEN,
            header::DOUBT,
            header::CLEARED,
            WORDS_AT,
        ]
        .into_iter()
        .chain(of_slot.map(|word| SLOTS_AT + word))
        .chain(owed)
        .for_each(|at| {
            memory.u64(at);
        });
        memory.u32(header::BELL);
        memory.u32(ANSWERED_AT);
        (Self { memory }, AgentEnd)
    }

    pub fn last_beat(&self) -> i64 {
        1
    }
}

pub struct AgentEnd;

impl AgentEnd {
    pub fn beat(&self, _now: i64) {}

    pub fn file(&self) -> Arc<OwnedFd> {
        self.file_of_both()
    }

    /// Some file that is open: all that is written to it goes to the memory that is played.
    pub fn file_of_both(&self) -> Arc<OwnedFd> {
        static FILE: OnceLock<Arc<OwnedFd>> = OnceLock::new();
        let open = || Arc::new(File::open("/dev/null").expect("a file").into());
        FILE.get_or_init(open).clone()
    }
}

/// Requests that have one word.
pub mod request {
    pub const NAME_BYTES: usize = 8;

    pub enum Request<'a> {
        Look(&'a [u8; 8]),
        Remove(&'a [u8; 8]),
    }

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub enum OwnedRequest {
        Look([u8; 8]),
        Remove([u8; 8]),
        Doubt(Option<u64>),
        Damaged,
    }

    impl Request<'_> {
        pub fn kind(&self) -> u32 {
            match self {
                Self::Look(_) => 1,
                Self::Remove(_) => 2,
            }
        }

        pub fn has_to_arrive(&self) -> bool {
            matches!(self, Self::Remove(_))
        }

        pub fn with_bytes<T>(&self, write: impl FnOnce(&[u8], &[u8]) -> T) -> T {
            match self {
                Self::Look(name) | Self::Remove(name) => write(*name, &[]),
            }
        }
    }

    impl OwnedRequest {
        pub fn read(kind: u32, bytes: &[u8]) -> Option<Self> {
            let name = bytes.try_into().ok()?;
            match kind {
                1 => Some(Self::Look(name)),
                2 => Some(Self::Remove(name)),
                _ => None,
            }
        }
    }
}
