//! The agent's ear: it reads the requests of a mailbox, and answers them.
//!
//! The mapping is one to read, of a descriptor that was opened for reading only: what the agent writes goes through the kernel.
//! So the kernel still tells [whether a process has the mailbox](super::memory::Question), and an agent that is ended between two
//! writes leaves nothing that anybody has to put right.

use core::array;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use zeroize::{Zeroize, Zeroizing};

use super::layout::{
    ANSWERED_AT, BYTES, EARLY_DATA, SESSIONS, SLOTS, WORDS_AT, header, slot as place,
};
use super::memory::AgentEnd;
use super::request::OwnedRequest;
use super::slots::{
    OVER_AFTER, REPLY_MOST, REQUEST_MOST, Reply, Step, Sum, Word, about, line_of, milliseconds,
    place_of,
};
use crate::shm::Memory;
use crate::sys::atomic::{AtomicUsize, fence};
use crate::sys::files::write_at;
use crate::sys::{clock, futex};

/// What the agent serves, as processes see it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Serving {
    /// Whether it answers requests about sessions.
    pub sessions: bool,
    /// Whether sessions that are used once may be told and taken.
    pub early_data: bool,
    /// For so long it leaves the store alone.
    pub rests: Duration,
}

/// A request that waits for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    number: u32,
    slot: usize,
    /// When it was asked, by the clock of [`milliseconds`].
    since: u64,
}

impl Slot {
    /// For what is owed up to this number: nobody waits for that.
    fn of_owed(number: u64) -> Self {
        Self {
            number: 0,
            slot: SLOTS,
            since: number,
        }
    }

    /// The number that is to be [settled](Hearing::settle_owed) when this is done, if it is owed.
    pub fn owed(&self) -> Option<u64> {
        (self.slot == SLOTS).then_some(self.since)
    }

    #[cfg(test)]
    pub(super) fn index(&self) -> usize {
        self.slot
    }

    /// For how long it has waited by now.
    pub fn age(&self) -> Duration {
        Duration::from_millis(milliseconds().saturating_sub(self.since))
    }
}

/// The ear of a mailbox, which several threads may use: one to wait and take, others to answer.
pub struct Hearing {
    file: Arc<OwnedFd>,
    pub(super) memory: Memory,
    /// How many bytes of each slot's reply may be a secret.
    replied: [AtomicUsize; SLOTS],
}

/// How far the one thread has come that takes requests.
pub struct Heard {
    /// The numbers of the requests that were taken last.
    taken: [u32; SLOTS],
    /// The bell as it was before the last look.
    bell: u32,
    /// What was not published at an earlier look: the number after the last that was reserved then, and when that was.
    pub(super) waiting_for: Option<(u64, u64)>,
    /// How much of what is owed was taken.
    pub(super) owed: Option<u64>,
    /// The doubt that was told last.
    pub(super) doubted: Option<u64>,
}

impl Default for Heard {
    /// Nothing was taken.
    fn default() -> Self {
        Self {
            taken: [0; SLOTS],
            bell: 0,
            waiting_for: None,
            owed: None,
            doubted: None,
        }
    }
}

impl AgentEnd {
    /// An ear for this mailbox. Replies that an earlier agent has left are wiped.
    pub fn hear(&self) -> io::Result<Hearing> {
        let file = self.file_of_both();
        let again = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        let memory = Memory::to_read(again.as_raw_fd(), BYTES)?;
        // One that was never answered has no reply.
        let replied = |slot| {
            let line = line_of(ANSWERED_AT, place_of(slot));
            match memory.u32(line).load(Relaxed) {
                0 => 0,
                _ => REPLY_MOST,
            }
        };
        Ok(Hearing {
            file,
            replied: array::from_fn(|slot| AtomicUsize::new(replied(slot))),
            memory,
        })
    }

    /// Says what the agent serves, and that it is at work.
    pub fn serve(&self, serving: Serving) {
        self.beat(clock::second());
        let mut serves = 0;
        if serving.sessions {
            serves |= SESSIONS;
        }
        if serving.early_data {
            serves |= EARLY_DATA;
        }
        let until = match serving.rests.is_zero() {
            true => 0,
            false => milliseconds() + serving.rests.as_millis() as u64,
        };
        let words = [serves, until];
        const { assert!(header::RESTS_UNTIL == header::SERVES + 8) };
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        write_at(&self.file(), header::SERVES, &bytes);
    }
}

impl Hearing {
    /// The mailbox, to be written to.
    pub(super) fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Waits until something is asked or told, for `most` at most.
    pub fn wait(&self, heard: &Heard, most: Duration) {
        futex::wait(self.memory.u32(header::BELL), heard.bell, most);
    }

    /// Has a thread that waits look up.
    pub fn rouse(&self) {
        futex::wake(self.memory.u32(header::BELL), i32::MAX);
    }

