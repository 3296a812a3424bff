//! How many instructions the calls of a program take: no more than is written here, so that a change cannot lose what was
//! gained unseen. Instructions do not depend on what else the machine does, as times do.
//!
//! `calls.c` makes each kind of call two thousand times, under callgrind; it runs on the libssl itself, too, and
//! `cargo test --test instructions -- --nocapture` prints both. Bounds are those of x86-64 and of the library as `make`
//! builds it, with a few percent to spare for other compilers. After a gain they are lowered.

#[allow(dead_code)]
#[path = "../stage/mod.rs"]
mod stage;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls in each function of `calls.c`.
const CALLS: u64 = 2000;

/// The function in `calls.c`, and the most instructions that one of its calls may take.
const BOUNDS: [(&str, u64); 4] = [
    ("measured_add", 670),
    ("measured_again", 420),
    ("measured_removal", 590),
    ("measured_full", 940),
];

/// A libssl: its name, and where it is if it is not the system's.
struct Host {
    name: &'static str,
    elsewhere: Option<Elsewhere>,
}

/// A folder with `include` and `lib`, and how the files in the latter end.
struct Elsewhere {
    folder: PathBuf,
    version: &'static str,
}

#[test]
fn calls_take_no_more_instructions_than_they_did() {
    let Some(stage) = stage::stage() else {
        eprintln!("instructions: {}", stage::advice().unwrap_or_default());
        return;
    };
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !has_valgrind || !cfg!(target_arch = "x86_64") || stage::other_target().is_some() {
        eprintln!("instructions: not counted: there is no valgrind, or another processor");
        return;
    }
    let library = stage.join(stage::LIBRARY);
    let release = |name, version| {
        let folder = stage::release(name, &format!("libssl.so.{version}"))?.join("host");
        let elsewhere = Some(Elsewhere { folder, version });
        Some(Host { name, elsewhere })
    };
    let system = Host {
        name: "system",
        elsewhere: None,
    };
    let others = [
        release("openssl35", "3"),
        release("openssl36", "3"),
        release("openssl4", "4"),
        release("openssl111", "1.1"),
    ];
    let mut over = Vec::new();
    for host in [Some(system)].into_iter().chain(others).flatten() {
        let program = compile(&host);
        let [plain, ours] = [None, Some(&*library)].map(|library| count(&host, &program, library));
        for (function, most) in BOUNDS {
            let (plain, ours) = (plain[function] / CALLS, ours[function] / CALLS);
            eprintln!(
                "{:10} {function:17} libssl {plain:5}  sslcache {ours:5} of {most}",
                host.name
            );
            if ours > most {
                over.push(format!("{function} on {}: {ours} of {most}", host.name));
            }
        }
    }
    assert!(over.is_empty(), "more instructions than before: {over:?}");
}

fn compile(host: &Host) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    fs::create_dir_all(&folder).expect("a folder for the programs");
    let program = folder.join(host.name);
    let mut compiler = Command::new(stage::compiler());
    compiler.args(["-O2", "-DOPENSSL_SUPPRESS_DEPRECATED", "-o"]);
    compiler.arg(&program);
    compiler.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions/calls.c"));
    match &host.elsewhere {
        None => compiler.args(["-lssl", "-lcrypto"]),
        Some(Elsewhere { folder, version }) => {
            compiler.arg("-I").arg(folder.join("include"));
            let file = |name: &str| folder.join(format!("lib/{name}.so.{version}"));
            compiler.args([file("libssl"), file("libcrypto")])
        }
    };
    let status = compiler.status();
    assert!(status.is_ok_and(|status| status.success()), "cc");
    program
}

/// Instructions by function, with what it calls.
fn count(host: &Host, program: &Path, library: Option<&Path>) -> HashMap<String, u64> {
    let profile = program.with_extension("callgrind");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--toggle-collect=measured_*"]);
    valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
    valgrind.arg(program);
    // A stats page would be written now and then.
    valgrind.env("SSLCACHE_STATS", "off");
    if let Some(library) = library {
        valgrind.env("LD_PRELOAD", library);
    }
    if let Some(elsewhere) = &host.elsewhere {
        valgrind.env("LD_LIBRARY_PATH", elsewhere.folder.join("lib"));
    }
    let output = valgrind.output().expect("valgrind");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    sums(&fs::read_to_string(&profile).expect("callgrind's profile"))
}

/// The sums of the measured functions in a profile. Lines of a function are costs, with those of its calls; a name comes with
/// a number, which stands for it from then on.
fn sums(profile: &str) -> HashMap<String, u64> {
    let (mut names, mut sums) = (HashMap::new(), HashMap::new());
    let mut measured: Option<String> = None;
    for line in profile.lines() {
        let (kind, rest) = line.split_once('=').unwrap_or(("", line));
        if kind == "fn" || kind == "cfn" {
            let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
            if !name.is_empty() {
                names.insert(number.to_owned(), name.to_owned());
            }
            if kind == "fn" {
                let name = names.get(number).cloned();
                measured = name.filter(|name| name.starts_with("measured_"));
            }
        } else if let Some(function) = &measured
            && line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            && let Some(cost) = line.split_whitespace().nth(1)
        {
            *sums.entry(function.clone()).or_default() += cost.parse::<u64>().expect("a cost");
        }
    }
    sums
}
