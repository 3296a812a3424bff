//! What the processes of a tree have in common: the region, the elections, and the count of forks.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::config::{Settings, write_size};
use crate::host::locate;
use crate::shm::{Elections, Partition, PartitionId, Region};
use crate::sys::forks::{this_process, watch_forks};
use crate::sys::guard::quietly;
use crate::sys::lock::Lock;
use crate::sys::say::{self, Topic};

/// How often this process and its ancestors have forked since the region was made.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A point in the life of a process tree. It differs from a later one exactly if there was a fork between the two, so a
/// context that was made at an earlier point may have copies in other processes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ForkPoint {
    /// The value of `FORKS`.
    forks: u32,
    /// The number of the process in its line of forks, as [`this_process`] gives it.
    pub process: u32,
    /// How many processes of the line were forked without a count.
    unseen: u16,
}

impl ForkPoint {
    /// The present point. A fork is counted before it happens, so that no thread consumes a session between the fork and
    /// the count.
    pub fn now() -> Self {
        let noted = Noted::up_to_date();
        Self {
            forks: FORKS.load(Ordering::SeqCst),
            process: noted.process,
            unseen: noted.unseen,
        }
    }

    /// Whether there was no fork since this point. `unseen` need not be looked at: within one process it does not change.
    #[inline]
    pub fn is_now(self) -> bool {
        FORKS.load(Ordering::SeqCst) == self.forks && this_process() == self.process
    }

    /// Whether this process, or an ancestor since this point, was forked without fork handlers (by `clone` or `_Fork`): its
    /// parent does not know that it has a child.
    pub fn was_forked_unseen(self) -> bool {
        let now = Self::now();
        now.unseen != self.unseen || now.forks == self.forks && now.process != self.process
    }
}

/// The last process of the line that was noted; it fits one atomic word.
#[derive(Clone, Copy)]
struct Noted {
    /// The number of the process; 0 if none was noted.
    process: u32,
    /// The lower half of `FORKS` when no fork was last under way.
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

    /// The state with this process in it; a process that is not noted yet is noted now.
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

/// Runs before a fork. The process is noted before its fork is counted: if it was itself forked without a count, counting would
/// hide that.
unsafe extern "C" fn before_fork() {
    // The child goes on with this thread alone.
    for libssl in locate::hosts().filter_map(|host| host.libssl.as_ref().ok()) {
        quietly(|| libssl.make_error_queue());
    }
    Noted::up_to_date();
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// Runs after a fork in the parent. A child that is forked without handlers later finds `forks` equal to `FORKS`, and so
/// recognises that it was not counted.
unsafe extern "C" fn note_forked() {
    Noted::update(|noted, _, forks| Some(Noted { forks, ..noted }));
}

/// Runs after a fork in the child, which was counted whatever other threads of the parent noted during the fork.
unsafe extern "C" fn note_child() {
    Noted::update(|noted, process, forks| {
        Some(Noted {
            process,
            forks,
            ..noted
        })
    });
}

/// What a process has in common with its descendants.
pub struct Common {
    /// The shared memory.
    pub region: Region,
    /// Whether the region is the file that the setting names. Otherwise only this process tree has it.
    is_named: bool,
    /// The elections of the processes that migrate the sessions cached before a fork, one for each context.
    pub elections: Elections,
}

/// Returns [`Region::partition`]; if the table of partitions is full, a line on stderr says so once.
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

/// The region of [`make_early`], until [`common`] takes it.
static EARLY: OnceBox<Lock<Option<Region>>> = OnceBox::new();

/// Maps the region before the first context is made: processes that make their contexts after the fork have no other way
/// to find each other. Nothing is written to stderr, because the program may never use TLS.
pub fn make_early(settings: &Settings) {
    EARLY.get_or_init(|| {
        let unnamed = settings.region.is_none();
        let region = unnamed.then(|| Region::anonymous(settings.region_size).ok());
        Box::new(Lock::new(region.flatten()))
    });
}

static COMMON: OnceBox<Option<Common>> = OnceBox::new();

/// What this process has in common with its descendants; `None` before the first context is made, or if the memory could
/// not be mapped, so that each process has a cache of its own.
pub fn common() -> Option<&'static Common> {
    COMMON.get()?.as_ref()
}

/// Maps the memory that [`common`] returns, in the first call, which is for the first context.
pub fn make_common(settings: &Settings) -> Option<&'static Common> {
    COMMON.get_or_init(|| Box::new(map(settings))).as_ref()
}

/// Whether the named region of the setting is in use.
pub fn is_named() -> bool {
    common().is_some_and(|common| common.is_named)
}

fn map(settings: &Settings) -> Option<Common> {
    let named = settings.region.as_ref().and_then(|path| {
        let named = Region::named(path, settings.region_size);
        match &named {
            Err(refusal) => say::once(
                Topic::Region,
                format_args!(
                    "no memory shared between processes: {refusal}; only processes forked from one another share"
                ),
            ),
            Ok(region) if !region.is_as_made_with(settings.region_size) => say::once(
                Topic::Region,
                format_args!(
                    "shared region {} has {}, as it was made with, and not {}: to change that, remove the file while no \
                     process uses it",
                    path.display(),
                    write_size(region.size()),
                    write_size(settings.region_size)
                ),
            ),
            Ok(_) => {}
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
            // SAFETY: the handlers are functions of this library, which is never unloaded.
            unsafe { libc::pthread_atfork(Some(before_fork), Some(note_forked), Some(note_child)) };
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
