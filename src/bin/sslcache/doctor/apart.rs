//! The attributes that keep contexts from sharing: contexts of a group, or one context in several processes.

use std::collections::BTreeMap;

use sslcache::context::alike::attributes::ATTRIBUTES;
use sslcache::page::figures::ATTRIBUTES_MOST;

use super::Report;
use crate::processes::{self, Tree};

/// The most pairs to report: of many virtual hosts, each is kept from all others.
const PAIRS_MOST: usize = 10;

/// The digests of all attributes in the order of their table. Contexts of one class have the same.
type Digests = [u32; ATTRIBUTES_MOST];

/// A context that has done handshakes, and its process.
struct Served {
    /// The contexts that it could share with: those of a group, or the same context in processes forked with it.
    candidate: u64,
    name: String,
    digests: Digests,
}

/// Reports the attributes that keep the contexts of a tree apart from each other and from those of other trees with the same
/// region. The contexts of process `pid` are named by their numbers alone.
pub fn describe(tree: &Tree, pid: u32, is_grouped: bool, report: &mut Report) {
    let settings = |tree: &Tree| {
        let settings = tree.page.settings();
        let is_of_reach = |line: &String| line.starts_with("region=") || line.starts_with("group=");
        settings.into_iter().filter(is_of_reach).collect::<Vec<_>>()
    };
    let reach = settings(tree);
    let (others, _) = match reach.iter().any(|line| line.starts_with("region=/")) {
        true => processes::all(),
        false => Default::default(),
    };
    let others = others
        .iter()
        .filter(|other| other.page.path != tree.page.path && settings(other) == reach);
    let mut served = Vec::new();
    for tree in [tree].into_iter().chain(others) {
        for process in &tree.processes {
            for (number, context) in process.contexts.iter().enumerate() {
                if context.accepted == 0 || context.attributes == Digests::default() {
                    continue; // no connection was compared yet
                }
                let name = match process.pid == pid {
                    true => format!("context {}", number + 1),
                    false => format!("context {} of process {}", number + 1, process.pid),
                };
                served.push(Served {
                    candidate: if is_grouped { 0 } else { context.origin },
                    name,
                    digests: context.attributes,
                });
            }
        }
    }
    // The contexts of the process in question come first.
    served.sort_by_key(|context| context.name.contains(" of "));
    let pairs = pairs_apart(&served);
    for pair in pairs.iter().take(PAIRS_MOST) {
        report.fine(pair);
    }
    if let Some(more) = pairs.len().checked_sub(PAIRS_MOST).filter(|&more| more > 0) {
        report.fine(format!("and {more} more pairs of contexts keep apart"));
    }
}

/// A line for each pair of classes of contexts that could share.
fn pairs_apart(served: &[Served]) -> Vec<String> {
    let mut classes: BTreeMap<u64, Vec<&Served>> = BTreeMap::new();
    for context in served {
        let known = classes.entry(context.candidate).or_default();
        if !known.iter().any(|other| other.digests == context.digests) {
            known.push(context);
        }
    }
    let mut pairs = Vec::new();
    for known in classes.values() {
        for (at, one) in known.iter().enumerate() {
            for other in &known[at + 1..] {
                let differing: Vec<_> = ATTRIBUTES
                    .iter()
                    .zip(one.digests.iter().zip(other.digests))
                    .filter(|(_, (one, other))| *one != other)
                    .map(|(attribute, _)| attribute.name)
                    .collect();
                pairs.push(format!(
                    "{} and {} keep apart: {}",
                    one.name,
                    other.name,
                    differing.join(", ")
                ));
            }
        }
    }
    pairs
}
