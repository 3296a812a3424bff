//! Runs the programs with AddressSanitizer or ThreadSanitizer, in the library and in the programs, on the system's libssl,
//! which is built without.
//!
//! The archive is linked into the program, because a preloaded library cannot bring a sanitizer's runtime with it. The C
//! compiler compiles the programs; they use the runtime of the Rust toolchain, which has the same interface.

use crate::form::{Form, Host};
use crate::program::{Kind, Program};
use crate::valgrind::LEAVES_MEMORY;
use crate::workshop::{LONG_LIMIT, Workshop, remove_settings};
use crate::{Bench, run};
use libtest_mimic::Trial;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::{fmt, fs};

pub struct Sanitizer {
    /// The name in the names of tests.
    name: &'static str,
    /// The option of both compilers.
    flag: &'static str,
    runtime: &'static str,
    /// An option of the linker.
    link: &'static str,
    /// The options of cargo, beside the flag.
    build: &'static [&'static str],
    /// The archive, the runtime and `common.o`.
    made: OnceLock<Result<[PathBuf; 3], String>>,
}

impl Sanitizer {
    pub const fn address() -> Self {
        Self {
            name: "asan",
            flag: "address",
            runtime: "_rt.asan.a",
            link: "-Wl,--as-needed",
            build: &[],
            made: OnceLock::new(),
        }
    }

    /// Built with the standard library: otherwise the sanitizer does not see the contended half of `Mutex::lock`, and reports
    /// accesses under the lock as races.
    pub const fn thread() -> Self {
        Self {
            name: "tsan",
            flag: "thread",
            runtime: "_rt.tsan.a",
            link: "-Wl,--wrap=SSL_SESSION_free",
            build: &["-Zbuild-std=std,panic_unwind"],
            made: OnceLock::new(),
        }
    }

    /// The reason why this machine cannot run it.
    pub fn missing(&self) -> Option<String> {
        let Ok(sysroot) = sysroot() else {
            return Some("no nightly toolchain (rustup toolchain install nightly)".into());
        };
        let needs_std = !self.build.is_empty();
        if needs_std && !sysroot.join("lib/rustlib/src/rust/library").exists() {
            return Some("no rust-src (rustup component add rust-src --toolchain nightly)".into());
        }
        None
    }

    pub fn trial(self: &Arc<Self>, bench: &Arc<Bench>, program: &Arc<Program>) -> Trial {
        let (sanitizer, program) = (Arc::clone(self), Arc::clone(program));
        let name = format!("{}::{}", self.name, program.name);
        let missing = self.missing().is_some();
        let bench = Arc::clone(bench);
        Trial::test(name, move || Ok(sanitizer.run(&bench, &program)?)).with_ignored_flag(missing)
    }

    fn run(&self, bench: &Bench, program: &Program) -> Result<(), String> {
        let workshop = &bench.workshop;
        let made = self.made.get_or_init(|| self.make(workshop));
        let [archive, runtime, common] = made.as_ref().map_err(String::clone)?;
        let flag = format!("-fsanitize={}", self.flag);
        let object = format!("{}/{}.o", self.name, program.name);
        let object = workshop.compile(&program.source(), &object, &[&flag])?;
        let mut inputs: Vec<&dyn AsRef<OsStr>> = vec![
            &object,
            common,
            &self.link,
            &"-Wl,--export-dynamic,--whole-archive",
            archive,
            runtime,
            &"-Wl,--no-whole-archive",
            &"-lssl",
            &"-lcrypto",
            &"-lm",
            &"-ldl",
            &"-lrt",
        ];
        let quick = quick_linker()?;
        inputs.extend(quick.iter().map(|option| option as &dyn AsRef<OsStr>));
        let executable = workshop.link(&format!("{}/{}", self.name, program.name), &inputs)?;
        let mut command = Command::new(executable);
        command
            .env_remove("LD_PRELOAD")
            .env_remove("LD_LIBRARY_PATH");
        remove_settings(&mut command);
        let _agent = program.set(workshop, &mut command)?;
        let output = run::silent(&mut command, LONG_LIMIT)?;
        bench.judge(program, Host::System, &output)
    }

