//! Finding the host: the libssl that a caller would have reached without us.
//!
//! Done lazily, at the first intercepted call, and again for a new context when the loader has mapped more
//! files since; never under a lock of ours, so it may be re-entered, from another library's constructor
//! too. A name is looked for that we do not export ourselves, so what is found is never us:
//!
//! 1. in the global scope, where a libssl serves every caller alike;
//! 2. else among the files named like a libssl: one that came in with RTLD_LOCAL, as Python's does;
//! 3. where several of those are loaded (a Python wheel that brings its own copy), in the scope of the
//!    file that called: a context of one copy must never reach another.

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::io::Write;

use super::images::{self, Handle, Image, Located};
use super::table::Host;

/// A function that every libssl has, that we do not export, and that no other library has a reason to
/// stand in for.
const WITNESS: &CStr = c"SSL_alert_desc_string_long";

/// More copies of libssl than this in one process are left alone.
const MAX_HOSTS: usize = 8;

/// The hosts met so far; filled from the front, never emptied.
static HOSTS: [AtomicPtr<Host>; MAX_HOSTS] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_HOSTS];

/// The host in our own scope, once it was found: it serves every caller for good.
static GLOBAL: AtomicPtr<Host> = AtomicPtr::new(ptr::null_mut());

/// The only libssl loaded when the loader's generation was [`SOLE_SINCE`].
static SOLE: AtomicPtr<Host> = AtomicPtr::new(ptr::null_mut());
static SOLE_SINCE: AtomicU64 = AtomicU64::new(u64::MAX);

/// Whether rule 3 is in force.
static SEVERAL: AtomicBool = AtomicBool::new(false);

/// The libssl behind a caller that makes a context, or `None` where there is none (said once, on stderr).
/// As nothing can be done with a libssl before a context of it is made, this is where a further copy is
/// noticed.
pub fn host_of_new_context() -> Option<&'static Host> {
    if let Some(host) = published(&GLOBAL) {
        return Some(host);
    }
    if let Some(host) = images::default_symbol(WITNESS).and_then(host_of) {
        GLOBAL.store(ptr::from_ref(host).cast_mut(), Ordering::Release);
        return Some(host);
    }
    let generation = images::generation();
    // Acquire: pairs with the Release in `among_loaded`, so SOLE is at least as new as the generation.
    if SOLE_SINCE.load(Ordering::Acquire) == generation
        && let Some(host) = published(&SOLE)
    {
        return Some(host);
    }
    let found = among_loaded(generation);
    if found.is_none() {
        say_none_found();
    }
    found
}

/// The libssl behind any other caller.
pub fn host() -> Option<&'static Host> {
    // Relaxed: a context of a further copy exists only after its maker has seen this set.
    if SEVERAL.load(Ordering::Relaxed) {
        return host_of_caller().or_else(|| published(&HOSTS[0]));
    }
    published(&GLOBAL)
        .or_else(|| published(&SOLE))
        .or_else(host_of_new_context)
}

/// Whether several copies of libssl are in use, so that an object's own has to be found out.
pub fn several() -> bool {
    SEVERAL.load(Ordering::Relaxed)
}

/// All hosts met so far.
pub fn hosts() -> impl Iterator<Item = &'static Host> {
    HOSTS.iter().map_while(published)
}

/// Rules 2 and 3.
fn among_loaded(generation: u64) -> Option<&'static Host> {
    let mut hosts: Vec<&'static Host> = Vec::new();
    for path in images::libssl_paths() {
        let host = Handle::of_loaded(&path)
            .and_then(|handle| handle.symbol(WITNESS))
            .and_then(host_of);
        if let Some(host) = host
            && hosts.iter().all(|known| known.image != host.image)
        {
            hosts.push(host);
        }
    }
    match hosts[..] {
        [] => host_of_caller(), // under whatever name
        [sole] => {
            SOLE.store(ptr::from_ref(sole).cast_mut(), Ordering::Release);
            // Release: whoever sees this generation sees the host stored before it.
            SOLE_SINCE.store(generation, Ordering::Release);
            Some(sole)
        }
        _ => {
            SEVERAL.store(true, Ordering::Relaxed);
            host_of_caller()
        }
    }
}

