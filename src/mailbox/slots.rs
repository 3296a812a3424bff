//! Requests to the agent and its replies, as the processes see them.
//!
//! A slot carries one request at a time. Askers write the one half of it, the agent the other, and neither writes into the
//! other's: so the agent needs no mapping that it could write to, and nothing that it leaves behind when it ends has to be put
//! right.
//!
//! Each use of a slot has a number. `WORD` is that number, the millisecond in which the use began, and the step that the asker has
//! come to; `ANSWERED` is the number of the last request that the agent has answered.
//!
//! | step | who | `WORD` |
//! |---|---|---|
//! | claim | an asker | n, any use that is over → n + 1, CLAIMED |
//! | ask | the same | n, CLAIMED → n, ASKED: somebody waits; n, TOLD: nobody does |
//! | answer | the agent | reads n; writes the reply, then `ANSWERED` = n |
//! | take | the asker | sees `ANSWERED` = n; n, ASKED → n, FREE |
//! | give up | the asker, whose time is over | n, ASKED → n, FREE |
//!
//! Any of them may be stopped or killed at any of these steps. A use that began long ago is over whatever its step but TOLD. An
//! asker that comes back after that finds another number, and goes away. What it has written by then is in somebody else's
//! request: the checksum, which has the number in it, tells the agent, and the request counts as not asked. So does that of a
//! reply to a request that was given up.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;

use zeroize::Zeroize;

use super::breaker::Breaker;
use super::layout::{
    ANSWERED_AT, EARLY_DATA, LINE_BYTES, SESSIONS, SLOT_BYTES, SLOTS, SLOTS_AT, WORDS_AT, header,
    slot as place,
};
use super::memory::Mailbox;
use super::request::Request;
use crate::sys::atomic::{AtomicU32, AtomicU64, fence};
use crate::sys::{clock, futex};

/// The most bytes of a request.
pub const REQUEST_MOST: usize = place::REQUEST_MOST;
/// The most bytes of a reply.
pub const REPLY_MOST: usize = place::REPLY_MOST;

/// No asker is at work for so many milliseconds: a use that began before that is over.
pub(super) const OVER_AFTER: u64 = 3000;
/// An agent that was last at work so many seconds ago is not asked.
const BEAT_MOST: u64 = 3;

/// What an asker has come to with a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    Free = 0,
    Claimed = 1,
    /// An asker waits for the answer.
    Asked = 2,
    /// Nobody waits.
    Told = 3,
}

const STEP_BITS: u32 = 2;
const SINCE_BITS: u32 = 30;

/// The number of a use of a slot, when it began, and the step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Word(pub u64);

impl Word {
    pub fn step(self) -> Step {
        match self.0 & ((1 << STEP_BITS) - 1) {
            0 => Step::Free,
            1 => Step::Claimed,
            2 => Step::Asked,
            _ => Step::Told,
        }
    }

    /// The number, which is 0 for a slot that was never used.
    pub fn number(self) -> u32 {
        (self.0 >> (STEP_BITS + SINCE_BITS)) as u32
    }

    /// For how many milliseconds the use has lasted; 0 if it began after the clock was read, which others do meanwhile.
    pub fn age(self, now: u64) -> u64 {
        let mask = (1 << SINCE_BITS) - 1;
        let age = (now & mask).wrapping_sub(self.0 >> STEP_BITS & mask) & mask;
        if age > mask / 2 { 0 } else { age }
    }

    fn at(self, step: Step) -> Self {
        Self(self.0 >> STEP_BITS << STEP_BITS | step as u64)
    }

    fn next(self, now: u64) -> Self {
        let number = match self.number().wrapping_add(1) {
            0 => 1,
            number => number,
        };
        let since = now & ((1 << SINCE_BITS) - 1);
        let word = u64::from(number) << (STEP_BITS + SINCE_BITS) | since << STEP_BITS;
        Self(word | Step::Claimed as u64)
    }
}

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswered {
    /// All slots are in use.
    Full,
    /// The time was over.
    Late,
    /// There were too many late answers: nobody asks for a while.
    Rests,
    /// Request or reply are too long, or were damaged.
    Odd,
}

/// What the agent answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// No session; or it must not be told whether there is one.
    None = 0,
    /// A session, with its record.
    Found = 1,
}

/// A checksum over the number of a use, what is said and the bytes, eight at a time: it is taken for each request and reply.
pub(super) struct Sum(u64);

