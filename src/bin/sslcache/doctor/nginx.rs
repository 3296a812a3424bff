//! What nginx's configuration says of sessions and tickets, by `nginx -T`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Report;

/// The directives that decide where sessions and tickets are kept.
const DIRECTIVES: [&str; 4] = [
    "ssl_session_cache",
    "ssl_session_tickets",
    "ssl_session_ticket_key",
    "ssl_verify_client",
];

/// How long nginx may take to print its configuration.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of a configuration.
const BYTES_MOST: u64 = 16 << 20;

/// The first version that makes and turns ticket keys by itself, where there is a `shared:` cache.
const TURNS_KEYS: [u32; 3] = [1, 23, 2];

/// Reports what the configuration of an nginx says. Returns true if nginx gives its tickets keys itself.
pub fn describe(pid: u32, report: &mut Report) -> bool {
    let Some((program, arguments)) = master_of(pid) else {
        return false;
    };
    let Some(text) = output(Command::new(&program).arg("-T").arg("-q").args(&arguments)) else {
        return false;
    };
    let said = directives(&text);
    if said.is_empty() {
        report.fine(
            "nginx -T: nothing is said of sessions and tickets: tickets are on, with keys that end with a reload, and no cache",
        );
        return false;
    }
    let shown: Vec<_> = said
        .iter()
        .map(|(directive, number)| match number {
            1 => directive.clone(),
            _ => format!("{directive} ({number} times)"),
        })
        .collect();
    report.fine(format!("nginx -T: {}", shown.join(", ")));
    let is_set = |start: &str| said.keys().any(|directive| directive.starts_with(start));
    if is_set("ssl_session_ticket_key ") {
        report.fine("its ticket keys are those of a file: they turn when that is changed, and nginx reloaded");
        return true;
    }
    let turns = is_set("ssl_session_cache") && said.keys().any(|line| line.contains("shared:"));
    if turns && version_of(&program).is_some_and(|version| version >= TURNS_KEYS) {
        report.fine(
            "this version of nginx keeps ticket keys in its shared cache, and turns them itself",
        );
        return true;
    }
    false
}

/// The program and the options of the nginx that this process belongs to, where running it is no risk: it must be this
/// user's, as its configuration can load code, and have the root of this process.
fn master_of(pid: u32) -> Option<(PathBuf, Vec<String>)> {
    // A worker's parent is the master, which has the options in its title.
    [Some(pid), parent_of(pid)]
        .into_iter()
        .flatten()
        .find_map(|pid| {
            let folder = PathBuf::from(format!("/proc/{pid}"));
            let title = fs::read(folder.join("cmdline")).ok()?;
            let title = String::from_utf8_lossy(&title).replace('\0', " ");
            let options = title.strip_prefix("nginx: master process ")?;
            let program = fs::read_link(folder.join("exe")).ok()?;
            // SAFETY: geteuid has no preconditions.
            let us = unsafe { libc::geteuid() };
            let is_ours = fs::metadata(&folder).ok()?.uid() == us;
            let about = fs::metadata(&program).ok()?;
            let is_safe = (about.uid() == 0 || about.uid() == us) && about.mode() & 0o022 == 0;
            let same_root =
                fs::metadata(folder.join("root/")).ok()?.ino() == fs::metadata("/").ok()?.ino();
            let is_nginx = program.file_name()? == "nginx";
            (is_ours && is_safe && same_root && is_nginx).then(|| (program, options_of(options)))
        })
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    parent.trim().parse().ok()
}

/// The options of a title that decide which configuration is read: -c, -p and -e. The title has lost its quotes, but these
/// options take a path.
fn options_of(title: &str) -> Vec<String> {
    let mut words = title.split_whitespace();
    words.next(); // the program
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        if let ("-c" | "-p" | "-e", Some(value)) = (word, words.clone().next()) {
            words.next();
            options.extend([word.to_owned(), value.to_owned()]);
        }
    }
    options
}

/// What a program prints; `None` if it fails, or takes too long.
fn output(command: &mut Command) -> Option<String> {
    command
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let pipe = child.stdout.take()?;
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        pipe.take(BYTES_MOST).read_to_end(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text).into_owned())
    });
    let end = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Some(status),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                break None;
            }
        }
    };
    let text = reader.join().ok()??;
    status.filter(|status| status.success()).map(|_| text)
}

/// The directives about sessions in a configuration, and how often each stands there.
fn directives(text: &str) -> BTreeMap<String, usize> {
    let mut said = BTreeMap::new();
    for line in text.lines() {
        let code = line.split('#').next().unwrap_or_default();
        for statement in code.split([';', '{', '}']) {
            let words: Vec<_> = statement.split_whitespace().collect();
            if words
                .first()
                .is_some_and(|first| DIRECTIVES.contains(first))
            {
                let statement: String = words
                    .join(" ")
                    .chars()
                    .filter(|char| !char.is_control())
                    .collect();
                *said.entry(statement).or_insert(0) += 1;
            }
        }
    }
    said
}

/// The version that `nginx -v` prints, to stderr.
fn version_of(program: &Path) -> Option<[u32; 3]> {
    let said = Command::new(program).arg("-v").env_clear().output().ok()?;
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    let version = text.split_once("nginx/")?.1;
    let version = version
        .split(|c: char| c != '.' && !c.is_ascii_digit())
        .next()?;
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}
