//! What is said of the figures: a table for each trace, the targets, and JSON for the plots.

use std::fmt::Write;

use super::traces::Trace;
use super::{POLICIES, SHARES};

pub struct Report {
    pub clients: usize,
    pub visits: usize,
    pub traces: Vec<Trace>,
    /// By trace, policy and capacity.
    pub ratios: Vec<[[f64; SHARES.len()]; POLICIES.len()]>,
}

/// A difference that nobody would notice: a hundredth of a percent of the handshakes.
const NOTHING: f64 = 0.0001;

impl Report {
    pub fn print(&self) {
        for (trace, ratios) in self.traces.iter().zip(&self.ratios) {
            println!("{}: {}", trace.title, trace.about);
            print!("{:>10}", "");
            SHARES.iter().for_each(|share| print!("{share:>7} %"));
            println!();
            for ((name, _), ratios) in POLICIES.iter().zip(ratios) {
                print!("{name:>10}");
                ratios
                    .iter()
                    .for_each(|ratio| print!("{:>9.2}", 100.0 * ratio));
                println!();
            }
            println!();
        }
        for (said, met) in self.targets() {
            println!("{}  {said}", if met { "met   " } else { "missed" });
        }
    }

    fn ratio(&self, trace: usize, policy: &str, share: usize) -> f64 {
        let policy = POLICIES.iter().position(|(name, _)| *name == policy);
        self.ratios[trace][policy.expect("a policy's name")][share]
    }

    /// What is aimed at, with the figures, and whether it is reached.
    fn targets(&self) -> Vec<(String, bool)> {
        let mut targets = Vec::new();
        for (number, trace) in self.traces.iter().enumerate() {
            let ours = |share| self.ratio(number, "ours", share);
            let online = |share| {
                let others = POLICIES.iter().map(|(name, _)| *name);
                others
                    .filter(|name| !["ours", "belady"].contains(name))
                    .map(|policy| self.ratio(number, policy, share))
                    .fold(0.0, f64::max)
            };
            if trace.name == "zipf-flood"
                && let Some(tenth) = SHARES.iter().position(|&share| share == 10)
            {
                let times = ours(tenth) / self.ratio(number, "host", tenth);
                targets.push((
                    format!(
                        "{}, a tenth: {times:.2} times the host's, 1.3 wanted",
                        trace.title
                    ),
                    times >= 1.3,
                ));
            }
            if trace.name.starts_with("loop") {
                let lost = (0..SHARES.len())
                    .map(|share| self.ratio(number, "random", share) - ours(share))
                    .fold(f64::NEG_INFINITY, f64::max);
                targets.push((
                    format!(
                        "{}: at worst {:.2} points behind random eviction, 0 wanted",
                        trace.title,
                        100.0 * lost
                    ),
                    lost <= NOTHING,
                ));
            }
            let (share, least) = (0..SHARES.len())
                .map(|share| {
                    (
                        SHARES[share],
                        (ours(share) + NOTHING) / (online(share) + NOTHING),
                    )
                })
                .min_by(|one, other| one.1.total_cmp(&other.1))
                .expect("there are capacities");
            targets.push((
                format!(
                    "{}: at least {least:.3} of the best online policy (at {share} %), 0.99 wanted",
                    trace.title
                ),
                least >= 0.99,
            ));
        }
        targets
    }

    /// Names and titles hold nothing that JSON would want escaped.
    pub fn json(&self) -> String {
        let mut json = format!(
            "{{\n  \"clients\": {},\n  \"visits\": {},\n  \"percent_of_clients\": {SHARES:?},\n  \"traces\": [",
            self.clients, self.visits
        );
        for (number, (trace, ratios)) in self.traces.iter().zip(&self.ratios).enumerate() {
            let comma = if number > 0 { "," } else { "" };
            let Trace {
                name, title, about, ..
            } = trace;
            let _ = write!(
                json,
                "{comma}\n    {{\n      \"name\": \"{name}\",\n      \"title\": \"{title}\",\n      \"about\": \
                 \"{about}\",\n      \"hit_ratio\": {{"
            );
            for (policy, ((name, _), ratios)) in POLICIES.iter().zip(ratios).enumerate() {
                let comma = if policy > 0 { "," } else { "" };
                let ratios = ratios.map(|ratio| format!("{ratio:.4}")).join(", ");
                let _ = write!(json, "{comma}\n        \"{name}\": [{ratios}]");
            }
            json.push_str("\n      }\n    }");
        }
        json.push_str("\n  ]\n}\n");
        json
    }
}
