//! `sslcache --version --verbose`: which files and folders this tool works with, for a report of a fault.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use sslcache::config::SETTINGS;
use sslcache::page::folders;

use crate::hosts;
use crate::installed;
use crate::stat::shown;

/// The name and the version, in one line.
pub fn short() -> String {
    format!("sslcache {}\n", env!("CARGO_PKG_VERSION"))
}

/// The same, and what is found on this machine.
pub fn long() -> String {
    let mut text = short();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<22}{value}");
    };
    match installed::libraries() {
        Ok(found) => {
            line("library to preload:", &with_target(&found.preload));
            for name in hosts::NAMES {
                if let Ok(folder) = found.in_front(name) {
                    line("library in front:", &shown(&folder.join(name)));
                }
            }
        }
        Err(failure) => line("libraries:", &failure.to_string()),
    }
    let mut found = hosts::C_NAMES.into_iter().filter_map(host).peekable();
    if found.peek().is_none() {
        line("host libssl:", "none that the loader finds");
    }
    found.for_each(|host| line("host libssl:", &host));
    line("settings file:", &settings_file());
    let places: Vec<_> = folders()
        .into_iter()
        .filter(|folder| folder.symlink_metadata().is_ok())
        .collect();
    if places.is_empty() {
        line("folders of figures:", "none yet");
    }
    for folder in places {
        let closed = match fs::read_dir(&folder) {
            Ok(_) => "",
            Err(_) => ", which this user may not read",
        };
        line(
            "folders of figures:",
            &format!("{}{closed}", shown(&folder)),
        );
    }
    text
}

/// A path, and the file that it is a link to, whose name has the version.
fn with_target(path: &Path) -> String {
    match fs::read_link(path) {
        Ok(target) => format!("{}, which is {}", shown(path), shown(&target)),
        Err(_) => shown(path),
    }
}

fn settings_file() -> String {
    let setting = SETTINGS.iter().find(|setting| setting.name == "config");
    let (variable, default) = setting.map_or_else(Default::default, |setting| {
        (setting.variable(), setting.default)
    });
    match std::env::var_os(&variable) {
        Some(path) => format!("{}, named by {variable}", shown(path.as_ref())),
        None if Path::new(default).exists() => default.to_owned(),
        None => format!("none ({default} is not there)"),
    }
}

/// The path and the version of the libssl of this name that a program would load; `None` if there is none.
fn host(name: &CStr) -> Option<String> {
    // SAFETY: `name` is a C string. The library is never unloaded.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_LAZY) };
    if handle.is_null() {
        return None;
    }
    let find = |name: &CStr| -> Option<*mut c_void> {
        // SAFETY: the handle is open, and the name is a C string.
        let found = unsafe { libc::dlsym(handle, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    };
    let version = find(c"OpenSSL_version")?;
    // SAFETY: the function of this name has this type in C.
    let version: unsafe extern "C" fn(c_int) -> *const c_char =
        unsafe { std::mem::transmute(version) };
    // SAFETY: the number asks for the version; the answer is a string that is never freed.
    let version = unsafe { CStr::from_ptr(version(0)) };
    let mut about = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: `about` is a place for the answer. On success its name is a C string for as long as the library is loaded.
    let path = unsafe {
        match libc::dladdr(find(c"SSL_CTX_new")?, &mut about) {
            0 => return None,
            _ => CStr::from_ptr(about.dli_fname),
        }
    };
    let ours = match find(c"sslcache_version") {
        Some(_) => ", with sslcache in front",
        None => "",
    };
    let path = Path::new(path.to_str().ok()?);
    Some(format!(
        "{}, {}{ours}",
        shown(path),
        version.to_string_lossy()
    ))
}
