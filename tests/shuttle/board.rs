//! What several processes have done with records, and what none of them may find after that.
//!
//! Each put has a number of its own in its record. The board counts moments, and notes when each call began and returned.

use std::sync::{Arc, Mutex};

/// A put of a record.
struct Put {
    key: u64,
    returned: Option<u64>,
    when: When,
}

/// Under which condition a record is put.
#[derive(Clone, Copy)]
pub enum When {
    Always,
    /// While the board is open.
    Open,
    /// In place of the record of this number.
    Over(u64),
}

/// A call that takes records of a key away.
struct Gone {
    key: u64,
    began: u64,
    returned: u64,
    /// The number of the record that is there instead.
    stays: Option<u64>,
}

#[derive(Default)]
struct Notes {
    moment: u64,
    puts: Vec<Put>,
    gone: Vec<Gone>,
    consumed: Vec<u64>,
    closed: Option<u64>,
}

impl Notes {
    /// From when on the record of this number is removed for good by whatever removes it: when the put had returned; when it was over
    /// that any could be put; when what it took the place of was there.
    fn settled(&self, number: u64) -> Option<u64> {
        let put = &self.puts[number as usize];
        match put.when {
            When::Always => put.returned,
            When::Open => put.returned.into_iter().chain(self.closed).min(),
            When::Over(other) => self.settled(other),
        }
    }
}

#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Notes>>);

impl Board {
    fn with<R>(&self, act: impl FnOnce(&mut Notes) -> R) -> R {
        let mut notes = self
            .0
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        notes.moment += 1;
        act(&mut notes)
    }

    /// A call begins.
    pub fn begin(&self) -> u64 {
        self.with(|notes| notes.moment)
    }

    /// A put begins; its number.
    pub fn put(&self, key: u64, when: When) -> u64 {
        self.with(|notes| {
            let returned = None;
            notes.puts.push(Put {
                key,
                returned,
                when,
            });
            notes.puts.len() as u64 - 1
        })
    }

    /// A put is over that began at that moment. One that was done has taken the place of what was there.
    pub fn is_put(&self, number: u64, began: u64, is_done: bool) {
        self.with(|notes| {
            let returned = notes.moment;
            let put = &mut notes.puts[number as usize];
            put.returned = Some(returned);
            let (key, stays) = (put.key, Some(number));
            if is_done {
                notes.gone.push(Gone {
                    key,
                    began,
                    returned,
                    stays,
                });
            }
        });
    }

    /// A call is over, which began at that moment, after which no record of this key is there that was before.
    pub fn is_removed(&self, key: u64, began: u64) {
        self.with(|notes| {
            let (returned, stays) = (notes.moment, None);
            notes.gone.push(Gone {
                key,
                began,
                returned,
                stays,
            });
        });
    }

    /// A record of the key that may be there.
    pub fn any_of(&self, key: u64) -> Option<u64> {
        self.with(|notes| {
            notes
                .puts
                .iter()
                .rposition(|put| put.key == key)
                .map(|at| at as u64)
        })
    }

    pub fn is_open(&self) -> bool {
        self.with(|notes| notes.closed.is_none())
    }

    pub fn close(&self) {
        self.with(|notes| {
            notes.closed.get_or_insert(notes.moment);
        });
    }

    /// A call that began at that moment has found a record.
    pub fn is_found(&self, key: u64, number: u64, began: u64) {
        self.with(|notes| {
            assert_eq!(notes.puts[number as usize].key, key);
            let settled = notes.settled(number).unwrap_or(u64::MAX);
            let removal = notes.gone.iter().find(|gone| {
                gone.key == key
                    && gone.stays != Some(number)
                    && gone.began > settled
                    && gone.returned < began
            });
            assert!(
                removal.is_none(),
                "record {number} is found after its removal (moments {settled}, {:?}, {began})",
                removal.map(|gone| (gone.began, gone.returned))
            );
        });
    }

    /// The same, of a call that has used it up.
    pub fn is_consumed(&self, key: u64, number: u64, began: u64) {
        self.is_found(key, number, began);
        self.with(|notes| {
            assert!(
                !notes.consumed.contains(&number),
                "record {number} is consumed twice"
            );
            notes.consumed.push(number);
        });
    }
}
