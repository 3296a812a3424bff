//! What has to arrive at the agent, however late: which sessions are removed, and which realms flushed.
//!
//! It stands in a ring that outlives the process that has written it and the agent that was to read it. An asker reserves a place
//! by the number of the next one, writes, and publishes by writing the number into the place. A place that stays unpublished was
//! reserved by a process that was killed or stopped.
//!
//! Where the ring is full, or what was to be told is not known, all sessions that the tree may have had by then are in doubt: the
//! agent sees to that, too, and until it has, nobody asks. Doubts are counted, as a clock may be set back.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::hearing::{Heard, Hearing};
use super::layout::{OWED_AT, OWED_BYTES, OWED_MOST, header};
use super::memory::Mailbox;
use super::request::{NAME_BYTES, OwnedRequest, Request};
use super::slots::{Sum, Unanswered, milliseconds};
use crate::sys::atomic::fence;
use crate::sys::files::write_at;

// Places in the ring. The number comes last.
const NUMBER: usize = 0;
const ABOUT: usize = 8;
const SUM: usize = 16;
const BODY: usize = 24;
const _: () = assert!(BODY + NAME_BYTES.next_multiple_of(8) <= OWED_BYTES);

/// A place that was reserved so many milliseconds ago and not published is given up.
const GIVEN_UP_AFTER: u64 = 3000;

fn place_of(number: u64) -> usize {
    OWED_AT + (number % OWED_MOST) as usize * OWED_BYTES
}

fn sum_of(number: u64, about: u64, bytes: &[u8]) -> u64 {
    Sum::of(number as u32, about).over(bytes)
}

impl Mailbox {
    /// Tells something that has to arrive.
    pub(super) fn owe(&self, request: &Request<'_>) -> Result<(), Unanswered> {
        let next = self.memory.u64(header::OWED_NEXT);
        let has_room = |number: u64| {
            // Acquire: the agent is done with what stood there.
            let taken = self.memory.u64(header::OWED_TAKEN).load(Acquire);
            let owed = number.wrapping_sub(taken);
            // What others have owed since the number was read may be taken by now: the number is tried, and read again.
            let is_old = owed > u64::MAX / 2;
            (owed < OWED_MOST || is_old).then_some(number.wrapping_add(1))
        };
        let Ok(number) = next.fetch_update(AcqRel, Relaxed, has_room) else {
            self.doubt();
            return Err(Unanswered::Full);
        };
        let is_told = request.with_bytes(|bytes, _| {
            let (at, memory) = (place_of(number), &self.memory);
            let before = memory.u64(at + NUMBER).load(Relaxed);
            // A process that was stopped for long may find others' in the place.
            if number.wrapping_sub(before) > u64::MAX / 2 {
                return false;
            }
            let about = super::slots::about(request.kind(), bytes.len());
            memory.u64(at + ABOUT).store(about, Relaxed);
            memory
                .u64(at + SUM)
                .store(sum_of(number, about, bytes), Relaxed);
            memory.write(at + BODY, bytes);
            // Release: what was written is seen with its number. One more than the number, as a new ring has zeros.
            let (place, after) = (memory.u64(at + NUMBER), number.wrapping_add(1));
            let published = place.compare_exchange(before, after, Release, Relaxed);
            published.is_ok()
        });
        if !is_told {
            self.doubt();
        }
        Ok(())
    }

    /// Has all sessions be in doubt that may be in the store by now.
    fn doubt(&self) {
        // Release: whoever sees the agent clear it sees what was asked for before.
        self.memory.u64(header::DOUBT).fetch_add(1, Release);
        self.ring();
    }

    /// Whether sessions are in doubt.
    pub(super) fn is_in_doubt(&self) -> bool {
        let doubt = self.memory.u64(header::DOUBT).load(Relaxed);
        doubt != self.memory.u64(header::CLEARED).load(Relaxed)
    }
}

impl Hearing {
    /// Takes what is owed, each with the number of what is settled with it; false if a place is reserved by a process that has not
    /// written yet, so that what it is about to tell has to be waited for.
    pub(super) fn take_owed(
        &self,
        heard: &mut Heard,
        mut each: impl FnMut(u64, OwnedRequest),
    ) -> bool {
        // Loads of memory that cannot be written are Relaxed.
        let next = self.memory.u64(header::OWED_NEXT).load(Relaxed);
        fence(Acquire);
        let taken = self.memory.u64(header::OWED_TAKEN).load(Relaxed);
        let number = next.wrapping_sub(taken);
        if number > OWED_MOST {
            // Nobody who keeps to this has written so.
            heard.owed = None;
            self.settle_owed(next);
            each(next, OwnedRequest::Damaged);
            return true;
        }
        // From where this agent has come to, or from what the last one has not settled.
        let mut now = heard
            .owed
            .filter(|owed| next.wrapping_sub(*owed) <= number)
            .unwrap_or(taken);
        while now != next {
            let at = place_of(now);
            let is_published = self.memory.u64(at + NUMBER).load(Relaxed) == now.wrapping_add(1);
            // Acquire: pairs with the Release in `owe`.
            fence(Acquire);
            if !is_published && !heard.has_given_up(now, next) {
                break;
            }
            let (request, after) = (self.read_owed(at, now), now.wrapping_add(1));
            let request = request.filter(|_| is_published);
            // What is damaged was something all the same, and so is what a process was about to tell that may come back.
            let unknown = match is_published {
                true => OwnedRequest::Damaged,
                false => OwnedRequest::Doubt(None),
            };
            each(after, request.unwrap_or(unknown));
            now = after;
        }
        heard.owed = Some(now);
        if now == next {
            heard.waiting_for = None;
        }
        let doubt = self.memory.u64(header::DOUBT).load(Relaxed);
        let is_open = doubt != self.memory.u64(header::CLEARED).load(Relaxed);
        if is_open && heard.doubted != Some(doubt) {
            heard.doubted = Some(doubt);
            each(now, OwnedRequest::Doubt(Some(doubt)));
        }
        now == next
    }

    fn read_owed(&self, at: usize, number: u64) -> Option<OwnedRequest> {
        let about = self.memory.u64(at + ABOUT).load(Relaxed);
        let len = usize::try_from(about & u64::from(u32::MAX)).ok()?;
        if len > OWED_BYTES - BODY {
            return None;
        }
        let mut bytes = Vec::new();
        self.memory.read(at + BODY, len, &mut bytes)?;
        fence(Acquire);
        let sum = self.memory.u64(at + SUM).load(Relaxed);
        let is_whole = sum == sum_of(number, about, &bytes);
        is_whole.then(|| OwnedRequest::read((about >> 32) as u32, &bytes))?
    }

    /// Notes that what was owed up to this number is done, and need not be told to a later agent.
    pub fn settle_owed(&self, number: u64) {
        write_at(self.file(), header::OWED_TAKEN, &number.to_ne_bytes());
    }

    /// Notes that the doubt of this number is over, and with it those before.
    pub fn clear_doubt(&self, number: u64) {
        write_at(self.file(), header::CLEARED, &number.to_ne_bytes());
    }
}

impl Heard {
    /// Whether the place of this number, of those before `next`, is given up: all that were reserved when the wait began end with
    /// it.
    fn has_given_up(&mut self, number: u64, next: u64) -> bool {
        match self.waiting_for {
            Some((end, since)) if (1..=OWED_MOST).contains(&end.wrapping_sub(number)) => {
                milliseconds().saturating_sub(since) > GIVEN_UP_AFTER
            }
            _ => {
                self.waiting_for = Some((next, milliseconds()));
                false
            }
        }
    }
}
