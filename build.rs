//! Generates the C header from the declarations in src/capi and compares it with include/sslcache.h, so that the two cannot
//! differ. A package without include/ builds without the comparison.

use std::path::PathBuf;
use std::{env, fs, process};

const CHECKED_IN: &str = "include/sslcache.h";

fn main() {
    for input in ["src/capi", "exports.map", "cbindgen.toml", CHECKED_IN] {
        println!("cargo::rerun-if-changed={input}");
    }
    let generated = header();
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(folder.join("sslcache.h"), &generated).expect("OUT_DIR can be written");

    if let Ok(checked_in) = fs::read_to_string(CHECKED_IN)
        && checked_in != generated
    {
        println!(
            "cargo::error={CHECKED_IN} differs from the declarations in src/capi: run `make header`"
        );
    }
}

fn header() -> String {
    let exports = fs::read_to_string("exports.map").expect("exports.map is beside build.rs");
    let (libssl, ours): (Vec<_>, Vec<_>) =
        exported(&exports).partition(|(node, _)| node.starts_with("OPENSSL_"));

    let mut config =
        cbindgen::Config::from_file("cbindgen.toml").expect("cbindgen.toml is beside build.rs");
    config
        .export
        .exclude
        .extend(libssl.into_iter().map(|(_, name)| name.to_owned()));
    config.after_includes = Some(introduction(ours.into_iter().map(|(_, name)| name)));

    // Only src/capi is parsed: cbindgen runs neither cargo nor rustc, and reads no other crate.
    let builder = cbindgen::Builder::new().with_src("src/capi/mod.rs");
    let bindings = match builder.with_config(config).generate() {
        Ok(bindings) => bindings,
        Err(error) => {
            println!("cargo::error=cbindgen cannot make a header from src/capi: {error}");
            process::exit(1);
        }
    };
    let mut text = Vec::new();
    bindings.write(&mut text);
    // To a C programmer, a `# Safety` section is a list of what the caller must ensure.
    String::from_utf8(text)
        .expect("cbindgen writes UTF-8")
        .replace(" * # Safety\n", " * The caller must ensure that\n")
}

/// Each name of a version script, with its node.
fn exported(map: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut node = "";
    map.lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
        .filter_map(move |line| {
            if let Some(opened) = line.strip_suffix('{') {
                node = opened.trim();
            }
            let name = line.strip_suffix(';')?;
            name.bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_')
                .then_some((node, name))
        })
}

/// What all functions have in common, and the end of the macros by which <openssl/ssl.h> would spoil their declarations.
fn introduction<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from(
        r#"
/*
 * The functions that no libssl has, or has as macros only. OpenSSL documents those that set and get the mode, the size and
 * the counters in SSL_CTX_set_session_cache_mode(3), SSL_CTX_sess_set_cache_size(3) and SSL_CTX_sess_number(3).
 *
 * Any thread may call any of them at any time. None takes over or returns a reference. For a context whose cache sslcache
 * does not keep, the functions whose names begin with SSL_ do what the libssl does that made the context.
 */

/* <openssl/ssl.h> defines these as macros. Here they are functions, for callers that are not compiled from C. */
"#,
    );
    for name in names.filter(|name| name.starts_with("SSL_CTX_")) {
        text += &format!("#undef {name}\n");
    }
    text
}
