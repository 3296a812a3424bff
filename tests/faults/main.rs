//! Every call of sslcache to the C library fails in turn, and every allocation: each handshake succeeds all the same, nothing
//! is printed but what sslcache may print, and nothing is leaked.
//!
//! `visits.c` is a program whose clients come back; `shim.c`, preloaded before sslcache, makes the calls of sslcache fail, and
//! lists the places that they come from. Each place then fails in a run of its own: once, and from there on. So do
//! allocations, of which there are more than a thousand: some of them.
//!
//! `cargo test` tries each place under one setting; with `SSLCACHE_ALL_FAULTS=1` (`make test-faults`) all of them under
//! all settings.

#[allow(dead_code)]
#[path = "../stage/mod.rs"]
mod stage;

use libtest_mimic::{Arguments, Failed, Trial};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

/// The settings under which the calls fail. `FOLDER` stands for a folder of the run.
const SETTINGS: [(&str, &[(&str, &str)]); 4] = [
    ("plain", &[]),
    ("group", &[("SSLCACHE_GROUP", "certificate")]),
    ("ticket keys", &[("SSLCACHE_TICKET_KEYS", "shared")]),
    (
        "region",
        &[
            ("SSLCACHE_REGION", "FOLDER/region"),
            ("SSLCACHE_GROUP", "certificate"),
        ],
    ),
];
/// The settings that are tried each time.
const USUAL: [&str; 1] = ["region"];

/// Pieces of memory that a run may keep more than it had after its first rounds: places beside objects, which are reused.
const KEPT_MOST: i64 = 64;

/// What is built once for all runs.
struct Bench {
    folder: PathBuf,
    shim: PathBuf,
    program: PathBuf,
    library: PathBuf,
    is_whole: bool,
}

/// How a run makes calls fail.
struct Fault<'a> {
    at: &'a str,
    from: u64,
    once: bool,
}

/// What `visits` tells.
struct Told {
    handshakes: i64,
    descriptors: i64,
    kept: i64,
    errors: i64,
    resumed: i64,
    counted: i64,
}

