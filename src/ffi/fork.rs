//! fork, with other threads at work in the cache.
//!
//! Only the forking thread exists in the child; a lock that another one held would stay locked there. So all
//! our locks are taken before the fork and released on both sides after it. They are held for a
//! few hundred nanoseconds at a time, and nothing foreign runs under them, so taking them does not block.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};
use std::mem;
use std::sync::RwLockWriteGuard;

use super::guard::guard;
use super::registry::{self, Stores};
use crate::cache::Held;
use crate::host::{SessionRef, locate};

/// Every lock, in lock order. The shards are released before the registry.
struct AllLocks {
    shards: Vec<Held<'static, SessionRef>>,
    registry: RwLockWriteGuard<'static, Stores>,
}

/// What the forking thread holds between its two handlers.
struct OverFork(UnsafeCell<Option<AllLocks>>);

// SAFETY: only the thread that holds the registry's write lock touches the cell.
unsafe impl Sync for OverFork {}

static OVER_FORK: OverFork = OverFork(UnsafeCell::new(None));

/// Sees to it that forks are prepared for. Not before the first context: a process without TLS sees nothing.
pub fn prepare_once() {
    // Not a Once: one that another thread is in while this process forks is never done in the child.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    // Relaxed: only who is first counts.
    if !REGISTERED.swap(true, Ordering::Relaxed) {
        // SAFETY: the handlers are functions of this library, which is never unloaded.
        unsafe { libc::pthread_atfork(Some(before), Some(after_in_parent), Some(after_in_child)) };
    }
}

unsafe extern "C" fn before() {
    guard((), || {
        let registry = registry::write();
        let shards = registry
            .values()
            .map(|store| {
                let held = store.hold();
                // SAFETY: the stores cannot leave the registry while its write lock is held, and `AllLocks`
                // releases the shards before that lock.
                unsafe { mem::transmute::<Held<'_, SessionRef>, Held<'static, SessionRef>>(held) }
            })
            .collect();
        // SAFETY: we hold the registry's write lock.
        unsafe { *OVER_FORK.0.get() = Some(AllLocks { shards, registry }) };
        Some(())
    })
}

unsafe extern "C" fn after_in_parent() {
    guard((), || {
        release();
        Some(())
    })
}

unsafe extern "C" fn after_in_child() {
    guard((), || {
        locate::hosts().for_each(|host| host.scratch.forget());
        release();
        Some(())
    })
}

fn release() {
    // SAFETY: this thread, or the one it was forked from, holds the registry's write lock since `before`.
    let held = unsafe { (*OVER_FORK.0.get()).take() };
    if let Some(AllLocks { shards, registry }) = held {
        drop(shards);
        drop(registry);
    }
}
