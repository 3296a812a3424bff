//! The text for Prometheus, read by Prometheus' own parser for Python.

use std::collections::BTreeMap;
use std::error::Error;

use crate::tool::python;

/// The samples by name and labels, these in the order of their names: `sslcache_hits_total service=nginx tier=process`.
pub type Samples = BTreeMap<String, f64>;

/// Reads a text. Each metric in it must be described and of a known type.
pub fn parsed(text: &str) -> Result<Samples, Box<dyn Error>> {
    let program = "import sys\nfrom prometheus_client.parser import text_string_to_metric_families as parse\n\
                   for family in parse(sys.stdin.read()):\n\
                   \x20 assert family.documentation and family.type != 'unknown', family\n\
                   \x20 for sample in family.samples:\n\
                   \x20   print(sample.name, *(f'{k}={v}' for k, v in sorted(sample.labels.items())), sample.value, sep='\\t')\n";
    let said = python(program, &[], text)?;
    if said.code != 0 || !said.err.is_empty() {
        return Err(format!("{}{text}", said.err).into());
    }
    let samples = said.out.lines().map(|line| {
        let (sample, value) = line.rsplit_once('\t').ok_or("no value")?;
        Ok((sample.replace('\t', " "), value.parse()?))
    });
    samples.collect()
}