impl Sum {
    pub fn of(number: u32, about: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15).and(number.into()).and(about)
    }

    fn and(self, word: u64) -> Self {
        let mixed = (self.0 ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        Self(mixed ^ mixed >> 32)
    }

    /// With bytes that are followed by zeros up to the next word.
    pub fn over(self, bytes: &[u8]) -> u64 {
        let (words, rest) = bytes.as_chunks();
        let sum = words
            .iter()
            .fold(self, |sum, word| sum.and(u64::from_ne_bytes(*word)));
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        sum.and(u64::from_ne_bytes(last)).0
    }
}

/// What is said, and how many bytes it has.
pub(super) fn about(kind: u32, len: usize) -> u64 {
    u64::from(kind) << 32 | len as u64
}

/// The place of a slot.
pub(super) fn place_of(slot: usize) -> usize {
    SLOTS_AT + slot % SLOTS * SLOT_BYTES
}

/// The line of the slot at this place, of those that begin at `lines`.
pub(super) fn line_of(lines: usize, slot_at: usize) -> usize {
    lines + (slot_at - SLOTS_AT) / SLOT_BYTES * LINE_BYTES
}

/// A slot, as askers see it.
struct Slot<'a> {
    mailbox: &'a Mailbox,
    at: usize,
}

impl Slot<'_> {
    fn word(&self) -> &AtomicU64 {
        self.mailbox.memory.u64(line_of(WORDS_AT, self.at))
    }

    fn answered(&self) -> &AtomicU32 {
        self.mailbox.memory.u32(line_of(ANSWERED_AT, self.at))
    }

    /// Whether nobody is at work with this use of the slot any more.
    fn is_over(&self, word: Word, now: u64) -> bool {
        let is_answered = || self.answered().load(Acquire) == word.number();
        match word.step() {
            Step::Free => true,
            // Not by its age: an agent that was held up wipes it before it answers.
            Step::Told => is_answered(),
            Step::Claimed | Step::Asked => word.age(now) > OVER_AFTER,
        }
    }

    /// Claims the slot if it is over.
    fn claim(&self, now: u64) -> Option<Word> {
        let word = Word(self.word().load(Acquire));
        let claimed = self.is_over(word, now).then(|| word.next(now))?;
        self.go_on(word, claimed).then_some(claimed)
    }

    fn go_on(&self, from: Word, to: Word) -> bool {
        // AcqRel: Acquire for a claim, Release for what is asked.
        let gone_on = self.word().compare_exchange(from.0, to.0, AcqRel, Relaxed);
        gone_on.is_ok()
    }

    /// Writes a request; `None` if it is too long.
    fn write(&self, word: Word, request: &Request<'_>) -> Option<()> {
        request.with_bytes(|head, rest| {
            let len = head.len() + rest.len();
            if len > REQUEST_MOST {
                return None;
            }
            let mut bytes = [0; REQUEST_MOST];
            bytes[..head.len()].copy_from_slice(head);
            bytes[head.len()..len].copy_from_slice(rest);
            let about = about(request.kind(), len);
            let memory = &self.mailbox.memory;
            memory.u64(self.at + place::ABOUT).store(about, Relaxed);
            let sum = Sum::of(word.number(), about).over(&bytes[..len]);
            memory.u64(self.at + place::SUM).store(sum, Relaxed);
            memory.write(self.at + place::REQUEST, &bytes[..len]);
            bytes[..len].zeroize();
            Some(())
        })
    }

    /// Reads the reply to this use of the slot; `None` if it is damaged.
    fn read(&self, word: Word, record: &mut Vec<u8>) -> Option<bool> {
        let memory = &self.mailbox.memory;
        let about = memory.u64(self.at + place::REPLY_ABOUT).load(Relaxed);
        let len = usize::try_from(about & u64::from(u32::MAX)).ok()?;
        if len > REPLY_MOST {
            return None;
        }
        memory.read(self.at + place::REPLY, len, record)?;
        fence(Acquire);
        let sum = memory.u64(self.at + place::REPLY_SUM).load(Relaxed);
        let is_whole = sum == Sum::of(word.number(), about).over(record);
        is_whole.then_some(about >> 32 == Reply::Found as u64)
    }
}

impl Mailbox {
    /// Whether requests about sessions are answered now. A few loads.
    pub fn is_served(&self) -> bool {
        let serves = self.memory.u64(header::SERVES).load(Relaxed);
        serves & SESSIONS != 0 && {
            let now = milliseconds();
            let rests = self.memory.u64(header::RESTS_UNTIL).load(Relaxed);
            let rests = (1..=OVER_AFTER).contains(&rests.saturating_sub(now));
            !rests && !self.breaker().is_open(now) && !self.is_in_doubt() && self.is_beating()
        }
    }

    /// Whether the agent was at work a moment ago.
    fn is_beating(&self) -> bool {
        clock::second().abs_diff(self.last_beat()) <= BEAT_MOST
    }