    fn make(&self, workshop: &Workshop) -> Result<[PathBuf; 3], String> {
        let target = workshop.out.join(format!("{}-target", self.name));
        let triple = triple()?;
        let mut cargo = nightly("cargo");
        cargo
            .current_dir(&workshop.root)
            .args(["rustc", "--quiet", "--locked", "--release", "--lib"])
            .args(["--crate-type", "staticlib", "--target", &triple])
            .args(self.build)
            .arg("--target-dir")
            .arg(&target)
            .env(
                "RUSTFLAGS",
                format!("-Zsanitizer={} --cfg {}", self.flag, self.name),
            );
        let done = cargo.output().map_err(|error| format!("cargo: {error}"))?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned());
        }
        let archive = target.join(&triple).join("release/libsslcache.a");
        let runtimes = sysroot()?.join("lib/rustlib").join(&triple).join("lib");
        let runtime = ending_in(&runtimes, self.runtime)?;
        let flag = format!("-fsanitize={}", self.flag);
        let common = workshop.compile("common.c", &format!("{}/common.o", self.name), &[&flag])?;
        Ok([archive, runtime, common])
    }
}

impl fmt::Display for Sanitizer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The tests that run `program` with the sanitizers.
pub fn trials(
    bench: &Arc<Bench>,
    sanitizers: &[Arc<Sanitizer>; 2],
    program: &Arc<Program>,
) -> Vec<Trial> {
    let [address, thread] = sanitizers;
    if !program.is_run(Form::Preloaded, Host::System) {
        return Vec::new();
    }
    match program.kind {
        Kind::Threads => vec![address.trial(bench, program), thread.trial(bench, program)],
        Kind::Simple | Kind::Ours if LEAVES_MEMORY.contains(&program.name.as_str()) => Vec::new(),
        Kind::Simple | Kind::Ours => vec![address.trial(bench, program)],
    }
}

/// A tool of the nightly toolchain, whichever toolchain runs these tests.
fn nightly(tool: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", tool]);
    for variable in [
        "CARGO",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_TARGET_DIR",
        "LD_LIBRARY_PATH",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "RUSTUP_TOOLCHAIN",
    ] {
        command.env_remove(variable);
    }
    command
}

fn ask_rustc(question: &[&str]) -> Result<String, String> {
    let answer = nightly("rustc").args(question).output();
    let answer = answer.map_err(|error| format!("rustup: {error}"))?;
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

fn sysroot() -> Result<PathBuf, String> {
    static SYSROOT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    SYSROOT
        .get_or_init(|| ask_rustc(&["--print", "sysroot"]).map(PathBuf::from))
        .clone()
}

fn triple() -> Result<String, String> {
    static TRIPLE: OnceLock<Result<String, String>> = OnceLock::new();
    TRIPLE.get_or_init(ask_triple).clone()
}

fn ask_triple() -> Result<String, String> {
    let version = ask_rustc(&["-vV"])?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or("rustc names no host".into())
}

/// The options for the linker that comes with the toolchain, where it does: it takes a fifth of the usual one's time for an
/// archive of 40 MB, of which every program has a copy.
fn quick_linker() -> Result<Vec<OsString>, String> {
    let folder = sysroot()?.join("lib/rustlib").join(triple()?);
    let folder = folder.join("bin/gcc-ld");
    if !folder.join("ld.lld").exists() {
        return Ok(Vec::new());
    }
    let mut search = OsString::from("-B");
    search.push(folder);
    Ok(vec![search, "-fuse-ld=lld".into()])
}

/// The runtime's name begins with the toolchain's channel.
fn ending_in(folder: &Path, end: &str) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with(end))
        .ok_or_else(|| format!("no *{end} in {}", folder.display()))
}
