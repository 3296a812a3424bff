//! The tool in a clean environment, and folders for the files of tests.

use std::error::Error;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use crate::stage;

pub type Outcome = Result<(), Box<dyn Error>>;

/// A time after which something does not come any more.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) -> Outcome {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > end {
            return Err(format!("{what} has not come").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// The staged tool and its libraries.
#[derive(Clone)]
pub struct Tool {
    pub stage: PathBuf,
    /// True if the tool sees only processes of the tests.
    pub alone: bool,
}

/// The result of a run.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Tool {
    pub fn of_stage(alone: bool) -> Option<Self> {
        let stage = stage::stage()?;
        stage
            .join("bin/sslcache")
            .exists()
            .then_some(Self { stage, alone })
    }

    /// A command of the tool, with no variable of sslcache but the folder of the stats pages.
    pub fn command(&self, runtime: &Path) -> Command {
        let mut command = Command::new("timeout");
        command.arg("60").arg(self.stage.join("bin/sslcache"));
        command.env_clear().env("XDG_RUNTIME_DIR", runtime);
        command
            .env("PATH", env::var_os("PATH").unwrap_or_default())
            .env("HOME", "/");
        command
    }

    /// Runs the tool to its end.
    pub fn say(&self, runtime: &Path, arguments: &[&str]) -> Result<Said, Box<dyn Error>> {
        said(self.command(runtime).args(arguments))
    }
}

pub fn said(command: &mut Command) -> Result<Said, Box<dyn Error>> {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output()?;
    Ok(Said {
        code: status.code().ok_or("it was killed")?,
        out: String::from_utf8(stdout)?,
        err: String::from_utf8(stderr)?,
    })
}

/// Runs a program for Debian's Python, whose packages the tests need, with a text to read.
pub fn python(program: &str, arguments: &[&str], input: &str) -> Result<Said, Box<dyn Error>> {
    let folder = Folder::new()?;
    let file = folder.file("input");
    fs::write(&file, input)?;
    said(
        Command::new("/usr/bin/python3")
            .args(["-c", program])
            .args(arguments)
            .stdin(fs::File::open(file)?),
    )
}

/// A folder of this user, removed on drop.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            // Relaxed: only the uniqueness of the numbers matters.
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("sslcache-tool-{}-{number}", process::id()));
            match fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self(path)),
                // Another test has the same process id in its pid namespace.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Builds a C program.
pub fn compile(source: &str, output: &Path, flags: &[&str]) -> Outcome {
    let input = output.with_extension("c");
    fs::write(&input, source)?;
    let cc = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let said = said(
        Command::new(cc)
            .arg("-o")
            .arg(output)
            .arg(&input)
            .args(flags),
    )?;
    (said.code == 0)
        .then_some(())
        .ok_or_else(|| said.err.into())
}

/// Fails unless `text` has each of `parts`, in this order.
pub fn has_in_order(text: &str, parts: &[&str]) -> Outcome {
    let mut rest = text;
    for part in parts {
        let at = rest
            .find(part)
            .ok_or_else(|| format!("no {part:?} here, or not in this place:\n{text}"))?;
        rest = &rest[at + part.len()..];
    }
    Ok(())
}

/// True if the tests run as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// True if services of this machine have stats pages that the tests may not read: the tool then cannot report that there are
/// none.
pub fn is_kept_out() -> bool {
    fs::read_dir("/run/sslcache")
        .is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}
