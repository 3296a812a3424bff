//! The libssls whose session cache is taken over, by the name that programs are linked with.

use std::ffi::CStr;

/// Their names, the most frequent first.
pub const NAMES: [&str; 3] = ["libssl.so.3", "libssl.so.4", "libssl.so.1.1"];

/// The same for the loader.
pub const C_NAMES: [&CStr; 3] = [c"libssl.so.3", c"libssl.so.4", c"libssl.so.1.1"];

/// What to do about a program with another libssl.
pub const BUILD: &str = "take a build of it for OpenSSL 1.1.1 or later";

/// True if a libssl of this name is taken over.
pub fn is_taken_over(name: &str) -> bool {
    NAMES.contains(&name)
}

/// LibreSSL's libraries have numbers from here on; OpenSSL's have lower ones.
const FIRST_OF_LIBRESSL: u32 = 30;

/// Why a libssl of this name is left alone, as the end of a sentence; nothing if it is taken over.
pub fn left_alone(name: &str) -> Option<&'static str> {
    if is_taken_over(name) {
        return None;
    }
    let number = name.strip_prefix("libssl.so.").unwrap_or_default();
    let number = number
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    Some(match number {
        Some(FIRST_OF_LIBRESSL..) => {
            "which by its number is LibreSSL's: its sessions are tied to its own cache"
        }
        _ => "which is no OpenSSL of 1.1.1 or later",
    })
}

/// What is lacking with a libssl of this name, whose libcrypto says that it is of this version ("OpenSSL 3.5.5").
pub fn lacks(name: &str, version: Option<&str>) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    match name {
        "libssl.so.1.1" => lacks.push(
            "OpenSSL 1.1.1 does not tell which names a certificate has to have: contexts that demand one of their clients share \
             with no other process",
        ),
        "libssl.so.4" => lacks.push(
            "OpenSSL 4.0 does not tell how long the names are that a certificate has to have: contexts that demand one of their \
             clients share with no other process",
        ),
        _ => {}
    }
    if version.is_some_and(serves_quic) {
        lacks.push("sessions over QUIC, which this OpenSSL can serve, stay in their process");
    }
    lacks
}

/// Whether OpenSSL of this version has QUIC servers, as those since 3.5 have.
fn serves_quic(version: &str) -> bool {
    let number = version.strip_prefix("OpenSSL ").unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
    let release = parts.next().flatten().zip(parts.next().flatten());
    release >= Some((3, 5))
}
