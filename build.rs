//! Makes the C header from the declarations in src/capi and compares it with include/sslcache.h, so that the two cannot
//! differ. A package without include/ builds without the comparison.

use std::path::PathBuf;
use std::{env, fs, process};

const CHECKED_IN: &str = "include/sslcache.h";

fn main() {
    for input in ["src/capi", "exports.map", "cbindgen.toml", CHECKED_IN] {
        println!("cargo::rerun-if-changed={input}");
    }
    let made = header();
    let folder = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(folder.join("sslcache.h"), &made).expect("OUT_DIR can be written");

    if let Ok(checked_in) = fs::read_to_string(CHECKED_IN)
        && checked_in != made
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
    config.after_includes = Some(functions_not_macros(ours.into_iter().map(|(_, name)| name)));

    // Only this layer is read, with the modules below it: neither cargo nor another crate is asked.
    let builder = cbindgen::Builder::new().with_src("src/capi/mod.rs");
    let bindings = match builder.with_config(config).generate() {
        Ok(bindings) => bindings,
        Err(error) => {
            println!("cargo::error=no header could be made from src/capi: {error}");
            process::exit(1);
        }
    };
    let mut text = Vec::new();
    bindings.write(&mut text);
    // What Rust calls safety is to C the caller's half of the contract.
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

/// <openssl/ssl.h> has some of our functions as macros, which would spoil their declarations.
fn functions_not_macros<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from(
        "\n/* <openssl/ssl.h> defines these as macros. Here they are functions, for callers that are not compiled from C. */\n",
    );
    for name in names.filter(|name| name.starts_with("SSL_CTX_")) {
        text += &format!("#undef {name}\n");
    }
    text
}
