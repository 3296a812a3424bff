//! Clients, their sessions, and the handshakes that a trace comes to with a given cache.
//!
//! A client whose session is found resumes it. One whose session is gone makes a full handshake and gets a session with
//! a new id: an id that was evicted is offered once more, in vain, and then never again. A client keeps its latest
//! session (TLS 1.2) or its latest two unused tickets (TLS 1.3), and offers the newest; of two connections that it opens
//! at once, the second offers the second newest.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::policies::{Arrival, Policy};
use super::traces::{Protocol, STRANGER, Trace};

/// No visit.
pub const NEVER: u32 = u32::MAX;
/// libssl flushes what has expired with every 255th handshake.
const FLUSH_EVERY: u32 = 255;
/// The share of a trace that only fills the cache: one in this many.
const WARM_UP: usize = 5;

/// Of the handshakes whose client had a session to offer, how many resumed it.
#[derive(Clone, Copy, Default)]
pub struct Score {
    resumed: u64,
    offered: u64,
}

impl Score {
    pub fn ratio(self) -> f64 {
        self.resumed as f64 / self.offered.max(1) as f64
    }
}

/// When the client of each visit comes again: any visit, and one with two connections.
pub struct Future {
    next: Vec<u32>,
    next_pair: Vec<u32>,
}

impl Future {
    pub fn of(trace: &Trace) -> Future {
        let ahead = |wanted: usize| {
            let mut known = vec![NEVER; trace.comers];
            let mut next = vec![NEVER; trace.visits.len()];
            for (number, visit) in trace.visits.iter().enumerate().rev() {
                if visit.client == STRANGER {
                    continue;
                }
                let known = &mut known[visit.client as usize];
                next[number] = *known;
                if visit.connections >= wanted {
                    *known = number as u32;
                }
            }
            next
        };
        Future {
            next: ahead(1),
            next_pair: ahead(2),
        }
    }
}

/// The newest last.
#[derive(Clone, Copy, Default)]
struct Held {
    sessions: [Option<u32>; 2],
}

impl Held {
    fn keep(&mut self, session: u32) {
        self.sessions = [self.sessions[1], Some(session)];
    }

    fn offer(&mut self) -> Option<u32> {
        let [older, newest] = self.sessions;
        self.sessions = [None, older];
        newest
    }
}

struct Server<'a> {
    trace: &'a Trace,
    future: &'a Future,
    policy: &'a mut dyn Policy,
    /// By session: its expiry.
    expiry: Vec<i64>,
    to_expire: BinaryHeap<Reverse<(i64, u32)>>,
    handshakes: u32,
}

/// Plays a trace on a cache.
pub fn play(trace: &Trace, future: &Future, policy: &mut dyn Policy) -> Score {
    let mut held = vec![Held::default(); trace.comers];
    let mut server = Server {
        trace,
        future,
        policy,
        expiry: Vec::new(),
        to_expire: BinaryHeap::new(),
        handshakes: 0,
    };
    let mut score = Score::default();
    for (number, visit) in trace.visits.iter().enumerate() {
        let mut stranger = Held::default();
        let held = held.get_mut(visit.client as usize).unwrap_or(&mut stranger);
        let mut offers = [None; 2];
        for offer in &mut offers[..visit.connections] {
            *offer = match trace.protocol {
                Protocol::Tls12 => held.sessions[1],
                Protocol::Tls13 { .. } => held.offer(),
            };
        }
        let resumed =
            offers.map(|offer| offer.is_some_and(|session| server.look_up(number, session)));
        if number >= trace.visits.len() / WARM_UP {
            score.offered += offers.iter().flatten().count() as u64;
            score.resumed += resumed.iter().filter(|&&resumed| resumed).count() as u64;
        }
        for connection in 0..visit.connections {
            server.finish(number, offers[connection], resumed[connection], held);
        }
    }
    score
}

impl Server<'_> {
    fn look_up(&mut self, number: usize, session: u32) -> bool {
        let now = self.trace.visits[number].secs;
        if now > self.expiry[session as usize] {
            self.policy.remove(session);
            return false;
        }
        match self.trace.protocol {
            Protocol::Tls12 => {
                let next_use = self.next_use(number, session, &self.future.next);
                self.policy.find(session, next_use)
            }
            Protocol::Tls13 { single_use: false } => self.policy.find_once(session),
            Protocol::Tls13 { single_use: true } => self.policy.remove(session),
        }
    }

    fn next_use(&self, number: usize, session: u32, next: &[u32]) -> u32 {
        match next[number] {
            NEVER => NEVER,
            next if self.trace.visits[next as usize].secs > self.expiry[session as usize] => NEVER,
            next => next,
        }
    }

    /// What a handshake leaves in the cache and with its client.
    fn finish(&mut self, number: usize, offered: Option<u32>, resumed: bool, held: &mut Held) {
        let sessions = match (self.trace.protocol, resumed) {
            (Protocol::Tls12, true) => 0,
            (Protocol::Tls12, false) | (Protocol::Tls13 { .. }, true) => 1,
            (Protocol::Tls13 { .. }, false) => 2,
        };
        let visit = &self.trace.visits[number];
        for _ in 0..sessions {
            let session = self.expiry.len() as u32;
            let expiry = visit.secs + (self.trace.timeout)(visit.client);
            self.expiry.push(expiry);
            self.to_expire.push(Reverse((expiry, session)));
            let [dropped, older] = held.sessions;
            held.keep(session);
            if let Some(dropped) = dropped {
                self.policy.foresee(dropped, NEVER);
            }
            if let Some(older) = older {
                // It is offered only beside a newer one.
                let next_use = self.next_use(number, older, &self.future.next_pair);
                self.policy.foresee(older, next_use);
            }
            let next_use = self.next_use(number, session, &self.future.next);
            self.policy.insert(Arrival {
                session,
                expiry,
                now: visit.secs,
                resumed,
                offered: offered.filter(|_| !resumed),
                next_use,
            });
        }
        self.handshakes += 1;
        if self.handshakes.is_multiple_of(FLUSH_EVERY) {
            self.flush(visit.secs);
        }
    }

    fn flush(&mut self, now: i64) {
        while let Some(&Reverse((expiry, session))) = self.to_expire.peek()
            && now > expiry
        {
            self.to_expire.pop();
            self.policy.remove(session);
        }
    }
}
