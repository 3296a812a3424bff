//! What nginx's configuration says of sessions and tickets, by `nginx -T`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use sslcache::page::maps::{about, status_of};

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
    let Some(master) = Master::of(pid) else {
        return false;
    };
    let Some((text, _)) = master.say(&["-T", "-q"]) else {
        return false;
    };
    let said = directives(&text);
    if said.is_empty() {
        report.fine(
            "nginx -T: nothing is said of sessions and tickets: tickets are on, and no cache keeps sessions",
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
    if turns
        && master
            .version()
            .is_some_and(|version| version >= TURNS_KEYS)
    {
        report.fine(
            "this version of nginx keeps ticket keys in its shared cache, and turns them itself",
        );
        return true;
    }
    false
}

/// The master process of an nginx.
struct Master {
    pid: u32,
    /// When it began, in ticks: its id may be another's by the time that it is asked for again.
    began: u64,
    program: PathBuf,
    /// The options that decide which configuration is read.
    options: Vec<String>,
}

impl Master {
    /// The master of the nginx that this process belongs to, if to run its program is no risk: it must be this user's, as its
    /// configuration can load code, and see the files that this tool sees.
    fn of(pid: u32) -> Option<Self> {
        // A worker's parent is the master, which has the options in its title.
        let pids = [Some(pid), parent_of(pid)];
        pids.into_iter().flatten().find_map(|pid| {
            let folder = folder_of(pid);
            let began = start_of(pid)?;
            let title = fs::read(folder.join("cmdline")).ok()?;
            let title = String::from_utf8_lossy(&title).replace('\0', " ");
            let options = options_of(title.strip_prefix("nginx: master process ")?)?;
            let program = fs::read_link(folder.join("exe")).ok()?;
            let about = fs::metadata(&program).ok()?;
            // SAFETY: geteuid has no preconditions.
            let us = unsafe { libc::geteuid() };
            let is_safe = (about.uid() == 0 || about.uid() == us) && about.mode() & 0o022 == 0;
            let is_ours = fs::metadata(&folder).ok()?.uid() == us;
            let same = |a: &Path, b: &Path| {
                let (a, b) = (fs::metadata(a).ok()?, fs::metadata(b).ok()?);
                Some((a.dev(), a.ino()) == (b.dev(), b.ino()))
            };
            let same_root = same(&folder.join("root/"), Path::new("/"))?
                && same(&folder.join("ns/mnt"), Path::new("/proc/self/ns/mnt"))?;
            let is_nginx = program.file_name()? == "nginx";
            let is_the_same = start_of(pid)? == began;
            (is_ours && is_safe && same_root && is_nginx && is_the_same).then_some(Self {
                pid,
                began,
                program,
                options,
            })
        })
    }

    /// What its program prints to stdout and stderr; `None` if it fails, or takes too long.
    fn say(&self, options: &[&str]) -> Option<(String, String)> {
        let mut command = Command::new(&self.program);
        command
            .args(options)
            .args(&self.options)
            .env_clear()
            // Relative paths are those of the server, not of whoever calls this tool.
            .current_dir(folder_of(self.pid).join("cwd"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if start_of(self.pid) != Some(self.began) {
            return None;
        }
        let mut child = command.spawn().ok()?;
        let (out, err) = (drain(child.stdout.take()?), drain(child.stderr.take()?));
        let end = Instant::now() + PATIENCE;
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(10)),
                _ => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return None;
                }
            }
        };
        // A child of its own may hold the pipe open for longer.
        let texts = (
            out.recv_timeout(PATIENCE).ok()?,
            err.recv_timeout(PATIENCE).ok()?,
        );
        status.success().then_some(texts)
    }

    /// The version that it prints, to stderr.
    fn version(&self) -> Option<[u32; 3]> {
        let (_, said) = self.say(&["-v"])?;
        let version = said.split_once("nginx/")?.1;
        let version = version.split(|c: char| c != '.' && !c.is_ascii_digit());
        let mut numbers = version
            .into_iter()
            .next()?
            .split('.')
            .map(|number| number.parse().ok());
        Some([numbers.next()??, numbers.next()??, numbers.next()??])
    }
}

/// Reads a pipe to its end, or to a bound, in a thread.
fn drain(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.take(BYTES_MOST).read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}

fn parent_of(pid: u32) -> Option<u32> {
    status_of(pid, "PPid").first()?.parse().ok()
}

/// The folder of a process in /proc.
fn folder_of(pid: u32) -> PathBuf {
    format!("/proc/{pid}").into()
}

/// When a process began, in ticks.
fn start_of(pid: u32) -> Option<u64> {
    about(pid).map(|about| about.began)
}

/// The options of a title that decide which configuration is read: -c, -p and -e, each with its path, in the same word or the
/// next. The title has lost its quotes: `None` if it cannot be told where a value ends.
fn options_of(title: &str) -> Option<Vec<String>> {
    let mut words = title.split_whitespace().skip(1).peekable(); // without the program
    let mut options = Vec::new();
    while let Some(word) = words.next() {
        let letters = word.strip_prefix('-')?;
        let Some(at) = letters.find(['c', 'p', 'e', 'g', 's']) else {
            continue; // switches alone
        };
        let (option, rest) = letters[at..].split_at(1);
        let value = match rest {
            "" => words.next()?,
            _ => rest,
        };
        match option {
            // Directives: they end before the next option.
            "g" => while words.next_if(|word| !word.starts_with('-')).is_some() {},
            "s" => {}
            _ => options.extend([format!("-{option}"), value.to_owned()]),
        }
    }
    Some(options)
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
