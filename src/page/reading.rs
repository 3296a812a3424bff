//! Reading a page of any process. Its contents are not trusted.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::alive::{boot, is_of_page, namespace, proc_is_ours};
use super::census::{Census, Holder};
use super::figures::{Context, NUMBER, REGION_FIGURES, Sums, TicketKeys};
use super::layout::{
    BYTES, CONTEXTS_SHOWN, MAGIC, SLOTS, VERSION, context, header, slot as place, slot_at,
};
use super::maps::status_of;

/// The contents of a page when it was read.
pub struct Reading {
    /// The path of the file.
    pub path: PathBuf,
    name: OsString,
    /// True if the path is one of /proc that leads to the file, which no name may lead to any more.
    is_map_file: bool,
    /// Device and inode of the file.
    pub inode: (u64, u64),
    words: Vec<u64>,
    /// The user that it belongs to.
    user: u32,
    /// True if a process keeps the file locked.
    locked: bool,
}

/// One process of a page.
#[derive(Clone, Debug)]
pub struct Process {
    /// Its process id, as the reader's /proc shows it. If the reader does not see the process: its id in its own pid
    /// namespace, which may mean any process here.
    pub pid: u32,
    /// Its id in its own pid namespace.
    pub inner_pid: u32,
    /// True if the reader sees the process.
    pub is_known: bool,
    /// When its statistics were last written, in seconds of the epoch; 0: never.
    pub published: u64,
    /// Its statistics.
    pub sums: Sums,
    /// Its first contexts.
    pub contexts: Vec<Context>,
}

/// Whether a page is in use, as far as its words and the processes that it names tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A process of it exists.
    Alive,
    /// All its processes are gone.
    Gone,
    /// No process is known to have it, but one may that has not said so yet.
    GoneUnlessMapped,
    /// It has processes that are not seen by their ids.
    NotSeen,
}

impl Reading {
    /// Reads the file at `path`.
    pub fn of(path: &Path) -> io::Result<Self> {
        Self::of_file(&open(path, false, false)?, path)
    }

    /// Reads the page that a process has mapped, by whichever path leads to it.
    pub fn of_holder(holder: &Holder) -> io::Result<Self> {
        // The path as the process sees it in its root, and as it was before the process changed its root.
        for path in [holder.path_in_its_root(), holder.path.clone()] {
            if !holder.is_deleted
                && let Ok(page) = Self::of(&path)
                && page.inode.1 == holder.inode.1
            {
                return Ok(page);
            }
        }
        let path = holder.map_file();
        let page = Self::of_file(&open(&path, false, true)?, &path)?;
        Ok(Self {
            name: holder.path.file_name().unwrap_or_default().to_owned(),
            is_map_file: true,
            ..page
        })
    }

