//! What was done for sessions, in numbers. Never an id.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use crate::agent::figures::Text;
use crate::agent::store::Trouble;

/// The upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 12] = [
    50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000, 50_000, 200_000, 1_000_000,
];

/// Counts since the agent has started.
#[derive(Default)]
pub struct Figures {
    pub puts: AtomicU64,
    pub puts_dropped: AtomicU64,
    pub found: AtomicU64,
    pub none: AtomicU64,
    /// Questions whose answer came too late, or not at all.
    pub late: AtomicU64,
    /// Questions that were not passed on: the store rests, or is not connected.
    pub rested: AtomicU64,
    pub taken: AtomicU64,
    /// Sessions that could not be taken without doubt.
    pub doubted: AtomicU64,
    pub removals: AtomicU64,
    pub flushes: AtomicU64,
    /// Changes that other hosts have told.
    pub news: AtomicU64,
    /// How often news was missed.
    pub lost: AtomicU64,
    /// Values in the store that did not open.
    pub refused: AtomicU64,
    /// How often the store was left alone for a second.
    pub breaks: AtomicU64,
    /// 1 while it is.
    pub rests: AtomicU64,
    /// Mailboxes that are served, and those for which there is no thread.
    pub served: AtomicU64,
    pub unserved: AtomicU64,
    answers: [AtomicU64; BOUNDS.len()],
    answered: AtomicU64,
    micros: AtomicU64,
    last: Mutex<Option<String>>,
}

impl Figures {
    /// The store has answered a question for a session.
    pub fn answered(&self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        for (count, bound) in self.answers.iter().zip(BOUNDS) {
            count.fetch_add(u64::from(micros <= bound), Relaxed);
        }
        self.answered.fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// There was trouble with the store.
    pub fn trouble(&self, trouble: &Trouble) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(trouble.to_string());
    }

    /// A value does not open.
    pub fn refuse(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// A session could not be taken without doubt.
    pub fn doubt(&self) {
        self.doubted.fetch_add(1, Relaxed);
    }

    /// Other hosts have told so many changes.
    pub fn hear(&self, changes: usize) {
        self.news.fetch_add(changes as u64, Relaxed);
    }

    /// News was missed.
    pub fn lose(&self) {
        self.lost.fetch_add(1, Relaxed);
    }

    fn counts(&self) -> [(&'static str, &'static str, &AtomicU64); 14] {
        [
            ("puts", "Sessions that were put into the store", &self.puts),
            (
                "puts_dropped",
                "Sessions that were not, for want of room or of the store",
                &self.puts_dropped,
            ),
            ("found", "Sessions that were found", &self.found),
            ("none", "Sessions that the store does not have", &self.none),
            (
                "late",
                "Questions for sessions that the store answered too late, or not at all",
                &self.late,
            ),
            (
                "rested",
                "Questions for sessions that the store was not asked, as it was late before",
                &self.rested,
            ),
            ("taken", "Sessions that were used up", &self.taken),
            (
                "doubted",
                "Sessions of which it was in doubt whether they were used up before",
                &self.doubted,
            ),
            ("removals", "Sessions that were removed", &self.removals),
            ("flushes", "Flushes", &self.flushes),
            ("news", "Changes that other hosts have told", &self.news),
            ("news_lost", "How often news was missed", &self.lost),
            (
                "refused",
                "Values in the store that did not open",
                &self.refused,
            ),
            (
                "breaks",
                "How often the store was left alone for a second",
                &self.breaks,
            ),
        ]
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let mut json = json!({});
        for (name, _, count) in self.counts() {
            json[name] = count.load(Relaxed).into();
        }
        json["mailboxes"] = self.served.load(Relaxed).into();
        json["unserved"] = self.unserved.load(Relaxed).into();
        json["rests"] = (self.rests.load(Relaxed) != 0).into();
        json["answers"] = self.answered.load(Relaxed).into();
        json["microseconds"] = self.micros.load(Relaxed).into();
        let buckets = BOUNDS.iter().zip(&self.answers);
        let bucket = |(bound, count): (_, &AtomicU64)| json!({ "up_to_us": bound, "answers": count.load(Relaxed) });
        json["histogram"] = buckets.map(bucket).collect();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        json["last_error"] = last.clone().into();
        json
    }

    /// For Prometheus.
    pub fn prometheus(&self, text: &mut Text) {
        for (name, help, count) in self.counts() {
            let name = format!("session_{name}_total");
            let sample = (String::new(), count.load(Relaxed));
            text.metric(&name, "counter", help, [sample]);
        }
        let served = &self.served;
        for (name, help, count) in [
            ("session_mailboxes", "Mailboxes that are served", served),
            (
                "session_unserved",
                "Mailboxes for which there is no thread",
                &self.unserved,
            ),
            (
                "session_rests",
                "1 while the store is left alone",
                &self.rests,
            ),
        ] {
            text.metric(name, "gauge", help, [(String::new(), count.load(Relaxed))]);
        }
        let counts = self.answers.each_ref().map(|count| count.load(Relaxed));
        text.histogram(
            "session_answer_seconds",
            "How long the store took to answer for a session",
            BOUNDS.iter().copied().zip(counts),
            self.answered.load(Relaxed),
            self.micros.load(Relaxed),
        );
    }
}
