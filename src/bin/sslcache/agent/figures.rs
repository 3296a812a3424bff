//! What the agent has seen, in numbers: the store, how long it takes to answer, and what was refused. Never a key.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::schedule::{EPOCH_SECONDS, Origin, Present};
use super::sessions;
use super::store::Trouble;

/// The upper bounds of the histogram, in microseconds.
const BOUNDS: [u64; 11] = [
    500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000,
];

/// Counts since the agent has started.
#[derive(Default)]
pub struct Figures {
    store: String,
    answers: [u64; BOUNDS.len()],
    answered: u64,
    micros: u64,
    failed: u64,
    reachable_since: Option<u64>,
    /// The last trouble, and when it was.
    trouble: Option<(u64, String)>,
    /// Keys in the store that were not taken.
    pub refused_keys: u64,
    /// Mailboxes that were taken, and peers that were refused.
    pub attached: u64,
    pub refused_peers: u64,
    /// Those of sessions.
    pub sessions: Arc<sessions::Figures>,
}

/// A namespace at this moment.
pub struct OfNamespace {
    pub name: String,
    pub present: Option<Present>,
    pub has_next: bool,
    pub keys: usize,
    pub mailboxes: usize,
}

impl OfNamespace {
    fn origin(&self) -> &'static str {
        match self.present.map(|present| present.origin) {
            Some(Origin::Store) => "store",
            Some(Origin::Ratchet) => "derived",
            None => "none",
        }
    }

    /// How long the present key has made tickets.
    fn age(&self, now: u64) -> Option<u64> {
        Some(now.saturating_sub(self.present?.epoch * EPOCH_SECONDS))
    }
}

impl Figures {
    /// Nothing seen yet of the store of this address.
    pub fn of(store: String) -> Self {
        Self {
            store,
            ..Self::default()
        }
    }

    /// Goes on with a store of another address.
    pub fn now_of(&mut self, store: String) {
        self.store = store;
    }

    /// The store has answered.
    pub fn answered(&mut self, after: Duration) {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        for (count, bound) in self.answers.iter_mut().zip(BOUNDS) {
            *count += u64::from(micros <= bound);
        }
        self.answered += 1;
        self.micros = self.micros.saturating_add(micros);
    }

    /// A round has ended well; true if the store was not known to be reachable.
    pub fn reached(&mut self, now: u64) -> bool {
        let is_new = self.reachable_since.is_none();
        self.reachable_since.get_or_insert(now);
        is_new
    }

    /// A round has failed; true if the store was reachable before, or this is the first round.
    pub fn failed(&mut self, trouble: &Trouble, now: u64) -> bool {
        let is_new = self.reachable_since.take().is_some() || self.trouble.is_none();
        self.failed += 1;
        self.trouble = Some((now, trouble.to_string()));
        is_new
    }

    /// For the service manager: one line.
    pub fn status(&self, namespaces: &[OfNamespace]) -> String {
        let with_key = namespaces
            .iter()
            .filter(|one| one.present.is_some())
            .count();
        let mailboxes: usize = namespaces.iter().map(|one| one.mailboxes).sum();
        let store = match (self.reachable_since, &self.trouble) {
            (Some(_), _) => format!("{} answers", self.store),
            (None, Some((_, trouble))) => trouble.clone(),
            (None, None) => format!("{} was not asked yet", self.store),
        };
        format!(
            "{mailboxes} mailboxes, {with_key} of {} namespaces have a key; {store}",
            namespaces.len()
        )
    }