    /// Whether sessions that are used once may be told and taken.
    pub fn serves_early_data(&self) -> bool {
        self.memory.u64(header::SERVES).load(Relaxed) & EARLY_DATA != 0
    }

    fn breaker(&self) -> Breaker<'_> {
        Breaker(self.memory.u64(header::BREAKER))
    }

    /// Asks, and waits for the answer for `most` at most. True if there is a session; `record` is what the agent has of it.
    pub fn ask(
        &self,
        request: &Request<'_>,
        most: Duration,
        record: &mut Vec<u8>,
    ) -> Result<bool, Unanswered> {
        let begun = milliseconds();
        if !self.breaker().may_ask(begun) {
            return Err(Unanswered::Rests);
        }
        let (slot, word) = self.begin(request, begun)?;
        let asked = word.at(Step::Asked);
        if !slot.go_on(word, asked) {
            return Err(Unanswered::Late);
        }
        self.ring();
        let is_answered = slot.wait(word.number(), most);
        let answer = is_answered.then(|| slot.read(word, record));
        // The session's secret is not left behind, where this asker still has the slot.
        let is_own = slot.word().load(Relaxed) == asked.0;
        if is_own {
            request.with_bytes(|head, rest| {
                let end = place::REQUEST + (head.len() + rest.len()).next_multiple_of(8);
                self.memory.wipe(slot.at + place::REQUEST, slot.at + end);
            });
            slot.go_on(asked, asked.at(Step::Free));
        }
        match answer {
            None => {
                self.breaker().note_late(milliseconds());
                Err(Unanswered::Late)
            }
            Some(read) => {
                self.breaker().note_answer();
                read.filter(|_| is_own).ok_or(Unanswered::Odd)
            }
        }
    }

    /// Tells the agent something. Nobody waits for that. A removal or a flush arrives, however late; or else nobody asks for
    /// sessions until the agent has seen to that.
    pub fn tell(&self, request: &Request<'_>) -> Result<(), Unanswered> {
        if request.has_to_arrive() {
            let owed = self.owe(request);
            self.ring();
            return owed;
        }
        let (slot, word) = self.begin(request, milliseconds())?;
        match slot.go_on(word, word.at(Step::Told)) {
            true => {
                self.ring();
                Ok(())
            }
            false => Err(Unanswered::Late),
        }
    }

    /// Claims a slot and writes a request into it.
    fn begin(&self, request: &Request<'_>, now: u64) -> Result<(Slot<'_>, Word), Unanswered> {
        // The lowest that is free: memory is touched for as many as are ever used at once.
        let slots = (0..SLOTS).map(|slot| Slot {
            mailbox: self,
            at: place_of(slot),
        });
        let mut free = slots.filter_map(|slot| slot.claim(now).map(|word| (slot, word)));
        let (slot, word) = free.next().ok_or(Unanswered::Full)?;
        match slot.write(word, request) {
            Some(()) => Ok((slot, word)),
            None => {
                slot.go_on(word, word.at(Step::Free));
                Err(Unanswered::Odd)
            }
        }
    }

    /// Has the agent look.
    pub(super) fn ring(&self) {
        let bell = self.memory.u32(header::BELL);
        // Release: an agent that sees the bell sees what was asked.
        bell.fetch_add(1, Release);
        futex::wake(bell, 1);
    }
}

impl Slot<'_> {
    /// Waits until the agent has answered this request; false if `most` is over before.
    fn wait(&self, number: u32, most: Duration) -> bool {
        let end = clock::of(libc::CLOCK_MONOTONIC) + most;
        loop {
            // Acquire: the reply is seen with its number.
            let answered = self.answered().load(Acquire);
            if answered == number {
                return true;
            }
            let left = end.saturating_sub(clock::of(libc::CLOCK_MONOTONIC));
            if left.is_zero() {
                return false;
            }
            futex::wait(self.answered(), answered, left);
        }
    }
}

/// The milliseconds of a clock that nobody sets.
pub(super) fn milliseconds() -> u64 {
    clock::of(libc::CLOCK_MONOTONIC).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_that_began_after_the_clock_was_read_is_not_over() {
        let (mailbox, _file) = Mailbox::make().unwrap();
        let slot = Slot {
            mailbox: &mailbox,
            at: place_of(0),
        };
        let word = slot.claim(5001).unwrap();
        assert_eq!(word.age(5000), 0);
        assert!(slot.claim(5000).is_none());
        assert!(slot.claim(5001 + OVER_AFTER).is_none());
        assert!(slot.claim(5002 + OVER_AFTER).is_some());
    }
}