fn main() {
    let arguments = Arguments::from_args();
    let Some(stage) = stage::stage() else {
        eprintln!("faults: {}", stage::advice().unwrap_or_default());
        return;
    };
    let bench = Arc::new(Bench::build(&stage.join("lib/libsslcache.so.0")));
    let settings = SETTINGS
        .iter()
        .filter(|(name, _)| bench.is_whole || USUAL.contains(name));
    let trials = settings.flat_map(|&(name, variables)| {
        let (of_calls, of_memory) = (Arc::clone(&bench), Arc::clone(&bench));
        [
            Trial::test(format!("calls / {name}"), move || {
                of_calls.try_calls(name, variables)
            }),
            Trial::test(format!("memory / {name}"), move || {
                of_memory.try_memory(name, variables)
            }),
        ]
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

impl Bench {
    fn build(library: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults");
        fs::create_dir_all(&folder).expect("a folder for the runs");
        let bench = Self {
            shim: folder.join("shim.so"),
            program: folder.join("visits"),
            folder,
            library: library.to_owned(),
            is_whole: env::var_os("SSLCACHE_ALL_FAULTS").is_some(),
        };
        let source = |name: &str| root.join("tests/faults").join(name);
        compile(
            Command::new("cc")
                .args(["-shared", "-fPIC", "-o"])
                .args([&bench.shim, &source("shim.c")]),
        );
        compile(
            Command::new("cc")
                .args([Path::new("-I"), &root.join("ctests")])
                .args([Path::new("-I"), &root.join("include")])
                .arg("-o")
                .args([
                    &bench.program,
                    &source("visits.c"),
                    &root.join("ctests/common.c"),
                ])
                .args(["-lssl", "-lcrypto"]),
        );
        bench
    }

    fn run(
        &self,
        name: &str,
        settings: &[(&str, &str)],
        fault: Option<&Fault>,
    ) -> Result<Output, String> {
        let own = self.folder.join(name.replace(' ', "-"));
        let _ = fs::remove_dir_all(&own);
        fs::create_dir_all(&own).map_err(|error| error.to_string())?;
        let mut command = Command::new("timeout");
        command.arg("60").arg(&self.program);
        for (variable, value) in settings {
            command.env(variable, value.replace("FOLDER", &own.to_string_lossy()));
        }
        let preload = format!("{}:{}", self.shim.display(), self.library.display());
        command.env("LD_PRELOAD", preload);
        match fault {
            None => command.env("FAULTS_LIST", own.join("list")),
            Some(fault) => {
                if fault.once {
                    command.env("FAULTS_ONCE", "1");
                }
                command
                    .env("FAULTS_AT", fault.at)
                    .env("FAULTS_FROM", fault.from.to_string())
            }
        };
        command.output().map_err(|error| error.to_string())
    }

    /// A run without faults: what it tells, and its list.
    fn sound(&self, name: &str, settings: &[(&str, &str)]) -> Result<(Told, String), String> {
        let told = Told::read(&self.run(name, settings, None)?)?;
        let list = self.folder.join(name.replace(' ', "-")).join("list");
        let list = fs::read_to_string(list).map_err(|error| error.to_string())?;
        if told.resumed == 0 {
            return Err("nobody is resumed: this test proves nothing".into());
        }
        Ok((told, list))
    }

    fn try_calls(&self, name: &str, settings: &[(&str, &str)]) -> Result<(), Failed> {
        let name = format!("calls {name}");
        let (sound, list) = self.sound(&name, settings)?;
        let mut failures = Vec::new();
        let mut number = 0;
        for line in list.lines().filter(|line| !line.starts_with("memory")) {
            let at = line.split(' ').next().unwrap_or_default();
            for once in [false, true] {
                number += 1;
                let fault = Fault { at, from: 1, once };
                if let Err(what) = self.judge(&name, settings, &fault, &sound) {
                    failures.push(format!(
                        "{line}{}: {what}",
                        if once { ", once" } else { "" }
                    ));
                }
            }
        }
        if number < 40 {
            failures.push(format!("only {number} faults"));
        }
        verdict(failures)
    }

    fn try_memory(&self, name: &str, settings: &[(&str, &str)]) -> Result<(), Failed> {
        let name = format!("memory {name}");
        let (sound, list) = self.sound(&name, settings)?;
        let number = list
            .lines()
            .find_map(|line| line.strip_prefix("memory allocations "));
        let number: u64 = number
            .and_then(|number| number.parse().ok())
            .ok_or("no allocations are listed")?;
        // The first ones each, then wider and wider steps.
        let (dense, widening) = if self.is_whole { (60, 24) } else { (4, 3) };
        let mut from = 1;
        let mut failures = Vec::new();
        while from <= number {
            for once in [false, true] {
                let fault = Fault {
                    at: "memory",
                    from,
                    once,
                };
                if let Err(what) = self.judge(&name, settings, &fault, &sound) {
                    failures.push(format!(
                        "allocation {from}{}: {what}",
                        if once { ", once" } else { " and on" }
                    ));
                }
            }
            from += if from < dense {
                1
            } else {
                from.div_ceil(widening)
            };
        }
        verdict(failures)
    }

    fn judge(
        &self,
        name: &str,
        settings: &[(&str, &str)],
        fault: &Fault,
        sound: &Told,
    ) -> Result<(), String> {
        let told = Told::read(&self.run(name, settings, Some(fault))?)?;
        if told.handshakes != sound.handshakes {
            return Err(format!("{} handshakes", told.handshakes));
        }
        if told.descriptors != 0 {
            return Err(format!("{} descriptors are left open", told.descriptors));
        }
        if told.kept > KEPT_MOST {
            return Err(format!("{} pieces of memory are kept", told.kept));
        }
        if told.resumed < sound.resumed && told.counted <= sound.counted {
            return Err(format!(
                "{} are resumed, and no counter says why",
                told.resumed
            ));
        }
        if told.errors != 0 {
            return Err(format!("OpenSSL's error queue has {}", told.errors));
        }
        Ok(())
    }
}

impl Told {
    /// What a run tells, if it ended well and printed nothing but complaints of sslcache.
    fn read(output: &Output) -> Result<Self, String> {
        let (out, errors) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        if !output.status.success() {
            return Err(format!("{}: {errors}", output.status));
        }
        if let Some(line) = errors.lines().find(|line| !line.starts_with("sslcache: ")) {
            return Err(format!("printed: {line}"));
        }
        let number = |label: &str| {
            let found = out.lines().find_map(|line| line.strip_prefix(label));
            let number = found.and_then(|number| number.trim().parse().ok());
            number.ok_or_else(|| format!("no {label} in {out}"))
        };
        Ok(Self {
            handshakes: number("handshakes")?,
            descriptors: number("descriptors left open")?,
            kept: number("pieces of memory kept")?,
            errors: number("errors left")?,
            resumed: number("resumed")?,
            counted: number("counted")?,
        })
    }
}

fn compile(command: &mut Command) {
    command.args(["-std=gnu11", "-O1", "-Wall"]);
    let done = command.output().expect("a C compiler");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {errors}");
}

fn verdict(failures: Vec<String>) -> Result<(), Failed> {
    match failures.is_empty() {
        true => Ok(()),
        false => Err(failures.join("\n").into()),
    }
}
