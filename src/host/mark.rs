//! Where a host keeps the mark of a session that is not resumable.
//!
//! libssl has no function that sets the mark but its own SSL_CTX_remove_session, which takes a lock and looks into a table for
//! it: two hundred instructions, a quarter of a removal. So the host is watched while it marks a session. The words behind the
//! session's id context are compared, where all releases have the mark, and one that alone has become 1 from 0 is tried with
//! the next session. It is the mark if SSL_SESSION_is_resumable says yes before it is set, and no after. In any other case the
//! marking is left to the host.

use core::array;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

use super::abi::SSL_MAX_SID_CTX_LENGTH;
use super::session::SessionRef;
use super::table::Libssl;
use crate::sys::prefetch::prefetch;

/// So many words are compared: two pointers stand before the mark.
const WORDS: usize = 8;
const WORD: usize = size_of::<u32>();
const CACHE_LINE: usize = 64;
/// The id context is not farther from the beginning of a session than this.
const FARTHEST: usize = 4096;
/// So many sessions in which more than the mark has changed are enough.
const TRIES: u32 = 16;
/// In place of a distance: the host marks sessions itself.
const NOWHERE: usize = usize::MAX;

/// What is known of the mark's place: distances in bytes from the beginning of a session, or 0.
///
/// Each value is complete by itself, and any thread may find it out; so all accesses are Relaxed.
#[derive(Default)]
pub struct Mark {
    /// Where it is.
    proven: AtomicUsize,
    /// Where the host has been seen to set it, or [`NOWHERE`].
    seen: AtomicUsize,
    tries: AtomicU32,
}

impl Mark {
    /// Marks a session, if it is known how.
    #[inline]
    pub fn set(&self, session: &SessionRef) -> bool {
        let at = self.proven.load(Relaxed);
        if at == 0 {
            return false;
        }
        let word = word(session, at);
        match word.load(Relaxed) {
            0 => word.store(1, Relaxed),
            1 => {}
            _ => return false, // there is more in it than the mark
        }
        true
    }

    /// Begins to load what a session's mark and its count of references are in, as one that left long ago is far away.
    #[inline]
    pub fn fetch(&self, session: &SessionRef) {
        let at = self.proven.load(Relaxed);
        if at != 0 {
            prefetch(word(session, at));
            prefetch(word(session, at + CACHE_LINE));
        }
    }

    /// Has a session marked by the host, which `by_host` asks for it, or as the host was seen to do it. Returns whether it is marked.
    #[cold]
    pub fn learn(
        &self,
        libssl: &Libssl,
        session: &SessionRef,
        by_host: impl FnOnce() -> bool,
    ) -> bool {
        match self.seen.load(Relaxed) {
            0 => self.watch(libssl, session, by_host),
            at if at != NOWHERE && self.prove(libssl, session, at) => true,
            _ => by_host(),
        }
    }

    fn watch(&self, libssl: &Libssl, session: &SessionRef, by_host: impl FnOnce() -> bool) -> bool {
        let Some(start) = behind_id_context(libssl, session) else {
            self.seen.store(NOWHERE, Relaxed);
            return by_host();
        };
        let words = || array::from_fn(|at| word(session, start + at * WORD).load(Relaxed));
        let before = words();
        let is_marked = by_host();
        let after = words();
        match set_alone(&before, &after) {
            Some(at) if is_marked => self.seen.store(start + at * WORD, Relaxed),
            // It was marked before, perhaps.
            _ if before == after => {}
            _ => {
                if self.tries.fetch_add(1, Relaxed) >= TRIES {
                    self.seen.store(NOWHERE, Relaxed);
                }
            }
        }
        is_marked
    }

    /// Marks a session by the word that the host was seen to set; false if that cannot be told to be the mark.
    fn prove(&self, libssl: &Libssl, session: &SessionRef, at: usize) -> bool {
        // SAFETY: `session` holds a reference, so the session is alive.
        let is_resumable = || unsafe { (libssl.SSL_SESSION_is_resumable)(session.as_ptr()) } == 1;
        let word = word(session, at);
        if word.load(Relaxed) != 0 || !is_resumable() {
            return false;
        }
        word.store(1, Relaxed);
        if is_resumable() {
            word.store(0, Relaxed);
            self.seen.store(NOWHERE, Relaxed);
            return false;
        }
        self.proven.store(at, Relaxed);
        true
    }
}

/// Where the words behind the id context of a session begin; `None` if the context is not inside the session.
fn behind_id_context(libssl: &Libssl, session: &SessionRef) -> Option<usize> {
    let mut len = 0;
    // SAFETY: `session` holds a reference, and `len` is a place for the length.
    let context = unsafe { (libssl.SSL_SESSION_get0_id_context)(session.as_ptr(), &mut len) };
    let at = context.addr().checked_sub(session.as_ptr().addr())?;
    let is_inside = (1..FARTHEST).contains(&at) && at.is_multiple_of(WORD);
    is_inside.then_some(at + SSL_MAX_SID_CTX_LENGTH as usize)
}

/// The word that stands so many bytes after the beginning of a session.
fn word(session: &SessionRef, at: usize) -> &AtomicU32 {
    // SAFETY: `session` holds a reference. In every release more than WORDS words of the session follow its id context, and more
    // than a cache line its mark, so that this one is inside it; it is aligned, and libssl writes it as a whole.
    unsafe { AtomicU32::from_ptr(session.as_ptr().byte_add(at).cast()) }
}

/// The number of the word that has become 1 from 0, if no other word has changed.
fn set_alone(before: &[u32; WORDS], after: &[u32; WORDS]) -> Option<usize> {
    let mut changed = (0..WORDS).filter(|&at| before[at] != after[at]);
    let at = changed.next()?;
    let is_alone = changed.next().is_none();
    (is_alone && (before[at], after[at]) == (0, 1)).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_mark_only_if_it_alone_was_set() {
        let before = [7, 0, 0, 0, 1, 2, 0, 0];
        let with = |changes: &[(usize, u32)]| {
            let mut words = before;
            changes.iter().for_each(|&(at, value)| words[at] = value);
            set_alone(&before, &words)
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&[(3, 1)]), Some(3));
        assert_eq!(with(&[(3, 2)]), None);
        assert_eq!(with(&[(5, 3)]), None);
        assert_eq!(with(&[(4, 0)]), None);
        assert_eq!(with(&[(3, 1), (5, 3)]), None);
        assert_eq!(with(&[(3, 1), (6, 1)]), None);
    }
}
