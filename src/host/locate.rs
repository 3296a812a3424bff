//! Finding the host: the libssl that a caller would have reached without sslcache.
//!
//! A context is made with a method, and a method is a constant inside its libssl. So the first context of each libssl
//! identifies it, however it was loaded and whatever its name, even where there are several (a Python wheel with its own
//! copy, a module with one linked in). From then on the loader is not asked. A context of one copy must never reach another.
//!
//! If no host is known yet and no method is at hand, the host is searched for: in the global scope, by a name that sslcache
//! does not export, so that the search never finds sslcache itself; among the files named like a libssl, as one may have
//! been loaded with RTLD_LOCAL, as Python's is; in the scope of the caller; behind sslcache in the search order.
//!
//! No lock is held meanwhile, so all this may be re-entered, even from another library's constructor.

use core::ffi::{CStr, c_void};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::images::{self, Handle, Image, Located};
use super::library::Host;
use super::numbers::MAX_HOSTS;
use super::types::SSL_METHOD;
use crate::sys::say::{self, Topic};

/// A function that every libssl has, that sslcache does not export, and that no other library has a reason to replace.
const WITNESS: &CStr = c"SSL_alert_desc_string_long";

/// The hosts found so far; filled from the front, never emptied.
static HOSTS: [AtomicPtr<Host>; MAX_HOSTS] = [const { AtomicPtr::new(ptr::null_mut()) }; MAX_HOSTS];

/// The libssl that a context made with `method` belongs to.
pub fn host_of_method(method: *const SSL_METHOD) -> Option<&'static Host> {
    if method.is_null() {
        return host(); // which reports the problem
    }
    let known = hosts().find(|host| host.image.contains(method.cast()));
    known.or_else(|| host_at(method.cast())).or_else(host)
}

/// The libssl behind a caller that has no context.
pub fn host() -> Option<&'static Host> {
    let first = published(&HOSTS[0]);
    if several() {
        return images::caller().and_then(host_in_scope_of).or(first);
    }
    let found = first.or_else(look_for_one);
    if found.is_none() {
        say::once(
            Topic::Host,
            format_args!(
                "no libssl found: looked for {} in the global scope, in the loaded files named libssl*.so* and in the \
             scope of the caller",
                WITNESS.to_string_lossy(),
            ),
        );
    }
    found
}

/// True if several copies of libssl are in use, so that an object's own has to be looked up.
pub fn several() -> bool {
    published(&HOSTS[1]).is_some()
}

/// All hosts found so far.
pub fn hosts() -> impl Iterator<Item = &'static Host> {
    HOSTS.iter().map_while(published)
}

/// The number of a host; `None` for one without a slot.
pub fn position(host: &Host) -> Option<usize> {
    hosts().position(|known| ptr::eq(known, host))
}

fn look_for_one() -> Option<&'static Host> {
    let in_global_scope =
        || images::default_symbol(WITNESS).and_then(|found| host_at(found.as_ptr()));
    let by_name = || {
        let mut hosts = images::libssl_paths(MAX_HOSTS)
            .into_iter()
            .filter_map(|path| {
                let handle = Handle::of_loaded(&path)?;
                host_at(handle.symbol(WITNESS)?.as_ptr())
            });
        let found = hosts.next()?;
        hosts
            .all(|other| other.image == found.image)
            .then_some(found)
    };
    let of_caller = || images::caller().and_then(host_in_scope_of);
    let behind_us =
        || images::next_symbol(c"SSL_CTX_new").and_then(|found| host_at(found.as_ptr()));
    in_global_scope()
        .or_else(by_name)
        .or_else(of_caller)
        .or_else(behind_us)
}

/// The libssl that code at `address` is bound to.
fn host_in_scope_of(address: *const c_void) -> Option<&'static Host> {
    if let Some(itself) = hosts().find(|host| host.image.contains(address)) {
        return Some(itself);
    }
    let scope = Handle::of_loaded(&Located::of(address)?.path)?;
    host_at(scope.symbol(WITNESS)?.as_ptr())
}

fn published(slot: &AtomicPtr<Host>) -> Option<&'static Host> {
    // Acquire: pairs with the Release that published the resolved table.
    let host = slot.load(Ordering::Acquire);
    // SAFETY: a slot holds null, or a `Host` that `publish` has leaked and that is never freed.
    unsafe { host.as_ref() }
}

/// The libssl that `address` lies in, resolved at the first call; `None` if that file is not a libssl.
fn host_at(address: *const c_void) -> Option<&'static Host> {
    if let Some(known) = hosts().find(|host| host.image.contains(address)) {
        return Some(known);
    }
    let located = Located::of(address)?;
    if Some(located.image) == Image::ours() {
        return None;
    }
    Some(publish(Box::new(resolve(&located)?)))
}

/// Puts a host into the first free slot, unless another thread was first with the same library.
fn publish(host: Box<Host>) -> &'static Host {
    let image = host.image;
    let leaked = Box::into_raw(host);
    for slot in &HOSTS {
        // AcqRel: publishes the table on success; sees another thread's table on failure.
        let taken =
            slot.compare_exchange(ptr::null_mut(), leaked, Ordering::AcqRel, Ordering::Acquire);
        if taken.is_ok() {
            break;
        }
        if let Some(other) = published(slot).filter(|other| other.image == image) {
            // SAFETY: `leaked` was made by Box above and is not published.
            drop(unsafe { Box::from_raw(leaked) });
            return other;
        }
    }
    // A host without a slot keeps its own cache, as `attach` checks.
    // SAFETY: `leaked` was made by Box above and is never freed from here on.
    unsafe { &*leaked }
}

fn resolve(located: &Located) -> Option<Host> {
    let handle = Handle::of_loaded(&located.path)?;
    // A library that replaces some functions of libssl, as tracing tools do, is not one.
    let maker = handle.symbol(c"SSL_CTX_new")?;
    if !located.image.contains(maker.as_ptr()) {
        return None;
    }
    let ours = Image::ours()?;
    let lookup = |name: &CStr| -> Option<NonNull<c_void>> {
        // A host that is the program itself is looked up in the global scope, where sslcache comes first.
        handle
            .symbol(name)
            .filter(|address| !ours.contains(address.as_ptr()))
    };
    // SAFETY: the handle belongs to the libssl at `located`, its scope is that library and then its libcrypto, and it is
    // kept open below.
    let mut host = unsafe { Host::resolve(located.image, &lookup) };
    // The functions are called for as long as the process lives.
    host.keep(handle);
    if let Err(reason) = &host.libssl {
        say::once(
            Topic::Host,
            format_args!(
                "libssl at {} {reason}, so its own session cache stays in use",
                located.path.to_string_lossy(),
            ),
        );
    }
    Some(host)
}

/// Whether the host itself has called what we export, through the PLT.
pub fn is_called_by(host: &Host) -> bool {
    images::caller().is_some_and(|address| host.image.contains(address))
}
