//! The fuzzers for a moment, without libFuzzer: `smoke NAME MILLISECONDS CORPUS FAILING`.
//!
//! Each input of the corpus is run as it is. Then, for as long as is asked, inputs that are made from them by small changes, the same
//! ones in each run. The input that is being run stands in the file FAILING until it has gone well.

// Each module is a fuzzer's whole file, whose attributes for a program mean nothing here.
#![allow(unused_attributes)]

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use sslcache::sys::random::Random;

#[cfg(feature = "libfuzzer")]
compile_error!("build this with --no-default-features");

macro_rules! fuzzers {
    ($($name:ident: $file:literal),*) => {
        $(#[path = $file] mod $name;)*

        const FUZZERS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name::fuzz)),*];
    };
}

fuzzers!(
    calls: "fuzz_targets/calls.rs",
    mailbox: "fuzz_targets/mailbox.rs",
    records: "fuzz_targets/records.rs",
    region: "fuzz_targets/region.rs",
    sealed: "fuzz_targets/sealed.rs",
    settings: "fuzz_targets/settings.rs",
    stats_page: "fuzz_targets/stats_page.rs",
    ticket_keys: "fuzz_targets/ticket_keys.rs"
);

// The agent's files name these by their places in the tool.
use sealed::{failure, hexadecimal};

/// The longest input.
const MOST: usize = 2048;

fn changed(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut place = |len: usize| random.below(len as u64 + 1) as usize;
    let mut input = match corpus.len() {
        0 => Vec::new(),
        len => corpus[place(len - 1)].clone(),
    };
    for _ in 0..=place(3) {
        let at = place(input.len());
        let to = at + place(8.min(input.len() - at));
        match place(5) {
            0 => drop(input.drain(at..to)),
            1 => input.insert(at, place(255) as u8),
            2 if !corpus.is_empty() => {
                // The beginning of this one, and the end of another.
                let other = &corpus[place(corpus.len() - 1)];
                let from = place(other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
            3 => input.extend_from_within(at..to),
            _ if at < input.len() => match place(2) {
                0 => input[at] ^= 1 << place(7),
                1 => input[at] = input[at].wrapping_add(place(16) as u8).wrapping_sub(8),
                _ => input[at] = place(255) as u8,
            },
            _ => {}
        }
    }
    input.truncate(MOST);
    input
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, milliseconds, corpus, failing] = &arguments[..] else {
        panic!("usage: smoke NAME MILLISECONDS CORPUS FAILING");
    };
    let fuzzer = FUZZERS.iter().find(|(known, _)| known == name);
    let (_, run) = fuzzer.unwrap_or_else(|| panic!("no fuzzer {name}"));
    let limit = Duration::from_millis(milliseconds.parse().expect("a number"));

    let mut inputs = Vec::new();
    for entry in fs::read_dir(corpus)? {
        inputs.push(fs::read(entry?.path())?);
    }
    // A folder has no order.
    inputs.sort();

    let failing = Path::new(failing);
    let present = File::create(failing)?;
    let tried = |input: &[u8]| -> io::Result<()> {
        present.write_all_at(input, 0)?;
        present.set_len(input.len() as u64)?;
        run(input);
        Ok(())
    };
    for input in &inputs {
        tried(input)?;
    }
    let (begun, mut random, mut changes) = (Instant::now(), Random(0x5e55_1011), 0);
    while begun.elapsed() < limit {
        tried(&changed(&mut random, &inputs))?;
        changes += 1;
    }
    fs::remove_file(failing)?;
    println!(
        "fuzz: {name}: {} inputs of the corpus, {changes} changed ones",
        inputs.len()
    );
    Ok(())
}
