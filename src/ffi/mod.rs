//! What C sees: libssl's session-cache interface over the cache of each context.
//!
//! The only layer with exported functions. An entry is a guard, a conversion and a call; libssl's rules are
//! in [`store`]. A context that is not in our care, and every call that the host makes on our behalf,
//! gets the host's own function.
//!
//! * [`contexts`], [`sessions`], [`settings`] and [`stats`] are the exported functions, by subject.
//! * [`attach`] takes a context over; [`callbacks`] is what the host calls.
//! * [`store`] is what we keep with a context; [`view`], [`clearing`], [`snapshot`] and [`ending`] are its parts.
//! * [`sharing`] is its way to other processes, and [`alike`] decides who there may have what; its [`id_context`] belongs to it;
//!   [`forcing`] gives a cache to who has none.
//! * [`tickets`] gives all processes one set of keys for stateless tickets.
//! * [`presence`] is how we came into the process; [`live`] shows what we do there.
//! * [`guard`] is the boundary: panics, errno; [`callback`] a C function pointer that may change at any time.
//! * [`unannounced`] is the sessions that the application knows nothing of.
//! * [`claims`] sees to it that early data is accepted once; [`registry`] knows all stores,
//!   [`known`] finds one fast; [`connections`] is what is kept with an `SSL`; [`hooks`] tells when all these end.

pub mod alike;
pub mod attach;
mod callback;
mod callbacks;
mod claims;
mod clearing;
mod connections;
pub mod contexts;
mod ending;
mod forcing;
mod freeing;
mod guard;
mod hooks;
mod id_context;
mod known;
mod leaving;
mod live;
mod local;
mod presence;
mod registry;
pub mod sessions;
pub mod setters;
pub mod settings;
mod sharing;
mod snapshot;
pub mod stats;
mod store;
mod tickets;
mod unannounced;
mod view;

/// How many processors this process may run on. The standard library's own count reads files; this one
/// asks the kernel.
fn processors() -> usize {
    // SAFETY: all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { core::mem::zeroed() };
    // SAFETY: `set` is as large as said. 0 means the calling thread.
    if unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut set) } != 0 {
        return 1;
    }
    // SAFETY: the kernel has filled the set.
    usize::try_from(unsafe { libc::CPU_COUNT(&set) })
        .unwrap_or(1)
        .max(1)
}
