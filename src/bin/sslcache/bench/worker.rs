//! The worker: it measures, and prints a line `name value` for each result at once.

use std::ffi::{CStr, CString, c_long, c_void};
use std::io::Write;
use std::process::ExitCode;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

use super::libssl::{Libssl, is_ours};
use crate::failure::Failure;

const SET_CACHE_SIZE: i32 = 42; // SSL_CTRL_SET_SESS_CACHE_SIZE
const ID_BYTES: usize = 32;
const TLS1_2: i32 = 0x0303;
/// The sizes of a cache at which adding is measured, and the number of sessions that are added.
const SIZES: [usize; 3] = [1_000, 10_000, 50_000];
const WINDOW: usize = 500;
const LOOKED_UP: usize = 200_000;
const REMOVED: usize = 5_000;
const THREADS: usize = 4;
const OF_EACH_THREAD: usize = 10_000;

/// A context whose cache has no limit.
struct Context {
    libssl: Libssl,
    ctx: *mut c_void,
}

/// Sessions of the library of one context.
struct Sessions {
    libssl: Libssl,
    all: Vec<*mut c_void>,
    ids: Vec<[u8; ID_BYTES]>,
}

// SAFETY: any thread may use libssl's objects, and each thread has sessions of its own here.
unsafe impl Sync for Sessions {}
// SAFETY: several threads may use a context at a time.
unsafe impl Sync for Context {}

impl Context {
    fn new(libssl: Libssl) -> Self {
        // SAFETY: the method is the library's own.
        let ctx = unsafe { (libssl.SSL_CTX_new)((libssl.TLS_server_method)()) };
        // SAFETY: the context was just made, or is null, which libssl accepts; the command takes no pointer.
        unsafe { (libssl.SSL_CTX_ctrl)(ctx, SET_CACHE_SIZE, 0, ptr::null_mut()) };
        Self { libssl, ctx }
    }

    fn add(&self, session: *mut c_void) {
        // SAFETY: this process holds references to the context and the session.
        unsafe { (self.libssl.SSL_CTX_add_session)(self.ctx, session) };
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the reference is this object's own, and the context is not used afterwards.
        unsafe { (self.libssl.SSL_CTX_free)(self.ctx) };
    }
}

impl Sessions {
    /// Makes `count` sessions with ids and timeouts from `seed`.
    fn new(libssl: Libssl, count: usize, version: i32, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut sessions = Self {
            libssl,
            all: Vec::with_capacity(count),
            ids: Vec::with_capacity(count),
        };
        for _ in 0..count {
            let mut id = [0; ID_BYTES];
            id.chunks_exact_mut(8)
                .for_each(|part| part.copy_from_slice(&random.next().to_ne_bytes()));
            let timeout = 3600 + (random.next() % 86_400) as c_long;
            // SAFETY: the session was just made, and `id` is readable for its length.
            let session = unsafe {
                let session = (libssl.SSL_SESSION_new)();
                (libssl.SSL_SESSION_set1_id)(session, id.as_ptr(), ID_BYTES as u32);
                (libssl.SSL_SESSION_set_protocol_version)(session, version);
                (libssl.SSL_SESSION_set_timeout)(session, timeout);
                session
            };
            sessions.all.push(session);
            sessions.ids.push(id);
        }
        sessions
    }
}

impl Drop for Sessions {
    fn drop(&mut self) {
        for &session in &self.all {
            // SAFETY: the reference is this object's own.
            unsafe { (self.libssl.SSL_SESSION_free)(session) };
        }
    }
}

/// xorshift64*, which is random enough for ids and timeouts.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

fn say(name: &str, value: impl std::fmt::Display) {
    println!("{name} {value}");
    let _ = std::io::stdout().flush(); // if that fails, the parent has gone
}

fn nanoseconds(time: Duration, count: usize) -> f64 {
    time.as_nanos() as f64 / count.max(1) as f64
}

