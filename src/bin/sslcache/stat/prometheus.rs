//! The stats in the text format of Prometheus, version 0.0.4.
//!
//! Samples are by service, and their labels are the same after a reload or a restart: no process id, no path of a page.

use std::collections::BTreeMap;
use std::fmt::Write;

use sslcache::page::{FIGURES, Figure, REGION_FIGURES, Sums, TicketKeys};
use sslcache::shm::Region;

use super::region_figures;
use super::services::{Service, is_gauge};

/// A metric. All its samples must follow each other in the text.
struct Metric {
    help: String,
    kind: &'static str,
    samples: Vec<(String, u64)>,
}

/// The metrics by name.
#[derive(Default)]
struct Metrics(BTreeMap<String, Metric>);

impl Metrics {
    /// Adds a sample of `name` with `suffix` and its labels.
    fn add(
        &mut self,
        name: &str,
        kind: &'static str,
        help: &str,
        (suffix, labels): (&str, &str),
        value: u64,
    ) {
        let name = format!("sslcache_{name}");
        let sample = match labels {
            "" => format!("{name}{suffix}"),
            _ => format!("{name}{suffix}{{{labels}}}"),
        };
        let metric = self.0.entry(name).or_insert_with(|| Metric {
            help: help.to_owned(),
            kind,
            samples: Vec::new(),
        });
        metric.samples.push((sample, value));
    }

    fn write(&self) -> String {
        let mut text = String::new();
        for (name, metric) in &self.0 {
            let help = metric.help.replace('\\', "\\\\").replace('\n', "\\n");
            let _ = writeln!(text, "# HELP {name} {help}.");
            let _ = writeln!(text, "# TYPE {name} {}", metric.kind);
            for (sample, value) in &metric.samples {
                let _ = writeln!(text, "{sample} {value}");
            }
        }
        text
    }
}

fn quoted(value: &str) -> String {
    format!(
        "\"{}\"",
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

/// The text about services.
pub fn services(services: &BTreeMap<String, Service>) -> String {
    let mut metrics = Metrics::default();
    for (name, service) in services {
        let labels = format!("service={}", quoted(name));
        for (version, form) in &service.kinds {
            let about = format!("{labels},version={},form={}", quoted(version), quoted(form));
            let help = "A service with the cache in it";
            metrics.add("info", "gauge", help, ("", &about), 1);
        }
        let help = "Processes with the cache in them";
        let number = service.processes.len() as u64;
        metrics.add("processes", "gauge", help, ("", &labels), number);
        add_sums(&mut metrics, &labels, &service.sums);
        if service.keys.made > 0 {
            add_keys(&mut metrics, &labels, &service.keys);
        }
        for (region, figures) in &service.regions {
            let labels = match region.is_empty() {
                true => labels.clone(),
                false => format!("{labels},region={}", quoted(region)),
            };
            for ((name, help), &figure) in REGION_FIGURES.iter().zip(figures) {
                add_shared(&mut metrics, name, help, &labels, figure);
            }
        }
    }
    metrics.write()
}

/// The text about a region in the file at `path`.
pub fn region(path: &str, region: &Region) -> String {
    let mut metrics = Metrics::default();
    let labels = format!("region={}", quoted(path));
    for (name, figure) in region_figures(region) {
        let known = REGION_FIGURES.iter().find(|(known, _)| *known == name);
        let help = known.map_or("Records that could not be decoded", |(_, help)| help);
        add_shared(&mut metrics, name, help, &labels, figure);
    }
    metrics.write()
}

/// The number of folders of pages that the user may not read.
pub fn closed(folders: usize) -> String {
    let mut metrics = Metrics::default();
    let help = "Folders of pages that the exporter may not read";
    metrics.add("closed_folders", "gauge", help, ("", ""), folders as u64);
    metrics.write()
}

fn add_shared(metrics: &mut Metrics, name: &str, help: &str, labels: &str, figure: u64) {
    let (name, kind) = match is_gauge(name) {
        true => (format!("shared_{name}"), "gauge"),
        false => (format!("shared_{name}_total"), "counter"),
    };
    metrics.add(&name, kind, help, ("", labels), figure);
}

fn add_sums(metrics: &mut Metrics, labels: &str, sums: &Sums) {
    for (name, help, value) in [
        ("contexts", "Contexts there are", sums.contexts),
        (
            "sessions",
            "Sessions cached in the processes",
            sums.sessions,
        ),
        (
            "memory_bytes",
            "Bytes that the caches take, beyond the sessions themselves",
            sums.memory,
        ),
    ] {
        metrics.add(name, "gauge", help, ("", labels), value);
    }
    for (figure, name, help) in &FIGURES {
        let (name, help, labels) = if let Some(tier) = name.strip_prefix("hits_") {
            let help = "Look-ups that found a session, by where it was";
            ("hits", help, format!("{labels},tier=\"{tier}\""))
        } else if let Some(reason) = name.strip_prefix("misses_") {
            let help = "Look-ups that found none, by reason";
            ("misses", help, format!("{labels},reason=\"{reason}\""))
        } else if name.starts_with("age_") {
            continue; // below
        } else {
            (*name, *help, labels.to_owned())
        };
        let name = format!("{name}_total");
        metrics.add(&name, "counter", help, ("", &labels), sums.get(*figure));
    }
    add_ages(metrics, labels, sums);
}

fn add_keys(metrics: &mut Metrics, labels: &str, keys: &TicketKeys) {
    for (name, help, value) in [
        (
            "ticket_keys",
            "Shared keys that open stateless tickets",
            keys.number,
        ),
        (
            "ticket_key_made_timestamp_seconds",
            "When the shared key that makes tickets was made",
            keys.made,
        ),
        (
            "ticket_key_turn_timestamp_seconds",
            "When another key takes its turn",
            keys.turn_ends,
        ),
    ] {
        metrics.add(name, "gauge", help, ("", labels), value);
    }
}

fn add_ages(metrics: &mut Metrics, labels: &str, sums: &Sums) {
    let mut add = |suffix: &str, labels: &str, value| {
        metrics.add(
            "hit_age_seconds",
            "histogram",
            "How old sessions were when they were found",
            (suffix, labels),
            value,
        );
    };
    let parts = [
        (Figure::AgeMinute, "60"),
        (Figure::AgeTenMinutes, "600"),
        (Figure::AgeHour, "3600"),
        (Figure::AgeDay, "86400"),
        (Figure::AgeMore, "+Inf"),
    ];
    let mut sum: u64 = 0;
    for (figure, bound) in parts {
        sum = sum.saturating_add(sums.get(figure));
        add("_bucket", &format!("{labels},le=\"{bound}\""), sum);
    }
    add("_sum", labels, sums.get(Figure::AgeSeconds));
    add("_count", labels, sum);
}
