//! Which host an object belongs to, where there are several.
//!
//! Each host but the first tells when one of its objects begins and ends (`capi::hooks`), which is noted here. An object that
//! is not noted belongs to the first host, which had objects before there was a second. An object whose end was missed leaves
//! its address here at most until another object begins there.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::images;
use super::library::Host;
use super::locate;
use super::numbers::MAX_HOSTS;
use crate::sys::side_table::SideTable;

/// The number of the host.
type Owner = AtomicUsize;

static OWNERS: SideTable<Owner, 1024> = SideTable::new();

/// Notes that `host`, or another one with the same libcrypto, makes a new object. Called while the host is on the stack.
pub fn note(host: &Host, object: *const c_void) {
    if !locate::several() {
        return; // a single host owns everything
    }
    match maker(host).and_then(locate::position) {
        None | Some(0) => forget(object),
        Some(number) => OWNERS.enter(object.addr(), |owner| {
            owner.store(number, Ordering::Relaxed); // ordered by the table
        }),
    }
}

/// The host that makes an object. If several hosts use its libcrypto, it is the nearest one on the stack.
fn maker(host: &Host) -> Option<&Host> {
    let is_shared =
        locate::hosts().any(|other| !ptr::eq(other, host) && other.has_the_libcrypto_of(host));
    if !is_shared {
        return Some(host);
    }
    let mut maker = None;
    images::nearest(&mut |address| {
        maker = locate::hosts().find(|host| host.image.contains(address));
        maker.is_some()
    });
    maker
}

/// Forgets an object that ends.
pub fn forget(object: *const c_void) {
    OWNERS.remove(object.addr(), |_| ());
}

/// The host of a context, a connection or a session.
#[inline]
pub fn host_of(object: *const c_void) -> Option<&'static Host> {
    if !locate::several() {
        return locate::host();
    }
    among_several(object)
}

#[cold]
fn among_several(object: *const c_void) -> Option<&'static Host> {
    if let Some(owner) = OWNERS.find(object.addr()) {
        return locate::hosts().nth(owner.load(Ordering::Relaxed));
    }
    // A host that tells nothing may have made it: one that is not taken over, or for which there was no slot.
    let all_tell = locate::hosts().all(Host::is_hooked) && locate::hosts().count() < MAX_HOSTS;
    if all_tell {
        locate::hosts().next()
    } else {
        locate::host()
    }
}
