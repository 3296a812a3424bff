//! The stats by service, while processes and pages come and go: counters that never fall.
//!
//! The page of a service that was restarted, or that executed itself anew, is gone, and another is there. [`History`] keeps
//! what each page last said, so that the counters of a service go on for as long as the history lives. A page that is read
//! while a process ends may lack that process's counts for a moment; the highest counts seen stand.
//!
//! Any user may write pages. The number of those remembered is bounded, and so is the number of names.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sslcache::page::figures::NUMBER;
use sslcache::page::reading::Reading;
use sslcache::page::{REGION_FIGURES, Sums, TicketKeys};

use crate::processes::Tree;

/// The name of a service whose processes are all gone or in another pid namespace.
const UNKNOWN: &str = "unknown";
/// The service to which the rest is counted when there are too many.
const OTHERS: &str = "others";
/// The most services that are told apart.
const SERVICES_MOST: usize = 500;
/// The most pages that are remembered one by one; of more, the oldest gone ones are added up.
const PAGES_MOST: usize = 5_000;

/// The figures of a region, as in `REGION_FIGURES`.
pub type RegionFigures = [u64; REGION_FIGURES.len()];

/// What is known of a service.
#[derive(Default)]
pub struct Service {
    /// The counts of all its processes that were ever seen; sessions, contexts and memory of those that are there.
    pub sums: Sums,
    /// Its processes: whether the id is of our pid namespace, and the id. One that has executed itself anew is in two pages.
    pub processes: BTreeSet<(bool, u32)>,
    /// The versions and forms of sslcache in it.
    pub kinds: BTreeSet<(String, String)>,
    /// The ticket keys that its processes share: the oldest of the keys that make tickets, the next turn, the number that open
    /// them.
    pub keys: TicketKeys,
    /// The figures of its shared memory, by the path of the region, which is empty for memory without a file.
    pub regions: BTreeMap<String, RegionFigures>,
}

/// Device and inode of a page's file, and when it was made: a path may come to mean another file, and so may an inode.
type Identity = ((u64, u64), u64);

/// What a page last said.
struct Known {
    service: String,
    figures: [u64; NUMBER],
    region: String,
    shared: RegionFigures,
    /// The number of the last look that found it.
    seen: u64,
}

/// What all pages have said.
#[derive(Default)]
pub struct History {
    pages: HashMap<Identity, Known>,
    gone: BTreeMap<String, [u64; NUMBER]>,
    looks: u64,
}

impl History {
    /// Takes down what the pages of these trees say, and returns all services, those without a process included.
    pub fn look(&mut self, trees: &[Tree]) -> BTreeMap<String, Service> {
        self.looks += 1;
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for tree in trees {
            let identity = (tree.page.inode, tree.page.made());
            let name = self.name_of(&identity, tree);
            self.note(identity, &name, &tree.page);
            add_living(services.entry(name).or_default(), tree);
        }
        self.forget();
        for (name, figures) in &self.gone {
            add(
                &mut services.entry(name.clone()).or_default().sums.figures,
                figures,
            );
        }
        for known in self.pages.values() {
            let service = services.entry(known.service.clone()).or_default();
            add(&mut service.sums.figures, &known.figures);
            add_region(service, known, known.seen == self.looks);
        }
        services
    }

    /// The service of a page: that of its processes when it was first seen with one.
    fn name_of(&self, identity: &Identity, tree: &Tree) -> String {
        let known = self.pages.get(identity).map(|known| &known.service);
        if let Some(known) = known.filter(|known| *known != UNKNOWN) {
            return known.clone();
        }
        let name = tree.service();
        let mut names: BTreeSet<_> = self.pages.values().map(|known| &known.service).collect();
        names.extend(self.gone.keys());
        match name {
            _ if name.is_empty() => UNKNOWN.to_owned(),
            _ if names.len() >= SERVICES_MOST && !names.contains(&name) => OTHERS.to_owned(),
            name => name,
        }
    }

    fn note(&mut self, identity: Identity, name: &str, page: &Reading) {
        let known = self.pages.entry(identity).or_insert_with(|| Known {
            service: String::new(),
            figures: [0; NUMBER],
            region: region_of(page),
            shared: RegionFigures::default(),
            seen: 0,
        });
        name.clone_into(&mut known.service);
        known.seen = self.looks;
        for (highest, now) in known.figures.iter_mut().zip(page.total().figures) {
            *highest = now.max(*highest);
        }
        for ((known, now), (name, _)) in known
            .shared
            .iter_mut()
            .zip(page.region())
            .zip(REGION_FIGURES)
        {
            *known = match is_gauge(name) {
                true => now,
                false => now.max(*known),
            };
        }
    }

    /// Adds up the oldest gone pages if too many are remembered.
    fn forget(&mut self) {
        let mut gone: Vec<_> = self
            .pages
            .iter()
            .filter(|(_, known)| known.seen != self.looks)
            .map(|(identity, known)| (known.seen, *identity))
            .collect();
        gone.sort_unstable();
        let surplus = self.pages.len().saturating_sub(PAGES_MOST);
        for (_, identity) in gone.into_iter().take(surplus) {
            if let Some(known) = self.pages.remove(&identity) {
                add(
                    self.gone.entry(known.service).or_insert([0; NUMBER]),
                    &known.figures,
                );
            }
        }
    }
}

/// True for the figures of a region that are no counters.
pub fn is_gauge(name: &str) -> bool {
    matches!(name, "records" | "bytes")
}

/// The path of the region in a file that a page's processes use; empty if they use none.
fn region_of(page: &Reading) -> String {
    let path = page.setting("region");
    path.filter(|path| path.starts_with('/'))
        .unwrap_or_default()
}

fn add(sums: &mut [u64], figures: &[u64]) {
    for (sum, figure) in sums.iter_mut().zip(figures) {
        *sum = sum.saturating_add(*figure);
    }
}

fn add_living(service: &mut Service, tree: &Tree) {
    let page = &tree.page;
    service.kinds.insert((page.version(), page.form()));
    let keys = page.ticket_keys();
    if keys.made > 0 {
        let is_first = service.keys.made == 0;
        let known = &mut service.keys;
        let earliest = |known: u64, now: u64| if is_first { now } else { now.min(known) };
        known.made = earliest(known.made, keys.made);
        known.turn_ends = earliest(known.turn_ends, keys.turn_ends);
        known.number = keys.number.max(known.number);
    }
    for process in &tree.processes {
        service.processes.insert((process.is_known, process.pid));
        service.sums.hold(&process.sums);
    }
}

/// Adds the figures of a page's shared memory. Memory without a file is the page's own; a region in a file is the same one
/// in all pages that name it, of which the one that was written last has the highest counts.
fn add_region(service: &mut Service, known: &Known, is_there: bool) {
    let sums = service.regions.entry(known.region.clone()).or_default();
    for ((sum, &figure), (name, _)) in sums.iter_mut().zip(&known.shared).zip(REGION_FIGURES) {
        *sum = match (is_gauge(name), known.region.is_empty()) {
            (true, _) if !is_there => *sum,
            (_, true) => sum.saturating_add(figure),
            (_, false) => figure.max(*sum),
        };
    }
}
