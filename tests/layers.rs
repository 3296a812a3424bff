//! The sources hold to the layers of the house: `cache` knows nobody, `host` knows neither `cache` nor
//! `ffi`, `config` knows no layer, only `ffi` is seen from C, and every unsafe block says who promised what.

#[path = "layers/circles.rs"]
mod circles;

use std::fs;
use std::path::{Path, PathBuf};

/// A line that breaks a rule: where, and which.
type Breach = String;

/// Every Rust file under `folder` of `src/`, with its path from there.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_path_buf();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "src/{folder} has no source");
    found
}

/// The code of a line: what stands before a comment. A `//` in a string cuts too much, never too little.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or(line)
}

/// Whether `code` has `word` with neither a letter, a digit nor an underscore around it.
fn names(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

fn forbidden(files: &[(PathBuf, String)], words: &[&str]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (name, text) in files {
        for (number, line) in text.lines().enumerate() {
            for word in words.iter().filter(|word| names(code(line), word)) {
                breaches.push(format!("{}:{}: names {word}", name.display(), number + 1));
            }
        }
    }
    breaches
}

fn defines_for_c(files: &[(PathBuf, String)]) -> Vec<Breach> {
    let marks = ["no_mangle", "export_name"];
    forbidden(files, &marks)
        .into_iter()
        .filter(|breach| !breach.starts_with("ffi/"))
        .collect()
}

/// Unsafe blocks and impls without a `// SAFETY:` on the lines just above, attributes and the head of the
/// statement aside.
fn unexplained(files: &[(PathBuf, String)]) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (name, text) in files {
        let lines: Vec<_> = text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let code = code(line);
            if !code.contains("unsafe {") && !code.trim_start().starts_with("unsafe impl") {
                continue;
            }
            let explained = lines[..number]
                .iter()
                .rev()
                // Back to where the statement begins; the comment stands above it.
                .take_while(|line| !line.trim().is_empty())
                .take(8)
                .any(|line| line.trim_start().starts_with("// SAFETY:"));
            let inline = line.contains("// SAFETY:");
            if !explained && !inline {
                breaches.push(format!(
                    "{}:{}: {}",
                    name.display(),
                    number + 1,
                    line.trim()
                ));
            }
        }
    }
    breaches
}

/// Of `once_cell` the cache may use what never waits, `race`: a child of `fork` has nobody to wait for.
const ABOVE_CACHE: [&str; 14] = [
    "crate::host",
    "crate::ffi",
    "crate::shm",
    "crate::config",
    "libc",
    "once_cell::sync",
    "once_cell::unsync",
    "OnceLock",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::time",
    "extern",
];

#[test]
fn cache_knows_no_other_layer() {
    // Its own tests may use what they like.
    let files: Vec<_> = sources("cache")
        .into_iter()
        .filter(|(name, _)| !name.components().any(|part| part.as_os_str() == "tests"))
        .collect();
    assert_eq!(forbidden(&files, &ABOVE_CACHE), Vec::<Breach>::new());
}

#[test]
fn cache_is_safe() {
    let files = sources("cache");
    let (_, root) = files
        .iter()
        .find(|(name, _)| name.ends_with("cache/mod.rs"))
        .unwrap();
    assert!(
        root.contains("#![forbid(unsafe_code)]"),
        "src/cache/mod.rs does not forbid unsafe_code"
    );
    assert_eq!(forbidden(&files, &["unsafe"]), Vec::<Breach>::new());
}

/// `shm` sees bytes. Of the cache it knows what a session is found by, when it expires, and how its client is known.
#[test]
fn shm_sees_bytes_alone() {
    let files = sources("shm");
    let words = [
        "crate::ffi",
        "crate::host",
        "crate::config",
        "SSL_SESSION",
        "once_cell::sync",
        "once_cell::unsync",
        "OnceLock",
        "std::env",
    ];
    let files: Vec<_> = files
        .into_iter()
        .filter(|(name, _)| !name.components().any(|part| part.as_os_str() == "tests"))
        .collect();
    assert_eq!(forbidden(&files, &words), Vec::<Breach>::new());
    let uses = files.iter().flat_map(|(_, text)| text.lines());
    let of_cache: Vec<_> = uses
        .map(code)
        .filter(|line| names(line, "crate::cache"))
        .filter(|line| {
            let of = line.rsplit("cache::").next().unwrap_or("");
            let mut known = of
                .split(|c: char| !c.is_alphanumeric())
                .filter(|name| !name.is_empty());
            !known.all(|name| ["Expiry", "Key", "ClientHistory"].contains(&name))
        })
        .collect();
    assert_eq!(of_cache, Vec::<&str>::new());
}

