//! What a process writes into the page while it lives, and the requests of other processes that it finds there.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed},
};

use super::super::figures::{Context, Sums, TicketKeys};
use super::super::layout::{CONTEXTS_SHOWN, context, header, slot as place};
use super::{LOOKED_IN, PAGE, Page, SLOT, claim, seconds};
use crate::sys::clock;
use crate::sys::forks::this_process;

/// How long the answer to whether a flush is wanted is reused, as asking takes a system call.
pub const ASKED_EVERY_MS: u64 = 10;

/// The time of a clock that is read without a system call and is never set.
fn milliseconds() -> u64 {
    clock::of(libc::CLOCK_MONOTONIC_COARSE).as_millis() as u64
}

/// This process's slot.
#[derive(Clone, Copy)]
pub struct Slot {
    page: &'static Page,
    at: usize,
}

/// This process's slot, if it has one.
pub fn slot() -> Option<Slot> {
    let page = PAGE.get()?.as_ref()?;
    // Acquire: pairs with the Release in `claim`.
    if LOOKED_IN.load(Acquire) != this_process() {
        // This process was forked by other means than fork(3), or before there was a file.
        claim(page);
        page.show_counts();
    }
    let at = SLOT.load(Relaxed);
    (at != 0).then_some(Slot { page, at })
}

impl Slot {
    fn word(&self, at: usize) -> &AtomicU64 {
        assert!(at < place::WORDS);
        self.page.word(self.at + at)
    }

    /// Publishes the statistics of this process.
    pub fn publish(&self, sums: &Sums, contexts: &[Context]) {
        for (number, &sum) in sums.figures.iter().enumerate() {
            self.word(place::FIGURES + number).store(sum, Relaxed);
        }
        self.word(place::CONTEXTS).store(sums.contexts, Relaxed);
        self.word(place::SESSIONS).store(sums.sessions, Relaxed);
        self.word(place::MEMORY).store(sums.memory, Relaxed);
        let shown = contexts.iter().take(CONTEXTS_SHOWN);
        self.word(place::SHOWN).store(shown.len() as u64, Relaxed);
        for (number, known) in shown.enumerate() {
            let at = place::FIRST_CONTEXT + number * context::WORDS;
            let parts = [known.verify, known.id_context, known.flags, known.keys].map(u64::from);
            let kind = u64::from(known.mode)
                | parts[0] << 32
                | parts[1] << 40
                | parts[2] << 48
                | parts[3] << 56;
            for (word, value) in [
                (context::KIND, kind),
                (context::OPTIONS, known.options),
                (context::CAPACITY, known.capacity),
                (context::SESSIONS, known.sessions),
                (context::HITS, known.hits),
                (context::MISSES, known.misses),
                (context::ACCEPTED, known.accepted),
                (context::RESUMED, known.resumed),
                (context::CONNECTED, known.connected),
                (context::ORIGIN, known.origin),
            ] {
                self.word(at + word).store(value, Relaxed);
            }
            for (number, &[low, high]) in known.attributes.as_chunks().0.iter().enumerate() {
                let value = u64::from(low) | u64::from(high) << 32;
                self.word(at + context::ATTRIBUTES + number)
                    .store(value, Relaxed);
            }
        }
        self.word(place::PUBLISHED).store(seconds(), Relaxed);
        self.page.show_slot(self.at);
    }
}

/// Publishes the statistics of the shared region, and what may be told of the ticket keys there.
pub fn publish_region(figures: &[u64], keys: Option<&TicketKeys>) {
    if let Some(Some(page)) = PAGE.get() {
        for (number, &figure) in figures.iter().enumerate() {
            page.word(header::REGION + number).store(figure, Relaxed);
        }
        if let Some(keys) = keys {
            let words = [keys.made, keys.turn_ends, keys.number, keys.until];
            for (number, word) in words.into_iter().enumerate() {
                page.word(header::KEYS + number).store(word, Relaxed);
            }
        }
        page.show_counts();
    }
}

/// How often a flush was asked for, as of at most [`ASKED_EVERY_MS`] ago.
pub fn flushes() -> u64 {
    let page = PAGE.get().and_then(Option::as_ref);
    page.map_or(0, |page| requests_of(page)[0])
}

/// The last orders to end the turn of the ticket keys and to forget them, as of at most [`ASKED_EVERY_MS`] ago: the number of
/// each, and the word with that of the last one which a process has carried out for all. The last word is for the first epoch
/// whose keys of the fleet may be used after the order to forget keys.
pub fn orders() -> Option<([(u64, &'static AtomicU64); 2], &'static AtomicU64)> {
    let page = PAGE.get()?.as_ref()?;
    let [_, turn, forget] = requests_of(page);
    let orders = [
        (turn, page.word(header::TURNED)),
        (forget, page.word(header::FORGOTTEN)),
    ];
    Some((orders, page.word(header::FIRST_EPOCH)))
}

/// The words that other processes write, as of at most [`ASKED_EVERY_MS`] ago.
fn requests_of(page: &Page) -> [u64; header::REQUESTS_NUMBER] {
    static ASKED: [AtomicU64; header::REQUESTS_NUMBER] =
        [const { AtomicU64::new(0) }; header::REQUESTS_NUMBER];
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (now, next) = (milliseconds(), NEXT.load(Relaxed));
    let mine = now + ASKED_EVERY_MS;
    // Relaxed: of threads that arrive at once only one has to ask.
    if next <= now
        && NEXT.compare_exchange(next, mine, Relaxed, Relaxed).is_ok()
        && let Some(asked) = page.asked()
        // A thread that was held up since has an answer that is out of date.
        && NEXT.load(Relaxed) == mine
    {
        for (known, asked) in ASKED.iter().zip(asked) {
            known.store(asked, Relaxed);
        }
    }
    ASKED.each_ref().map(|asked| asked.load(Relaxed))
}

/// True in the one process of the tree that carries this flush out for all of them.
pub fn is_first_to_flush(asked: u64) -> bool {
    let page = PAGE.get().and_then(Option::as_ref);
    // Relaxed: exactly one process changes the word to this number.
    page.is_some_and(|page| page.word(header::FLUSHED).swap(asked, Relaxed) != asked)
}

/// The most contexts that are published.
pub const fn contexts_shown() -> usize {
    CONTEXTS_SHOWN
}
