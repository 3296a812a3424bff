//! Loading the library: what must happen at that moment, and in which form it was loaded.

use std::env;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::config;
use crate::context::sharing::common::{is_named, make_early};
use crate::host::{Host, images};
use crate::sys::guard::{guard, quietly};

/// Makes the shared memory, if a group or shared ticket keys are asked for: processes that make their contexts after a fork
/// share only memory that was mapped before it. Without such a setting nothing happens when the library is loaded.
#[cfg_attr(miri, allow(dead_code))] // it runs no program's constructors
extern "C" fn at_load() {
    quietly(|| {
        guard((), || {
            if config::sharing_in_environment() {
                make_early(&config::settings_without_complaints());
            }
            Some(())
        })
    });
}

#[cfg(not(miri))]
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = at_load;

/// Prints that sslcache is active in front of this host, and whether the region that was set is in use, if SSLCACHE_VERBOSE
/// asks for it. The first context has been made.
pub fn announce(settings: &config::Settings, host: &Host) {
    if settings.verbose {
        let mut what = form(host);
        if let Some(region) = &settings.region {
            let with = if is_named() { "with" } else { "without" };
            what += &format!(", {with} the region {}", region.display());
        }
        config::announce(&what);
    }
}

/// The form in which sslcache was loaded, and the library of the host.
pub fn form(host: &Host) -> String {
    let ours = images::file_of(announce as *const _).map(path);
    let theirs = host
        .passthrough
        .SSL_CTX_ctrl
        .map(|function| function as *const _);
    let theirs = theirs
        .and_then(images::file_of)
        .map(path)
        .unwrap_or_default();
    let ours = ours.unwrap_or_default();
    let name = ours.file_name().unwrap_or_default().to_string_lossy();
    let preloads = env::var_os("LD_PRELOAD").unwrap_or_default();
    let preloads = preloads.to_string_lossy();
    let mut preloads = preloads.split([':', ' ']).map(Path::new);
    let form = if name.starts_with("libssl.") {
        format!("as {}", ours.display())
    } else if preloads.any(|preloaded| preloaded.file_name() == ours.file_name()) {
        "preloaded".to_owned()
    } else {
        "linked".to_owned()
    };
    format!("{form}, in front of {}", theirs.display())
}

fn path(name: CString) -> PathBuf {
    OsString::from_vec(name.into_bytes()).into()
}