/// Rule 3.
fn host_of_caller() -> Option<&'static Host> {
    let caller = Located::of(images::caller()?)?;
    let scope = Handle::of_loaded(&caller.path).or_else(Handle::of_program)?;
    scope.symbol(WITNESS).and_then(host_of)
}

fn published(slot: &AtomicPtr<Host>) -> Option<&'static Host> {
    // Acquire: pairs with the Release that published the resolved table.
    let host = slot.load(Ordering::Acquire);
    // SAFETY: a slot holds null or a Host that was leaked.
    unsafe { host.as_ref() }
}

/// The host that `witness` lies in, resolved on first sight.
fn host_of(witness: NonNull<c_void>) -> Option<&'static Host> {
    let located = Located::of(witness.as_ptr())?;
    if Some(located.image) == Image::ours() {
        return None;
    }
    if let Some(known) = hosts().find(|host| host.image == located.image) {
        return Some(known);
    }
    publish(Box::new(resolve(&located)?))
}

/// Puts a host into the first free slot, unless another thread was first with the same library.
fn publish(host: Box<Host>) -> Option<&'static Host> {
    let image = host.image;
    let leaked = Box::into_raw(host);
    for slot in &HOSTS {
        // AcqRel: publishes the table on success; sees another thread's table on failure.
        let taken =
            slot.compare_exchange(ptr::null_mut(), leaked, Ordering::AcqRel, Ordering::Acquire);
        if taken.is_ok() {
            return published(slot);
        }
        if let Some(other) = published(slot).filter(|other| other.image == image) {
            // SAFETY: ours was made by Box and shown to nobody.
            drop(unsafe { Box::from_raw(leaked) });
            return Some(other);
        }
    }
    // SAFETY: ours was made by Box and shown to nobody.
    drop(unsafe { Box::from_raw(leaked) });
    None
}

fn resolve(located: &Located) -> Option<Host> {
    let handle = Handle::of_loaded(&located.path).or_else(Handle::of_program)?;
    // A library that stands in for some functions of libssl, as tracing tools do, is not one.
    let maker = handle.symbol(c"SSL_CTX_new")?;
    if Located::of(maker.as_ptr())?.image != located.image {
        return None;
    }
    let ours = Image::ours()?;
    let lookup = |name: &CStr| {
        let address = handle.symbol(name)?;
        // A host that is the program itself is looked up in the global scope, where we come first.
        (Located::of(address.as_ptr())?.image != ours).then_some(address)
    };
    // SAFETY: the handle belongs to the libssl at `located`; its scope is that library, then its libcrypto.
    let host = unsafe { Host::resolve(located.image, &lookup) };
    // The functions are called for as long as the process lives, so the library stays.
    core::mem::forget(handle);
    if let Err(missing) = &host.libssl {
        say(format_args!(
            "libssl at {} has no {}: OpenSSL 3.0 or later is needed, so its own session cache stays in use",
            located.path.to_string_lossy(),
            missing.to_string_lossy(),
        ));
    }
    Some(host)
}

fn say_none_found() {
    static SAID: AtomicBool = AtomicBool::new(false);
    // Relaxed: only whether it was said counts.
    if !SAID.swap(true, Ordering::Relaxed) {
        say(format_args!(
            "no libssl found: looked for {} in the global scope, in the loaded files named libssl*.so* and in the scope of the caller",
            WITNESS.to_string_lossy(),
        ));
    }
}

/// One line on stderr, in one write. What cannot be written is not said.
fn say(what: core::fmt::Arguments<'_>) {
    let _ = std::io::stderr().write_all(format!("sslcache: {what}\n").as_bytes());
}
