//! The stats in the text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;

use sslcache::page::{FIGURES, Figure, REGION_FIGURES, Sums};

use super::{Subject, region_figures, shown};
use crate::processes::program_of;

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
        let sample = format!("{name}{suffix}{{{labels}}}");
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

/// The whole text.
pub fn write(subject: &Subject) -> String {
    let mut metrics = Metrics::default();
    match subject {
        Subject::Trees(trees) => {
            for tree in trees {
                let page = &tree.page;
                for process in &tree.processes {
                    let labels = format!(
                        "pid=\"{}\",program={}",
                        process.pid,
                        quoted(&program_of(process))
                    );
                    let about = format!(
                        "{labels},version={},form={}",
                        quoted(&page.version()),
                        quoted(&page.form())
                    );
                    metrics.add(
                        "process_info",
                        "gauge",
                        "A process with the cache in it",
                        ("", &about),
                        1,
                    );
                    add_process(&mut metrics, &labels, &process.sums);
                }
                let labels = format!("page={}", quoted(&shown(&page.path)));
                for ((name, help), &figure) in REGION_FIGURES.iter().zip(page.region()) {
                    add_shared(&mut metrics, name, help, &labels, figure);
                }
            }
        }
        Subject::Region(path, region) => {
            let labels = format!("region={}", quoted(&shown(path)));
            for (name, figure) in region_figures(region) {
                let known = REGION_FIGURES.iter().find(|(known, _)| *known == name);
                add_shared(
                    &mut metrics,
                    name,
                    known.map_or("Records that could not be decoded", |(_, help)| help),
                    &labels,
                    figure,
                );
            }
        }
    }
    metrics.write()
}

fn add_shared(metrics: &mut Metrics, name: &str, help: &str, labels: &str, figure: u64) {
    match name {
        "records" | "bytes" => metrics.add(
            &format!("shared_{name}"),
            "gauge",
            help,
            ("", labels),
            figure,
        ),
        _ => metrics.add(
            &format!("shared_{name}_total"),
            "counter",
            help,
            ("", labels),
            figure,
        ),
    }
}

fn add_process(metrics: &mut Metrics, labels: &str, sums: &Sums) {
    metrics.add(
        "contexts",
        "gauge",
        "Contexts there are",
        ("", labels),
        sums.contexts,
    );
    metrics.add(
        "sessions",
        "gauge",
        "Sessions cached in the process",
        ("", labels),
        sums.sessions,
    );
    let memory = "Bytes that the caches take, beyond the sessions themselves";
    metrics.add("memory_bytes", "gauge", memory, ("", labels), sums.memory);
    for (figure, name, help) in &FIGURES {
        let value = sums.get(*figure);
        if let Some(tier) = name.strip_prefix("hits_") {
            let help = "Look-ups that found a session, by where it was";
            metrics.add(
                "hits_total",
                "counter",
                help,
                ("", &format!("{labels},tier=\"{tier}\"")),
                value,
            );
        } else if let Some(reason) = name.strip_prefix("misses_") {
            let help = "Look-ups that found none, by reason";
            metrics.add(
                "misses_total",
                "counter",
                help,
                ("", &format!("{labels},reason=\"{reason}\"")),
                value,
            );
        } else if !name.starts_with("age_") {
            metrics.add(
                &format!("{name}_total"),
                "counter",
                help,
                ("", labels),
                value,
            );
        }
    }
    add_ages(metrics, labels, sums);
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
    let mut sum = 0;
    for (figure, bound) in parts {
        sum += sums.get(figure);
        add("_bucket", &format!("{labels},le=\"{bound}\""), sum);
    }
    add("_sum", labels, sums.get(Figure::AgeSeconds));
    add("_count", labels, sum);
}