    /// Takes what was asked and told since: first what has to arrive, so that nobody is answered who asked after that was told.
    /// What nobody waits for is answered by that. At most as many as there are places, whatever the processes do. False if a process is
    /// in the middle of telling what has to arrive.
    pub fn take(&self, heard: &mut Heard, mut each: impl FnMut(Slot, OwnedRequest)) -> bool {
        let bell = self.memory.u32(header::BELL).load(Relaxed);
        // Acquire: what was asked before the bell was rung is seen. Loads of memory that cannot be written are Relaxed.
        fence(Acquire);
        let now = milliseconds();
        let words: [Word; SLOTS] = array::from_fn(|slot| self.word(place_of(slot)));
        let is_all = self.take_owed(heard, |number, request| {
            each(Slot::of_owed(number), request);
        });
        // While something is being told, nobody is answered, and it is looked for again at once.
        heard.bell = bell.wrapping_sub(u32::from(!is_all));
        for (slot, word) in words.into_iter().enumerate() {
            let is_awaited = word.step() == Step::Asked;
            // An asker reads its reply before it frees the slot.
            self.forget_reply(slot, is_awaited);
            if is_awaited && !is_all || !matches!(word.step(), Step::Asked | Step::Told) {
                continue;
            }
            if let Some(request) = self.take_one(heard, slot, word) {
                // Of a process whose clock is another, as in a time namespace, it counts as asked now.
                let age = match word.age(now) {
                    age @ 0..=OVER_AFTER => age,
                    _ => 0,
                };
                let since = now.saturating_sub(age);
                let number = word.number();
                each(
                    Slot {
                        number,
                        slot,
                        since,
                    },
                    request,
                );
            }
        }
        is_all
    }

    /// Takes what stands in a slot under this word, unless that was done.
    fn take_one(&self, heard: &mut Heard, slot: usize, word: Word) -> Option<OwnedRequest> {
        let (at, number) = (place_of(slot), word.number());
        let answered = self.memory.u32(line_of(ANSWERED_AT, at)).load(Relaxed);
        if number == answered {
            return None;
        }
        let request = match number == heard.taken[slot] {
            false => self.read(at, number),
            // A late answer to an earlier use of the slot has taken the place of this one's number.
            true => None,
        };
        heard.taken[slot] = number;
        if word.step() != Step::Asked {
            // The session's secret is not left behind.
            let len = self.len_of(at).unwrap_or(REQUEST_MOST);
            self.wipe(at + place::REQUEST, len);
            self.mark_answered(at, number);
        }
        request
    }

    fn word(&self, at: usize) -> Word {
        let word = self.memory.u64(line_of(WORDS_AT, at)).load(Relaxed);
        // Acquire: the request is seen with its number.
        fence(Acquire);
        Word(word)
    }

    /// The request in a slot; `None` if it is damaged.
    fn read(&self, at: usize, number: u32) -> Option<OwnedRequest> {
        let about = self.memory.u64(at + place::ABOUT).load(Relaxed);
        let len = self.len_of(at)?;
        let mut bytes = Zeroizing::new(Vec::new());
        self.memory.read(at + place::REQUEST, len, &mut bytes)?;
        fence(Acquire);
        let sum = self.memory.u64(at + place::SUM).load(Relaxed);
        let is_whole = sum == Sum::of(number, about).over(&bytes);
        let kind = u32::try_from(about >> 32).ok()?;
        is_whole.then(|| OwnedRequest::read(kind, &bytes))?
    }

    /// The length of the request in a slot; `None` if it is none.
    fn len_of(&self, at: usize) -> Option<usize> {
        let about = self.memory.u64(at + place::ABOUT).load(Relaxed);
        let len = usize::try_from(about & u64::from(u32::MAX)).ok()?;
        (len <= REQUEST_MOST).then_some(len)
    }

    /// Overwrites as many bytes, of one request or reply.
    fn wipe(&self, at: usize, len: usize) {
        const { assert!(REQUEST_MOST <= REPLY_MOST) };
        write_at(&*self.file, at, &[0; REPLY_MOST][..len]);
    }

    fn mark_answered(&self, at: usize, number: u32) {
        write_at(&*self.file, line_of(ANSWERED_AT, at), &number.to_ne_bytes());
    }

    /// Overwrites a reply that was taken, or to which nobody has come back.
    fn forget_reply(&self, slot: usize, is_wanted: bool) {
        // Relaxed: it orders nothing.
        if !is_wanted && self.replied[slot].load(Relaxed) > 0 {
            let len = self.replied[slot].swap(0, Relaxed);
            self.wipe(place_of(slot) + place::REPLY, len);
        }
    }

    /// Answers a request that was asked. Nothing happens if the reply is too long, or if nobody waits for it any more: it would
    /// take the place of the next asker's.
    pub fn answer(&self, slot: Slot, reply: Reply, record: &[u8]) {
        let at = place_of(slot.slot);
        let word = self.word(at);
        let is_awaited = word.step() == Step::Asked && word.number() == slot.number;
        if record.len() > REPLY_MOST || !is_awaited {
            return;
        }
        let about = about(reply as u32, record.len());
        let sum = Sum::of(slot.number, about).over(record);
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 + record.len()));
        bytes.extend_from_slice(&about.to_ne_bytes());
        bytes.extend_from_slice(&sum.to_ne_bytes());
        bytes.extend_from_slice(record);
        const { assert!(place::REPLY == place::REPLY_ABOUT + 16) };
        write_at(&*self.file, at + place::REPLY_ABOUT, &bytes);
        // After the record: the other thread, which wipes, would otherwise forget one that is yet to be written.
        self.replied[slot.slot].fetch_max(record.len(), Relaxed);
        bytes.zeroize();
        self.mark_answered(at, slot.number);
        // All: one that was stopped may still wait for an earlier number.
        futex::wake(self.memory.u32(line_of(ANSWERED_AT, at)), i32::MAX);
    }
}
