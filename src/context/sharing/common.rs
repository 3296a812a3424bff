//! What the processes of a tree have in common, and how often they have forked.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::config::settings;
use crate::shm::{Elections, Partition, PartitionId, Region};
use crate::sys::lock::{Lock, this_process, watch_forks};
use crate::sys::say::{self, Topic};

/// How often this process, and those that it descends from, have forked since the region was made.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A point in the life of a process tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ForkPoint {
    forks: u32,
    /// The process, counted by forks.
    pub process: u32,
    unseen: u16,
}

impl ForkPoint {
    /// Forks are counted before they happen, so that no thread takes a session out unseen between the two.
    pub fn now() -> Self {
        let noted = Noted::up_to_date();
        Self {
            forks: FORKS.load(Ordering::SeqCst),
            process: noted.process,
            unseen: noted.unseen,
        }
    }

    /// Whether this process, or one between it and that of this point, was forked without fork handlers: its parent
    /// does not know.
    pub fn was_forked_unseen(self) -> bool {
        let now = Self::now();
        now.unseen != self.unseen || now.forks == self.forks && now.process != self.process
    }
}

/// The last process of the line that was noted, in one word.
#[derive(Clone, Copy)]
struct Noted {
    /// 0 before the first.
    process: u32,
    /// The lower half of `FORKS` when it last had no fork under way.
    forks: u16,
    /// How many processes of the line were forked without a count.
    unseen: u16,
}

static NOTED: AtomicU64 = AtomicU64::new(0);

impl Noted {
    fn of_word(word: u64) -> Self {
        Self {
            process: (word >> 32) as u32,
            forks: (word >> 16) as u16,
            unseen: word as u16,
        }
    }

    fn word(self) -> u64 {
        u64::from(self.process) << 32 | u64::from(self.forks) << 16 | u64::from(self.unseen)
    }

    /// With this process, which is noted now if it is new.
    fn up_to_date() -> Self {
        let noted = Self::of_word(NOTED.load(Ordering::SeqCst));
        if noted.process == this_process() {
            return noted;
        }
        Self::update(|noted, process, forks| {
            let is_new = noted.process != process;
            let counted = noted.process == 0 || noted.forks != forks;
            is_new.then(|| Self {
                process,
                forks,
                unseen: noted.unseen.wrapping_add(u16::from(!counted)),
            })
        })
    }

    fn update(change: impl Fn(Self, u32, u16) -> Option<Self>) -> Self {
        let (process, forks) = (this_process(), FORKS.load(Ordering::SeqCst) as u16);
        let changed = |word| change(Self::of_word(word), process, forks).map(Self::word);
        let (done, order) = (&NOTED, Ordering::SeqCst);
        let _ = done.fetch_update(order, order, changed);
        Self::of_word(done.load(order))
    }
}

/// Before a fork. This process is noted before its own fork is counted, which would hide that its own was not.
unsafe extern "C" fn note_fork() {
    Noted::up_to_date();
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// After a fork, in the parent: a child that is not counted finds no difference.
unsafe extern "C" fn note_forked() {
    Noted::update(|noted, _, forks| Some(Noted { forks, ..noted }));
}

/// After a fork, in the child: it is counted, whatever other threads of the parent have noted meanwhile.
unsafe extern "C" fn note_child() {
    Noted::update(|noted, process, forks| {
        Some(Noted {
            process,
            forks,
            ..noted
        })
    });
}

/// What a process and those that descend from it have in common.
pub struct Common {
    /// The memory.
    pub region: Region,
    /// Whether it is the one with a name that was asked for, which others use as well; else it is of this tree alone.
    is_named: bool,
    /// Who hands over what a context had before the fork.
    pub elections: Elections,
}

/// A partition of the region, as [`Region::partition`] gives it; where there is none, that is said.
pub fn partition_or_say(
    region: &'static Region,
    id: PartitionId,
    capacity: usize,
) -> Option<Partition<'static>> {
    let partition = region.partition(id, capacity);
    if partition.is_none() && region.was_full() {
        say::once(
            Topic::Places,
            format_args!(
                "more contexts in use than the memory shared between processes has places for: those without one have \
                 a cache in each process; a larger SSLCACHE_REGION_SIZE, up to 64M, has more places"
            ),
        );
    }
    partition
}

/// A region that is there before the first context; see [`make_early`].
static EARLY: OnceBox<Lock<Option<Region>>> = OnceBox::new();

/// Makes the region for processes that make their contexts after the fork and find each other nowhere else. Without a
/// word: this may be a program that never uses TLS.
pub fn make_early() {
    EARLY.get_or_init(|| {
        let settings = crate::config::settings_unsaid();
        let unnamed = settings.region.is_none();
        let region = unnamed.then(|| Region::anonymous(settings.region_size).ok());
        Box::new(Lock::new(region.flatten()))
    });
}

/// Made by the first call. `None` where it could not be: caches then stay each to its process.
pub fn common() -> Option<&'static Common> {
    static COMMON: OnceBox<Option<Common>> = OnceBox::new();
    COMMON.get_or_init(|| Box::new(make_common())).as_ref()
}

/// Whether there is the region with a name that was asked for.
pub fn is_named() -> bool {
    settings().region.is_some() && common().is_some_and(|common| common.is_named)
}

fn make_common() -> Option<Common> {
    let settings = settings();
    let named = settings.region.as_ref().and_then(|path| {
        let named = Region::named(path, settings.region_size);
        if let Err(refusal) = &named {
            say::once(
                Topic::Region,
                format_args!(
                    "no memory shared between processes: {refusal}; only processes forked from one another share"
                ),
            );
        }
        named.ok()
    });
    let is_named = named.is_some();
    let early = || EARLY.get().and_then(|early| early.lock()?.take());
    let region = match named.or_else(early) {
        Some(region) => Ok(region),
        None => Region::anonymous(settings.region_size),
    };
    let made = region.and_then(|region| {
        Ok(Common {
            region,
            is_named,
            elections: Elections::new()?,
        })
    });
    match made {
        Ok(common) => {
            watch_forks();
            // SAFETY: the handler is a function of this library, which is never unloaded.
            unsafe { libc::pthread_atfork(Some(note_fork), Some(note_forked), Some(note_child)) };
            Some(common)
        }
        Err(error) => {
            say::once(
                Topic::Region,
                format_args!(
                    "no memory shared between processes: {error}; each has a cache of its own"
                ),
            );
            None
        }
    }
}
