//! The way of a call: to the cache of its context, or to the host's own function.

use super::attach::attached;
use crate::context::Context;
use crate::context::known;
use crate::host::table::Passthrough;
use crate::host::types::*;
use crate::host::{Host, owners};
use crate::sys::guard::passage;

/// An object of a host, or null, which counts as an object of the first host.
pub trait Object {
    /// The host that made the object.
    fn host(self) -> Option<&'static Host>;
}

impl Object for *mut SSL_CTX {
    fn host(self) -> Option<&'static Host> {
        known::host_of(self)
    }
}

impl Object for *const SSL {
    fn host(self) -> Option<&'static Host> {
        owners::host_of(self.cast())
    }
}

impl Object for *mut SSL {
    fn host(self) -> Option<&'static Host> {
        owners::host_of(self.cast())
    }
}

impl Object for *mut SSL_SESSION {
    fn host(self) -> Option<&'static Host> {
        owners::host_of(self.cast())
    }
}

/// The exported functions as the host of `object` has them.
pub fn hosts(object: impl Object) -> Option<&'static Passthrough> {
    Some(&object.host()?.passthrough)
}

/// Runs an export: `ours` if `ctx` is attached, otherwise `theirs` with the host's functions. The result is `failure` if
/// `ctx` is null, if no host is found or if `theirs` returns `None`.
///
/// # Safety
/// * `ctx` is null or a context that outlives the call.
#[inline]
pub unsafe fn dispatch<T>(
    ctx: *mut SSL_CTX,
    failure: T,
    ours: impl FnOnce(&Context) -> T,
    theirs: impl FnOnce(&'static Passthrough) -> Option<T>,
) -> T {
    passage(failure, || {
        if ctx.is_null() {
            return None;
        }
        // SAFETY: the context outlives the call, and `ours` cannot keep what it borrows.
        match unsafe { attached(ctx) } {
            Some(context) => Some(ours(context)),
            None => theirs(hosts(ctx)?),
        }
    })
}