/// Runs all measurements on the libssl of this name, each for at most `seconds`.
pub fn run(name: &str, seconds: u64) -> Result<ExitCode, Failure> {
    let missing = |reason: String| {
        Failure::new(
            name,
            reason,
            "install it: apt-get install libssl3, or the like",
        )
    };
    let name = CString::new(name).map_err(|error| missing(error.to_string()))?;
    let libssl = Libssl::load(&[&name]).map_err(missing)?;
    // SAFETY: for 0 the function returns the version, a static C string.
    let version = unsafe { CStr::from_ptr((libssl.OpenSSL_version)(0)) };
    say("version", version.to_string_lossy());
    say("cache", if is_ours(&name) { "sslcache" } else { "libssl" });
    let limit = Duration::from_secs(seconds);
    one_thread(libssl, limit);
    say("threads", several_threads(libssl, limit));
    Ok(ExitCode::SUCCESS)
}

fn one_thread(libssl: Libssl, limit: Duration) {
    let context = Context::new(libssl);
    // SAFETY: the context is alive. The connection is null if there is no memory.
    let ssl = unsafe { (libssl.SSL_new)(context.ctx) };
    let version = if ssl.is_null() {
        TLS1_2
    } else {
        // SAFETY: the connection was just made.
        unsafe { (libssl.SSL_version)(ssl) }
    };
    let last = SIZES[SIZES.len() - 1] + WINDOW;
    let sessions = Sessions::new(libssl, last, version, 0x5eed);
    let mut added = 0;
    let began = Instant::now();
    'sizes: for size in SIZES {
        while added < size {
            if began.elapsed() > limit {
                break 'sizes;
            }
            context.add(sessions.all[added]);
            added += 1;
        }
        let window = Instant::now();
        sessions.all[added..added + WINDOW]
            .iter()
            .for_each(|&session| context.add(session));
        added += WINDOW;
        say(
            &format!("add-{size}"),
            nanoseconds(window.elapsed(), WINDOW),
        );
    }
    let mut random = Random(0xf1d);
    let began = Instant::now();
    for _ in 0..LOOKED_UP {
        let id = &sessions.ids[random.next() as usize % added];
        // SAFETY: the connection is alive, or null, which libssl accepts; `id` is readable for its length.
        unsafe { (libssl.SSL_has_matching_session_id)(ssl, id.as_ptr(), ID_BYTES as u32) };
    }
    say("find", nanoseconds(began.elapsed(), LOOKED_UP));
    let removed = REMOVED.min(added);
    let began = Instant::now();
    for &session in &sessions.all[..removed] {
        // SAFETY: this process holds references to the context and the session.
        unsafe { (libssl.SSL_CTX_remove_session)(context.ctx, session) };
    }
    say("remove", nanoseconds(began.elapsed(), removed));
    // SAFETY: the connection is this function's own, or null, for which libssl does nothing.
    unsafe { (libssl.SSL_free)(ssl) };
}

/// The sessions per second that several threads add to one context.
fn several_threads(libssl: Libssl, limit: Duration) -> f64 {
    let context = Context::new(libssl);
    let of_threads: Vec<_> = (1..=THREADS as u64)
        .map(|seed| Sessions::new(libssl, OF_EACH_THREAD, TLS1_2, seed << 32))
        .collect();
    let began = Instant::now();
    let count = thread::scope(|scope| {
        let adding = of_threads.iter().map(|sessions| {
            let context = &context;
            scope.spawn(move || {
                let in_time = |_: &&*mut c_void| began.elapsed() < limit;
                sessions
                    .all
                    .iter()
                    .take_while(in_time)
                    .map(|&session| context.add(session))
                    .count()
            })
        });
        let adding: Vec<_> = adding.collect();
        adding
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0))
            .sum::<usize>()
    });
    count as f64 / began.elapsed().as_secs_f64()
}