    /// As JSON.
    pub fn json(&self, namespaces: &[OfNamespace], now: u64) -> Value {
        let buckets = BOUNDS.iter().zip(self.answers);
        let buckets: Vec<_> = buckets
            .map(|(bound, count)| json!({ "up_to_us": bound, "answers": count }))
            .collect();
        let of = |one: &OfNamespace| {
            json!({
                "name": one.name,
                "epoch": one.present.map(|present| present.epoch),
                "origin": one.origin(),
                "age": one.age(now),
                "next": one.has_next,
                "keys": one.keys,
                "mailboxes": one.mailboxes,
            })
        };
        json!({
            "schema": "sslcache-agent-1",
            "time": now,
            "store": {
                "address": self.store,
                "reachable_since": self.reachable_since,
                "last_error": self.trouble.as_ref().map(|(at, text)| json!({ "time": at, "text": text })),
                "answers": self.answered,
                "failed_rounds": self.failed,
                "microseconds": self.micros,
                "histogram": buckets,
                "refused_keys": self.refused_keys,
            },
            "attached": self.attached,
            "refused_peers": self.refused_peers,
            "sessions": self.sessions.json(),
            "namespaces": namespaces.iter().map(of).collect::<Vec<_>>(),
        })
    }

    /// For Prometheus.
    pub fn prometheus(&self, namespaces: &[OfNamespace], now: u64) -> String {
        let mut text = Text::default();
        let reachable = u64::from(self.reachable_since.is_some());
        text.metric(
            "store_reachable",
            "gauge",
            "1 if the last round at the store ended well",
            [(String::new(), reachable)],
        );
        text.metric(
            "store_failed_rounds_total",
            "counter",
            "Rounds at the store that failed",
            [(String::new(), self.failed)],
        );
        text.metric(
            "store_refused_keys_total",
            "counter",
            "Keys in the store that were not taken",
            [(String::new(), self.refused_keys)],
        );
        text.metric(
            "attached_total",
            "counter",
            "Mailboxes that were taken",
            [(String::new(), self.attached)],
        );
        text.metric(
            "refused_peers_total",
            "counter",
            "Peers that were refused",
            [(String::new(), self.refused_peers)],
        );
        text.histogram(
            "store_answer_seconds",
            "How long the store took to answer",
            BOUNDS.iter().copied().zip(self.answers),
            self.answered,
            self.micros,
        );
        let each = |value: &dyn Fn(&OfNamespace) -> u64| -> Vec<_> {
            let label = |one: &OfNamespace| format!("{{namespace=\"{}\"}}", one.name);
            namespaces
                .iter()
                .map(|one| (label(one), value(one)))
                .collect()
        };
        let epoch = |one: &OfNamespace| one.present.map_or(0, |present| present.epoch);
        text.metric(
            "key_epoch",
            "gauge",
            "The hour since 1970 whose key makes tickets; 0 without one",
            each(&epoch),
        );
        text.metric(
            "key_age_seconds",
            "gauge",
            "For how long that key has made tickets",
            each(&|one| one.age(now).unwrap_or(0)),
        );
        let is_derived = |one: &OfNamespace| u64::from(one.origin() == "derived");
        text.metric(
            "key_derived",
            "gauge",
            "1 if that key was derived as the store could not be reached",
            each(&is_derived),
        );
        text.metric(
            "key_next",
            "gauge",
            "1 if the next epoch's key is there",
            each(&|one| u64::from(one.has_next)),
        );
        text.metric(
            "keys",
            "gauge",
            "Keys that make or open tickets",
            each(&|one| one.keys as u64),
        );
        text.metric(
            "mailboxes",
            "gauge",
            "Mailboxes of processes",
            each(&|one| one.mailboxes as u64),
        );
        self.sessions.prometheus(&mut text);
        text.0
    }
}

/// A text in the format of Prometheus.
#[derive(Default)]
pub struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP sslcache_agent_{name} {help}.");
        let _ = writeln!(self.0, "# TYPE sslcache_agent_{name} {kind}");
    }

    pub fn metric(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        samples: impl IntoIterator<Item = (String, u64)>,
    ) {
        self.head(name, kind, help);
        for (label, value) in samples {
            let _ = writeln!(self.0, "sslcache_agent_{name}{label} {value}");
        }
    }

    /// A histogram of microseconds: each bound with its count, how many there were, and their sum.
    pub fn histogram(
        &mut self,
        name: &str,
        help: &str,
        buckets: impl IntoIterator<Item = (u64, u64)>,
        answered: u64,
        micros: u64,
    ) {
        self.head(name, "histogram", help);
        for (bound, count) in buckets {
            let seconds = bound as f64 / 1e6;
            let _ = writeln!(
                self.0,
                "sslcache_agent_{name}_bucket{{le=\"{seconds}\"}} {count}"
            );
        }
        let _ = writeln!(
            self.0,
            "sslcache_agent_{name}_bucket{{le=\"+Inf\"}} {answered}"
        );
        let _ = writeln!(self.0, "sslcache_agent_{name}_sum {}", micros as f64 / 1e6);
        let _ = writeln!(self.0, "sslcache_agent_{name}_count {answered}");
    }
}

