//! How orders are chosen, and for how long.

use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};

use crate::sys::random::Random;

/// So long each model explores unless it is told.
const SECONDS: u64 = 2;

pub type Model = fn(&mut Random);

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Runs a model in one order after another, each with numbers of its own. Every other one changes threads rarely, at chosen places.
pub fn explore(model: Model) {
    if let Some(seed) = number("SSLCACHE_SHUTTLE_SEED") {
        return run(seed, model);
    }
    let end =
        Instant::now() + Duration::from_secs(number("SSLCACHE_SHUTTLE_SECONDS").unwrap_or(SECONDS));
    let mut seed = 0;
    while Instant::now() < end {
        seed += 1;
        if let Err(why) = panic::catch_unwind(AssertUnwindSafe(|| run(seed, model))) {
            eprintln!("SSLCACHE_SHUTTLE_SEED={seed}");
            panic::resume_unwind(why);
        }
    }
    eprintln!("{seed} orders");
}

fn run(seed: u64, model: Model) {
    let scheduler: Box<dyn Scheduler + Send> = match seed % 2 {
        0 => Box::new(RandomScheduler::new_from_seed(seed, 1)),
        _ => Box::new(PctScheduler::new_from_seed(
            seed,
            1 + seed as usize / 2 % 5,
            1,
        )),
    };
    let mut config = Config::new();
    config.silence_warnings = true;
    // A process that waits does so by time, which goes on; whoever never comes to an end is found by this.
    config.max_steps = shuttle::MaxSteps::FailAfter(3_000_000);
    Runner::new(scheduler, config).run(move || {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(2);
        model(&mut random);
    });
}
