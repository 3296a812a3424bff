//! A schedule as bytes, for the agent that goes on after this one.
//!
//! Those bytes are believed as far as they are written by an agent of this version, and a key among them is checked as one from
//! the store is.

use super::{Chain, Other, Schedule, Secret, Stored};

/// The bytes of a record: what it is, three numbers, a secret.
const RECORD: usize = 1 + 3 * 8 + 32;

const STORED: u8 = 1;
const OTHER: u8 = 2;
const CHAIN: u8 = 3;

impl Schedule {
    /// Appends the schedule to `out`, which has to have room: one that grows leaves copies behind. False, and nothing, if it has
    /// not.
    pub fn save(&self, out: &mut Vec<u8>) -> bool {
        let records = self.records();
        let bytes = 8 + 4 + records.len() * RECORD;
        if out.capacity() - out.len() < bytes {
            return false;
        }
        out.extend_from_slice(&self.last_round.map_or(0, |last| last + 1).to_be_bytes());
        out.extend_from_slice(&(records.len() as u32).to_be_bytes());
        for (kind, numbers, secret) in records {
            out.push(kind);
            for number in numbers {
                out.extend_from_slice(&number.to_be_bytes());
            }
            out.extend_from_slice(secret.bytes());
        }
        true
    }

    fn records(&self) -> Vec<(u8, [u64; 3], &Secret)> {
        let mut records = Vec::new();
        for (&epoch, held) in &self.epochs {
            if let Some(stored) = &held.stored {
                let numbers = [epoch, stored.seen, u64::from(stored.is_settled)];
                records.push((STORED, numbers, &stored.secret));
            }
            for other in &held.others {
                let numbers = [epoch, other.anchor.map_or(0, |anchor| anchor + 1), 0];
                records.push((OTHER, numbers, &other.secret));
            }
        }
        for chain in &self.chains {
            let numbers = [chain.at, chain.anchor, u64::from(chain.is_settled)];
            records.push((CHAIN, numbers, &chain.secret));
        }
        records
    }

    /// Takes over what `save` has appended, in a schedule that has nothing yet; the rest of the bytes. `None` if it is not that.
    pub fn restore<'a>(&mut self, saved: &'a [u8], now: u64) -> Option<&'a [u8]> {
        let (last_round, rest) = saved.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let number = usize::try_from(u32::from_be_bytes(*number)).ok()?;
        let (records, rest) = rest.split_at_checked(number.checked_mul(RECORD)?)?;
        self.last_round = u64::from_be_bytes(*last_round).checked_sub(1);
        for record in records.chunks_exact(RECORD) {
            self.restore_one(record, now)?;
        }
        Some(rest)
    }

    fn restore_one(&mut self, record: &[u8], now: u64) -> Option<()> {
        let (&kind, rest) = record.split_first()?;
        let (numbers, secret) = rest.split_last_chunk::<32>()?;
        let mut numbers = numbers
            .as_chunks::<8>()
            .0
            .iter()
            .map(|bytes| u64::from_be_bytes(*bytes));
        let [first, second, third] = [numbers.next()?, numbers.next()?, numbers.next()?];
        let mut bytes = *secret;
        let secret = Secret::taken_from(&mut bytes);
        if kind == CHAIN {
            if !secret.is_zero() {
                self.chains.push(Chain {
                    anchor: second,
                    is_settled: third != 0,
                    at: first,
                    secret,
                });
            }
            return Some(());
        }
        if self.is_due(first, &secret, now).is_err() {
            return Some(());
        }
        let held = self.epochs.entry(first).or_default();
        match kind {
            STORED => {
                held.stored = Some(Stored {
                    secret,
                    seen: second,
                    is_settled: third != 0,
                });
            }
            OTHER => held.others.push(Other {
                secret,
                anchor: second.checked_sub(1),
            }),
            _ => return None,
        }
        Some(())
    }
}