/// The parts of `shm`, each of which knows only those before it.
const PARTS_OF_SHM: [&str; 7] = [
    "mix",
    "region",
    "process",
    "stats",
    "shard",
    "operations",
    "keys",
];

#[test]
fn parts_of_shm_know_only_those_before_them() {
    for (number, part) in PARTS_OF_SHM.iter().enumerate() {
        let later = PARTS_OF_SHM[number + 1..].iter();
        let later: Vec<_> = later.map(|part| format!("crate::shm::{part}")).collect();
        let later: Vec<_> = later.iter().map(String::as_str).collect();
        let (folder, file) = (format!("shm/{part}"), format!("shm/{part}.rs"));
        let of_part = |name: &Path| name.starts_with(&folder) || name == Path::new(&file);
        let mut files = sources("shm");
        files.retain(|(name, _)| of_part(name));
        assert!(!files.is_empty(), "src/{folder} has no source");
        assert_eq!(forbidden(&files, &later), Vec::<Breach>::new());
    }
}

#[test]
fn host_knows_neither_cache_nor_ffi() {
    let breaches = forbidden(
        &sources("host"),
        &["crate::cache", "crate::ffi", "super::super"],
    );
    assert_eq!(breaches, Vec::<Breach>::new());
}

#[test]
fn config_knows_no_layer() {
    let layers = ["crate::cache", "crate::shm", "crate::ffi", "crate::host"];
    assert_eq!(forbidden(&sources("config"), &layers), Vec::<Breach>::new());
}

#[test]
fn page_knows_no_layer() {
    let layers = [
        "crate::cache",
        "crate::shm",
        "crate::ffi",
        "crate::host",
        "crate::config",
    ];
    assert_eq!(forbidden(&sources("page"), &layers), Vec::<Breach>::new());
}

#[test]
fn sys_knows_no_other_room() {
    let rooms =
        ["cache", "config", "ffi", "host", "page", "shm"].map(|room| format!("crate::{room}"));
    let rooms = rooms.each_ref().map(String::as_str);
    assert_eq!(forbidden(&sources("sys"), &rooms), Vec::<Breach>::new());
}

#[test]
fn only_ffi_is_seen_from_c() {
    assert_eq!(defines_for_c(&sources("")), Vec::<Breach>::new());
}

#[test]
fn every_unsafe_block_is_explained() {
    assert_eq!(unexplained(&sources("")), Vec::<Breach>::new());
}

/// The rules find what breaks them.
#[test]
fn breaches_are_noticed() {
    let file = |name: &str, text: &str| vec![(PathBuf::from(name), text.to_owned())];
    let cache = file(
        "cache/mod.rs",
        "use crate::host::SessionRef;\nuse std::time::Instant;\n",
    );
    assert_eq!(forbidden(&cache, &ABOVE_CACHE).len(), 2);
    assert!(
        forbidden(
            &file("cache/a.rs", "// crate::host\nlet libcurl = 1;\n"),
            &ABOVE_CACHE
        )
        .is_empty()
    );
    assert_eq!(
        defines_for_c(&file("host/a.rs", "#[unsafe(no_mangle)]\n")).len(),
        1
    );
    assert!(defines_for_c(&file("ffi/a.rs", "#[unsafe(no_mangle)]\n")).is_empty());
    assert_eq!(
        unexplained(&file("a.rs", "fn f() {\n    unsafe { g() }\n}\n")).len(),
        1
    );
    assert!(
        unexplained(&file(
            "a.rs",
            "    // SAFETY: no arguments.\n    unsafe { g() }\n"
        ))
        .is_empty()
    );
}
