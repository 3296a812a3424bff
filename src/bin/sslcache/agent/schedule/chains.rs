//! How keys are derived one from the other while the store is away.

use std::mem;

use super::secret::ratchet;
use super::{Chain, Epoch, Other, RATCHET_EPOCHS, Schedule, Secret};

/// Chains are started from so many keys.
const CHAIN_STARTS: usize = 2;
/// The most chains, if the store comes and goes.
const CHAINS_MOST: usize = 4;
impl Schedule {
    /// Has a chain from each of the newest keys in the store.
    pub(super) fn start_chains(&mut self) {
        let stored = self.epochs.iter().rev();
        let newest: Vec<_> = stored
            .filter_map(|(&epoch, held)| Some((epoch, held.stored.as_ref()?)))
            .take(CHAIN_STARTS)
            .collect();
        for (epoch, stored) in newest {
            match self.chains.iter_mut().find(|chain| chain.anchor == epoch) {
                Some(chain) => chain.is_settled = stored.is_settled,
                None => self.chains.push(Chain {
                    anchor: epoch,
                    is_settled: stored.is_settled,
                    at: epoch,
                    secret: stored.secret.copy(),
                }),
            }
        }
        self.chains.sort_by_key(|chain| chain.anchor);
        let surplus = self.chains.len().saturating_sub(CHAINS_MOST);
        self.chains.drain(..surplus);
    }

    /// Goes on with each chain up to the epoch `until`.
    pub(super) fn derive(&mut self, until: u64) {
        // The newest last, so that it is the one that is kept where two are the same.
        let mut chains = mem::take(&mut self.chains);
        for chain in &mut chains {
            while chain.at < until.min(chain.anchor + RATCHET_EPOCHS) {
                chain.at += 1;
                chain.secret = ratchet(&chain.secret, &self.namespace, chain.at);
                if self.is_fit(chain.at, &chain.secret).is_ok() {
                    self.keep(chain.at, chain.secret.copy(), Some(chain.anchor));
                }
            }
        }
        self.chains = chains;
    }

    /// The derived key of an epoch by which this host goes on, and whether its chain began at a settled key.
    pub(super) fn derived<'a>(&self, held: &'a Epoch) -> Option<(&'a Secret, bool)> {
        let of_chain = |other: &'a Other| {
            let anchor = other.anchor?;
            let is_settled = self
                .chains
                .iter()
                .any(|chain| chain.anchor == anchor && chain.is_settled);
            Some((is_settled, anchor, &other.secret))
        };
        let best = held
            .others
            .iter()
            .filter_map(of_chain)
            .max_by_key(|&(is_settled, anchor, _)| (is_settled, anchor));
        best.map(|(is_settled, _, secret)| (secret, is_settled))
    }
}
