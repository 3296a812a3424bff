//! How many returning clients find their session, by capacity: the cache beside other ways to choose who leaves it.
//!
//! `cargo bench --bench hit_ratio`, with `-- --json FILE` to keep the figures, `-- --smoke` to see that it works, or
//! the names of traces to play only those. A hit ratio is the share of handshakes resumed among those whose client had a
//! session to offer; strangers therefore count in none, but in what they push out. A capacity is a share of the clients
//! that return. The first fifth of a trace fills the cache and is not counted. All chance comes from fixed seeds,
//! but for the cache's own random hash key, which moves its figures by up to a fifth of a point; it is played with one shard.

mod clients;
mod policies;
mod random;
mod report;
mod traces;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::thread;

use clients::{Future, play};
use policies::{
    Arc, Belady, Host, Lru, Ours, Policy, QuickCache, RandomEviction, S3Fifo, Sieve, WTinyLfu,
};
use report::Report;
use traces::Trace;

/// Capacities, in hundredths of the clients.
const SHARES: [usize; 6] = [1, 2, 5, 10, 20, 50];

/// Makes a cache of a capacity.
type Make = fn(usize) -> Box<dyn Policy>;

const POLICIES: [(&str, Make); 10] = [
    ("host", |capacity| Box::new(Host::new(capacity))),
    ("lru", |capacity| Box::new(Lru::new(capacity))),
    ("random", |capacity| Box::new(RandomEviction::new(capacity))),
    ("s3-fifo", |capacity| Box::new(S3Fifo::new(capacity))),
    ("sieve", |capacity| Box::new(Sieve::new(capacity))),
    ("arc", |capacity| Box::new(Arc::new(capacity))),
    ("w-tinylfu", |capacity| Box::new(WTinyLfu::new(capacity))),
    ("quick", |capacity| Box::new(QuickCache::new(capacity))),
    ("ours", |capacity| Box::new(Ours::new(capacity))),
    ("belady", |capacity| Box::new(Belady::new(capacity))),
];

struct Wanted {
    smoke: bool,
    json: Option<String>,
    /// None: every trace.
    traces: Vec<String>,
}

fn main() {
    let wanted = wanted(std::env::args().skip(1));
    let (clients, visits) = if wanted.smoke {
        (1_000, 10_000)
    } else {
        (20_000, 400_000)
    };
    let mut traces = traces::all(clients, visits);
    traces.retain(|trace| {
        wanted.traces.is_empty() || wanted.traces.iter().any(|name| name == trace.name)
    });
    let report = Report {
        clients,
        visits,
        ratios: play_all(&traces),
        traces,
    };
    report.print();
    if let Some(path) = wanted.json {
        std::fs::write(&path, report.json()).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Wanted {
    let mut wanted = Wanted {
        smoke: false,
        json: None,
        traces: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        match &*argument {
            "--bench" => {} // from cargo
            "--smoke" => wanted.smoke = true,
            "--json" => wanted.json = Some(arguments.next().expect("--json FILE")),
            _ => wanted.traces.push(argument),
        }
    }
    wanted
}

/// The hit ratios by trace, policy and capacity, played on every processor.
fn play_all(traces: &[Trace]) -> Vec<[[f64; SHARES.len()]; POLICIES.len()]> {
    let futures: Vec<Future> = traces.iter().map(Future::of).collect();
    let ratios = Mutex::new(vec![[[0.0; SHARES.len()]; POLICIES.len()]; traces.len()]);
    let next = AtomicUsize::new(0);
    let work = || {
        loop {
            let run = next.fetch_add(1, Relaxed);
            let (trace, policy, share) = (
                run / SHARES.len() / POLICIES.len(),
                run / SHARES.len() % POLICIES.len(),
                run % SHARES.len(),
            );
            if trace >= traces.len() {
                return;
            }
            let capacity = traces[trace].clients * SHARES[share] / 100;
            let mut cache = POLICIES[policy].1(capacity);
            let score = play(&traces[trace], &futures[trace], &mut *cache);
            let mut ratios = ratios.lock().unwrap_or_else(PoisonError::into_inner);
            ratios[trace][policy][share] = score.ratio();
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    ratios.into_inner().unwrap_or_else(PoisonError::into_inner)
}