/// The figures by name, of the JSON that an agent has answered, for people.
pub fn shown(answer: &Value) -> Option<String> {
    let mut text = String::new();
    let now = answer["time"].as_u64()?;
    let store = &answer["store"];
    let clean = |value: &Value| -> String {
        let value = value.as_str().unwrap_or("?");
        value
            .chars()
            .map(|char| if char.is_control() { '?' } else { char })
            .collect()
    };
    let ago = |value: &Value| value.as_u64().map(|at| span(now.saturating_sub(at)));
    let _ = writeln!(text, "store {}", clean(&store["address"]));
    match ago(&store["reachable_since"]) {
        Some(since) => _ = writeln!(text, "  reachable for {since}"),
        None => _ = writeln!(text, "  not reachable"),
    }
    if let Some(at) = ago(&store["last_error"]["time"]) {
        let _ = writeln!(
            text,
            "  last error {at} ago: {}",
            clean(&store["last_error"]["text"])
        );
    }
    let answers = store["answers"].as_u64()?;
    if let Some(mean) = store["microseconds"].as_u64()?.checked_div(answers) {
        let _ = writeln!(text, "  {answers} answers, {mean} µs each at the mean");
    }
    text.push_str(&sessions_shown(&answer["sessions"]).unwrap_or_default());
    for one in answer["namespaces"].as_array()? {
        let mailboxes = one["mailboxes"].as_u64()?;
        let _ = writeln!(
            text,
            "namespace {}: {mailboxes} mailboxes",
            clean(&one["name"])
        );
        match one["epoch"].as_u64() {
            Some(epoch) => {
                let age = span(one["age"].as_u64()?);
                let next = match one["next"].as_bool() {
                    Some(true) => "the next one is there",
                    _ => "the next one is not there",
                };
                let origin = match one["origin"].as_str() {
                    Some("store") => "from the store",
                    _ => "derived, as the store could not be reached",
                };
                let _ = writeln!(text, "  key of epoch {epoch}, {origin}, for {age}; {next}");
            }
            None => _ = writeln!(text, "  no key: servers use keys of this host"),
        }
    }
    Some(text)
}

/// What is said of sessions.
fn sessions_shown(figures: &Value) -> Option<String> {
    let of = |name: &str| figures[name].as_u64();
    let mut text = format!("sessions of {} mailboxes", of("mailboxes")?);
    match (of("unserved")?, figures["rests"].as_bool()?) {
        (_, true) => text += "; none is looked up now, as the store is late\n",
        (0, false) => text += "\n",
        (more, false) => _ = writeln!(text, "; {more} more are not served"),
    }
    let line = format!(
        "  {} put, {} dropped; {} found, {} not there, {} too late, {} not asked for\n  \
         {} used up, {} in doubt; {} removals, {} flushes, {} changes of other hosts, {} times some were missed\n",
        of("puts")?,
        of("puts_dropped")?,
        of("found")?,
        of("none")?,
        of("late")?,
        of("rested")?,
        of("taken")?,
        of("doubted")?,
        of("removals")?,
        of("flushes")?,
        of("news")?,
        of("news_lost")?,
    );
    text += &line;
    if let Some(mean) = of("microseconds")?.checked_div(of("answers")?) {
        let _ = writeln!(
            text,
            "  {} answers, {mean} µs each at the mean",
            of("answers")?
        );
    }
    Some(text)
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