    /// Reads an open file, whose size was checked.
    fn of_file(file: &File, path: &Path) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let about = file.metadata()?;
        file.take(BYTES as u64).read_to_end(&mut bytes)?;
        let mut words: Vec<_> = bytes
            .chunks_exact(8)
            .map(|word| u64::from_ne_bytes(word.try_into().unwrap_or_default()))
            .collect();
        let known = |at: usize| words.get(at).copied();
        if bytes.len() != BYTES
            || known(header::MAGIC) != Some(MAGIC)
            || known(header::VERSION) != Some(VERSION)
        {
            return Err(no_page());
        }
        // A user may leave any number of pages of which most is empty; what is not kept reads as 0.
        let used = words.iter().rposition(|word| *word != 0).unwrap_or(0);
        words.truncate(used + 1);
        words.shrink_to_fit();
        // Only such pages are locked by their processes. One that is being made is not kept from locking its own.
        let is_locked = || {
            // SAFETY: `file` is open; if the lock is taken, it ends when `file` is closed.
            unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) != 0 }
        };
        Ok(Self {
            path: path.to_path_buf(),
            name: path.file_name().unwrap_or_default().to_owned(),
            is_map_file: false,
            inode: (about.dev(), about.ino()),
            user: about.uid(),
            locked: words.get(header::PIDS).is_none_or(|pids| *pids == 0) && is_locked(),
            words,
        })
    }

    /// For fuzzers: a page of these words.
    #[cfg(fuzzing)]
    pub fn of_words(words: Vec<u64>) -> Option<Self> {
        let known = |at: usize| words.get(at).copied();
        let is_page =
            known(header::MAGIC) == Some(MAGIC) && known(header::VERSION) == Some(VERSION);
        is_page.then(|| Self {
            path: PathBuf::new(),
            name: OsString::new(),
            is_map_file: false,
            inode: (0, 0),
            user: 0,
            locked: false,
            words,
        })
    }

    /// Its name, by which memory maps have it, too.
    pub fn name(&self) -> &[u8] {
        self.name.as_bytes()
    }

    /// How many words are kept in memory.
    #[cfg(test)]
    pub(super) fn words_kept(&self) -> usize {
        self.words.len()
    }

    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }

    fn text(&self) -> String {
        let bytes: Vec<u8> = (header::TEXT..header::WORDS)
            .flat_map(|at| self.word(at).to_ne_bytes())
            .collect();
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }

    fn line(&self, number: usize) -> String {
        let text = self.text();
        let line = text.lines().nth(number).unwrap_or_default();
        line.chars().filter(|char| !char.is_control()).collect()
    }

    /// When it was made, in seconds of the epoch.
    pub fn made(&self) -> u64 {
        self.word(header::MADE)
    }

    /// The version of the library.
    pub fn version(&self) -> String {
        self.line(0)
    }

    /// How sslcache was loaded, and the host library.
    pub fn form(&self) -> String {
        self.line(1)
    }

    /// The settings in force: `name=value`.
    pub fn settings(&self) -> Vec<String> {
        (2..self.text().lines().count())
            .map(|number| self.line(number))
            .collect()
    }

    /// The setting of this name in force, unless it is the default `none`.
    pub fn setting(&self, name: &str) -> Option<String> {
        self.settings()
            .iter()
            .filter_map(|line| line.split_once('='))
            .find_map(|(other, value)| (other == name).then(|| value.to_owned()))
            .filter(|value| value != "none")
    }

    /// True if it is of an earlier boot: its processes are gone, and its ticks mean nothing.
    fn is_of_another_boot(&self) -> bool {
        let (boot, its) = (boot(), self.word(header::BOOT));
        boot != 0 && its != 0 && its != boot
    }

    /// The slots that are taken: the first word of each, the process id, and its pid namespace.
    fn taken(&self) -> impl Iterator<Item = (usize, u32, u64)> {
        (0..SLOTS).map(slot_at).filter_map(|at| {
            let pid = u32::try_from(self.word(at + place::PID)).ok()?;
            let namespace = match self.word(at + place::PIDS) {
                0 => self.word(header::PIDS),
                namespace => namespace,
            };
            (pid != 0).then_some((at, pid, namespace))
        })
    }

    /// Whether it is in use.
    pub fn in_use(&self) -> Use {
        if self.is_of_another_boot() {
            return Use::Gone;
        }
        let ours = namespace();
        let is_alive = |(at, pid, of): (usize, u32, u64)| {
            let taken = self.word(at + place::TAKEN);
            ours != 0 && of == ours && is_of_page(pid, taken, self.name())
        };
        if self.locked || self.taken().any(is_alive) {
            return Use::Alive;
        }
        match self.word(header::PIDS) {
            // Only a lock tells, and a process that closes all descriptors has lost it.
            0 => Use::GoneUnlessMapped,
            of if of != ours || self.taken().any(|(.., of)| of != ours) => Use::NotSeen,
            _ if self.word(header::EXPECTED) != 0 => Use::GoneUnlessMapped,
            _ => Use::Gone,
        }
    }

    /// True if it is still the same page, taken by the same processes, as in an earlier reading.
    pub fn is_as_in(&self, earlier: &Self) -> bool {
        self.inode == earlier.inode && self.taken().eq(earlier.taken())
    }

    /// How many processes found no slot.
    pub fn unseen(&self) -> u64 {
        self.word(header::UNSEEN)
    }

    /// The sums of the processes that are gone.
    pub fn departed(&self) -> Sums {
        Sums {
            figures: self.figures_at(header::DEPARTED),
            ..Sums::default()
        }
    }

    /// The figures of all processes that there have been. They never fall, however a process ends: the counts of one that
    /// was killed stay in its slot until another process takes it over.
    pub fn total(&self) -> Sums {
        let mut sums = self.departed();
        for at in (0..SLOTS).map(slot_at) {
            for (number, sum) in sums.figures.iter_mut().enumerate() {
                *sum = sum.saturating_add(self.word(at + place::FIGURES + number));
            }
        }
        sums
    }

    fn figures_at(&self, at: usize) -> [u64; NUMBER] {
        core::array::from_fn(|number| self.word(at + number))
    }

    /// The statistics of the shared region, as in `REGION_FIGURES`.
    pub fn region(&self) -> [u64; REGION_FIGURES.len()] {
        core::array::from_fn(|number| self.word(header::REGION + number))
    }

    /// Its processes: those that exist, and those of which the census does not tell.
    pub fn processes(&self, census: &Census) -> Vec<Process> {
        if self.is_of_another_boot() {
            return Vec::new();
        }
        let ours = namespace();
        let (name, proc_is_ours) = (self.name(), proc_is_ours());
        let processes = self.taken().filter_map(|(at, inner, of)| {
            let is_ours = ours != 0 && of == ours;
            if is_ours && !is_of_page(inner, self.word(at + place::TAKEN), name) {
                return None;
            }
            if is_ours && proc_is_ours {
                return Some(self.process(inner, inner, true, at));
            }
            match census.find(name, inner, of) {
                Some(holder) => Some(self.process(holder.pid, inner, true, at)),
                None if census.is_whole() => None,
                None => Some(self.process(inner, inner, false, at)),
            }
        });
        processes
            .filter(|process| !process.is_known || may_be_of(process.pid, self.user))
            .collect()
    }

    fn process(&self, pid: u32, inner_pid: u32, is_known: bool, at: usize) -> Process {
        let sums = Sums {
            figures: self.figures_at(at + place::FIGURES),
            contexts: self.word(at + place::CONTEXTS),
            sessions: self.word(at + place::SESSIONS),
            memory: self.word(at + place::MEMORY),
        };
        let shown = (self.word(at + place::SHOWN) as usize).min(CONTEXTS_SHOWN);
        let contexts = (0..shown)
            .map(|number| self.context(at + place::FIRST_CONTEXT + number * context::WORDS));
        Process {
            pid,
            inner_pid,
            is_known,
            published: self.word(at + place::PUBLISHED),
            sums,
            contexts: contexts.collect(),
        }
    }

    fn context(&self, at: usize) -> Context {
        let kind = self.word(at + context::KIND);
        let attributes = core::array::from_fn(|number| {
            let two = self.word(at + context::ATTRIBUTES + number / 2);
            (two >> (number % 2 * 32)) as u32
        });
        Context {
            mode: kind as u32,
            verify: (kind >> 32) as u8,
            id_context: (kind >> 40) as u8,
            flags: (kind >> 48) as u8,
            keys: (kind >> 56) as u8,
            options: self.word(at + context::OPTIONS),
            capacity: self.word(at + context::CAPACITY),
            sessions: self.word(at + context::SESSIONS),
            hits: self.word(at + context::HITS),
            misses: self.word(at + context::MISSES),
            accepted: self.word(at + context::ACCEPTED),
            connected: self.word(at + context::CONNECTED),
            resumed: self.word(at + context::RESUMED),
            origin: self.word(at + context::ORIGIN),
            attributes,
        }
    }

    /// What may be told of the ticket keys that its processes share.
    pub fn ticket_keys(&self) -> TicketKeys {
        let [made, turn_ends, number, until] =
            core::array::from_fn(|at| self.word(header::KEYS + at));
        TicketKeys {
            made,
            turn_ends,
            number,
            until,
        }
    }

    /// Whether its processes have yet to obey orders about ticket keys: to make no more tickets with them, and to forget them.
    pub fn awaited_of_keys(&self) -> [bool; 2] {
        let is_awaited = |(asked, done)| self.word(asked) != self.word(done);
        [
            (header::TURN, header::TURNED),
            (header::FORGET, header::FORGOTTEN),
        ]
        .map(is_awaited)
    }

    /// Asks its processes to flush their caches, which they do when they next use them.
    pub fn ask_to_flush(&self) -> io::Result<()> {
        self.ask(header::FLUSH)
    }

    /// Asks its processes to make no more tickets with the keys that they have.
    pub fn ask_to_turn_keys(&self) -> io::Result<()> {
        self.ask(header::TURN)
    }

    /// Asks its processes to forget the ticket keys that they have.
    pub fn ask_to_forget_keys(&self) -> io::Result<()> {
        self.ask(header::FORGET)
    }

    fn ask(&self, at: usize) -> io::Result<()> {
        let file = open(&self.path, true, self.is_map_file)?;
        let about = file.metadata()?;
        // The folder may be another user's, who may have put another file there since.
        if (about.dev(), about.ino()) != self.inode {
            return Err(no_page());
        }
        let at = (at * 8) as u64;
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at)?;
        let asked = u64::from_ne_bytes(word).wrapping_add(1);
        file.write_all_at(&asked.to_ne_bytes(), at)
    }
}

/// True if a process may have taken a slot of a page that belongs to `user`: the process runs as that user, or root has made
/// the page, as for workers that have given root's rights up. Anybody could write the ids of another user's processes into
/// a page.
pub(super) fn may_be_of(pid: u32, user: u32) -> bool {
    let users = status_of(pid, "Uid");
    user == 0 || users.is_empty() || users.iter().any(|one| one.parse() == Ok(user))
}

fn no_page() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "not the page of a process of this version",
    )
}

/// Opens a file of the size of a page; no file whose opening could wait, and a link only if it may be `followed`.
pub(super) fn open(path: &Path, write: bool, followed: bool) -> io::Result<File> {
    let at_its_end = if followed { 0 } else { libc::O_NOFOLLOW };
    let flags = at_its_end | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    let file = OpenOptions::new()
        .read(true)
        .write(write)
        .custom_flags(flags)
        .open(path)?;
    let about = file.metadata()?;
    match about.is_file() && about.size() == BYTES as u64 {
        true => Ok(file),
        false => Err(no_page()),
    }
}
