//! The numbers of libssl's ABI in `src/host/abi.rs` are those of `<openssl/ssl.h>`.
//!
//! Each constant has its C name: `/// SSL_CTRL_SESS_NUMBER` above `pub const SSL_CTRL_SESS_NUMBER: c_int = 20;`. A C file of
//! static assertions is generated from these lines and compiled.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// C name and value of each constant.
fn constants(source: &str) -> Vec<(String, String)> {
    let mut constants = Vec::new();
    let mut documented = None;
    for line in source.lines() {
        if let Some(comment) = line.strip_prefix("/// ") {
            let word = comment.split([' ', '.', ',', ':']).next();
            documented = documented.or(word.map(str::to_owned));
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, rest) = constant.split_once(':').expect(line);
            let value = rest
                .split_once('=')
                .expect(line)
                .1
                .trim()
                .trim_end_matches(';');
            assert_eq!(
                documented.as_deref(),
                Some(name),
                "a number carries its C name: {line}"
            );
            constants.push((name.to_owned(), value.to_owned()));
            documented = None;
        } else {
            documented = None;
        }
    }
    constants
}

fn compiles(assertions: &str, file: &Path) -> Result<(), String> {
    fs::write(file, assertions).map_err(|error| error.to_string())?;
    let compiler = env::var_os("CC").unwrap_or("cc".into());
    let done = Command::new(compiler)
        .args(["-std=c11", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"])
        .arg(file)
        .output()
        .map_err(|error| error.to_string())?;
    if done.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

fn assertion(name: &str, value: &str) -> String {
    // Rust writes numbers as C does, but for the underscores between digits.
    let value = value.replace('_', "");
    format!(
        "_Static_assert((unsigned long)({name}) == (unsigned long)({value}), \"{name} is not {value}\");\n"
    )
}

const INCLUDES: &str = "#include <openssl/ssl.h>\n#include <openssl/crypto.h>\n";

#[test]
fn numbers_are_the_headers() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/host/abi.rs");
    let constants = constants(&fs::read_to_string(source).unwrap());
    assert!(
        constants.len() > 20,
        "only {} constants found",
        constants.len()
    );
    let mut text = INCLUDES.to_owned();
    for (name, value) in &constants {
        text.push_str(&assertion(name, value));
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi.c");
    compiles(&text, &file).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_wrong_number_is_noticed() {
    let right =
        constants("/// SSL_CTRL_SESS_NUMBER\npub const SSL_CTRL_SESS_NUMBER: c_int = 20;\n");
    let (name, value) = &right[0];
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-right.c");
    compiles(&format!("{INCLUDES}{}", assertion(name, value)), &file).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi-wrong.c");
    assert!(compiles(&format!("{INCLUDES}{}", assertion(name, "21")), &file).is_err());
}
