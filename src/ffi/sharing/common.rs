//! What the processes of a tree have in common, and how often they have forked.

use core::sync::atomic::{AtomicU32, Ordering};

use once_cell::race::OnceBox;

use crate::config::settings;
use crate::lock::{Lock, this_process, watch_forks};
use crate::say::{self, Topic};
use crate::tier::{Ballot, Region};

/// How often this process, and those that it descends from, have forked since the region was made.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A point in the life of a process tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    forks: u32,
    pub(super) process: u32,
}

impl Point {
    /// Forks are counted before they happen, so that no thread takes a session out unseen between the two.
    pub(super) fn now() -> Self {
        Self {
            forks: FORKS.load(Ordering::SeqCst),
            process: this_process(),
        }
    }

    /// Whether this process was forked without fork handlers: its parent does not know.
    pub(super) fn was_forked_unseen(self) -> bool {
        let now = Self::now();
        now.forks == self.forks && now.process != self.process
    }
}

unsafe extern "C" fn note_fork() {
    FORKS.fetch_add(1, Ordering::SeqCst);
}

/// What a process and those that descend from it have in common.
pub struct Common {
    pub region: Region,
    /// Who hands over what a context had before the fork.
    pub(super) ballot: Ballot,
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

fn make_common() -> Option<Common> {
    let settings = settings();
    let early = EARLY.get().and_then(|early| early.lock()?.take());
    let region = match (&settings.region, early) {
        (Some(path), _) => {
            Region::named(path, settings.region_size).map_err(|refusal| refusal.to_string())
        }
        (None, Some(early)) => Ok(early),
        (None, None) => Region::anonymous(settings.region_size).map_err(|error| error.to_string()),
    };
    let made = region.and_then(|region| {
        let ballot = Ballot::new().map_err(|error| error.to_string())?;
        Ok(Common { region, ballot })
    });
    match made {
        Ok(common) => {
            watch_forks();
            // SAFETY: the handler is a function of this library, which is never unloaded.
            unsafe { libc::pthread_atfork(Some(note_fork), None, None) };
            Some(common)
        }
        Err(reason) => {
            say::once(
                Topic::Region,
                format_args!(
                    "no memory shared between processes: {reason}; each has a cache of its own"
                ),
            );
            None
        }
    }
}
