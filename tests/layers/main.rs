//! The sources keep to their rooms: each refers only to those below it, no file belongs to a circle, the cache is pure and
//! safe, only `capi` is seen from C, and every unsafe block says why it is sound.

mod imports;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use imports::{Arrows, arrows, circle, paths};

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
        .filter(|breach| !breach.starts_with("capi/"))
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

/// The rooms, and those below that each may refer to.
const ROOMS: [(&str, &[&str]); 10] = [
    ("sys", &[]),
    ("config", &["sys"]),
    ("cache", &["sys"]),
    ("page", &["sys"]),
    ("host", &["sys"]),
    ("shm", &["sys", "cache"]),
    ("mailbox", &["sys", "shm"]),
    (
        "context",
        &["sys", "config", "cache", "host", "shm", "mailbox"],
    ),
    ("stats", &["sys", "config", "host", "page", "context"]),
    (
        "capi",
        &[
            "sys", "config", "cache", "host", "shm", "mailbox", "context", "stats",
        ],
    ),
];

/// Arrows between rooms that the table does not allow.
fn forbidden_arrows(arrows: &Arrows) -> Vec<Breach> {
    let room = |file: &Path| {
        file.iter()
            .next()
            .map(|room| room.to_string_lossy().into_owned())
    };
    let mut breaches = Vec::new();
    for (from, targets) in arrows {
        for to in targets {
            let (Some(here), Some(there)) = (room(from), room(to)) else {
                continue;
            };
            let allowed = ROOMS
                .iter()
                .find(|(name, _)| *name == here)
                .map(|(_, below)| *below);
            if here != there && !allowed.is_some_and(|below| below.contains(&there.as_str())) {
                breaches.push(format!("{}: refers to {}", from.display(), to.display()));
            }
        }
    }
    breaches
}

/// The library's own files: the tool is a program above it.
fn library() -> Vec<(PathBuf, String)> {
    let mut files = sources("");
    files.retain(|(name, _)| !name.starts_with("bin") && name != Path::new("lib.rs"));
    files
}

#[test]
fn rooms_refer_only_to_those_below_them() {
    let files = library();
    let rooms: BTreeSet<_> = files
        .iter()
        .filter_map(|(name, _)| name.iter().next())
        .collect();
    let known: BTreeSet<_> = ROOMS.iter().map(|(name, _)| OsStr::new(name)).collect();
    assert_eq!(rooms, known);
    assert_eq!(forbidden_arrows(&arrows(&files)), Vec::<Breach>::new());
}

#[test]
fn no_file_belongs_to_a_circle() {
    assert_eq!(circle(&arrows(&sources(""))), None);
}

/// Files that read the settings of the process, which is done in `capi` alone: all others are handed their values.
fn readers_of_settings(files: &[(PathBuf, String)]) -> Vec<Breach> {
    let reads = |path: &Vec<String>| {
        let at = path.iter().position(|part| part == "config");
        at.and_then(|at| path.get(at + 1))
            .is_some_and(|name| name == "settings" || name == "settings_without_complaints")
    };
    let outside = files
        .iter()
        .filter(|(name, _)| !name.starts_with("capi") && !name.starts_with("config"));
    let readers = outside.filter(|(_, text)| paths(text).iter().any(reads));
    readers
        .map(|(name, _)| name.display().to_string())
        .collect()
}

#[test]
fn settings_are_handed_down() {
    assert_eq!(readers_of_settings(&library()), Vec::<Breach>::new());
}

/// What is done with a context are functions over it: its only methods are the questions that it answers by itself.
#[test]
fn context_has_one_impl() {
    let files = sources("context");
    let with_impl = files.iter().flat_map(|(name, text)| {
        let lines = text.lines().map(code);
        let impls = lines.filter(|line| line.starts_with("impl") && names(line, "Context"));
        impls.map(move |_| name.clone())
    });
    assert_eq!(
        with_impl.collect::<Vec<_>>(),
        [PathBuf::from("context/mod.rs")]
    );
}

/// What the cache does without. Of `once_cell` it may use what never waits, `race`: a child of `fork` has nobody to wait
/// for.
const NOT_IN_CACHE: [&str; 10] = [
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
fn cache_is_pure() {
    // Its own tests may use what they like.
    let files: Vec<_> = sources("cache")
        .into_iter()
        .filter(|(name, _)| !name.components().any(|part| part.as_os_str() == "tests"))
        .collect();
    assert_eq!(forbidden(&files, &NOT_IN_CACHE), Vec::<Breach>::new());
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
fn only_capi_is_seen_from_c() {
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
    let cache = file("cache/a.rs", "use std::time::Instant;\nlet libcurl = 1;\n");
    assert_eq!(forbidden(&cache, &NOT_IN_CACHE).len(), 1);
    assert!(forbidden(&file("cache/a.rs", "// std::time\n"), &NOT_IN_CACHE).is_empty());
    let reader = file("context/a.rs", "use crate::config::{Group, settings};\n");
    assert_eq!(readers_of_settings(&reader), ["context/a.rs"]);
    let mut up = file(
        "cache/mod.rs",
        "use crate::{sys::lock, host::SessionRef as Ref};\n",
    );
    up.extend(file("host/mod.rs", "pub struct SessionRef;\n"));
    up.extend(file("sys/lock.rs", "// crate::host\n"));
    assert_eq!(
        forbidden_arrows(&arrows(&up)),
        ["cache/mod.rs: refers to host/mod.rs"]
    );
    assert_eq!(circle(&arrows(&up)), None);
    let mut round = file("shm/mod.rs", "pub mod a;\npub mod b;\n");
    round.extend(file("shm/a.rs", "fn f() { super::b::c::g() }\n"));
    round.extend(file("shm/b/mod.rs", "use self::c::g;\n"));
    round.extend(file("shm/b/c.rs", "use super::super::a;\n"));
    let found = circle(&arrows(&round)).map(|way| way.len());
    assert_eq!(found, Some(2));
    assert_eq!(
        defines_for_c(&file("host/a.rs", "#[unsafe(no_mangle)]\n")).len(),
        1
    );
    assert!(defines_for_c(&file("capi/a.rs", "#[unsafe(no_mangle)]\n")).is_empty());
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
