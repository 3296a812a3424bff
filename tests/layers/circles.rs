//! No circle of files: a file refers to another by `use` or by a path, and following these references never leads back.
//!
//! References are paths that begin with `crate` or `super`, and in a `mod.rs` also those that begin with one of its
//! modules. Unit tests may refer to anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{code, sources};

/// The rooms whose files form no circle.
const ROOMS: [&str; 5] = ["sys", "cache", "shm", "host", "page"];

type Files = BTreeMap<PathBuf, String>;

/// The code of the rooms' files, without comments and unit tests.
fn files(rooms: &[&str]) -> Files {
    let all = rooms.iter().flat_map(|room| sources(room));
    let is_test = |name: &PathBuf| {
        name.iter()
            .any(|part| part == "tests" || part == "tests.rs")
    };
    all.filter(|(name, _)| !is_test(name))
        .map(|(name, text)| {
            let text = text.split("#[cfg(test)]\nmod tests {").next();
            let lines = text.unwrap_or_default().lines().map(code);
            (name, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// The path of a file's module, from the crate's root.
fn module_of(name: &std::path::Path) -> Vec<String> {
    let name = name.with_extension("");
    let mut parts: Vec<_> = name
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    parts.pop_if(|last| last == "mod");
    parts
}

/// The file of the deepest module that a path names.
fn file_of<'a>(files: &'a Files, path: &[String]) -> Option<&'a PathBuf> {
    (1..=path.len()).rev().find_map(|len| {
        let module: PathBuf = path[..len].iter().collect();
        let candidates = [module.with_extension("rs"), module.join("mod.rs")];
        candidates
            .iter()
            .find_map(|file| files.get_key_value(file).map(|(name, _)| name))
    })
}

/// The paths of a text, each as its parts: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut prefixes: Vec<Vec<String>> = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut after_path_mark = false;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            if !after_path_mark {
                if !path.is_empty() {
                    found.push(path);
                }
                path = prefixes.last().cloned().unwrap_or_default();
            }
            path.push(std::mem::take(&mut word));
        }
        after_path_mark = c == ':' && characters.next_if_eq(&':').is_some();
        if after_path_mark && characters.peek() == Some(&'{') {
            characters.next();
            prefixes.push(std::mem::take(&mut path));
            after_path_mark = false;
        } else if c == '{' {
            prefixes.push(Vec::new()); // a block
        } else if c == '}' {
            if !path.is_empty() {
                found.push(std::mem::take(&mut path));
            }
            prefixes.pop();
        }
    }
    path.extend((!word.is_empty()).then_some(word));
    found.extend((!path.is_empty()).then_some(path));
    found
}

/// A text without the scopes of `pub(in …)`, which are no references.
fn without_scopes(text: &str) -> String {
    let mut parts = text.split("pub(in ");
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.filter_map(|part| part.split_once(')'));
    rest.fold(first, |text, (_, part)| text + "pub" + part)
}

/// The files that a file refers to.
fn references(files: &Files, name: &PathBuf, text: &str) -> BTreeSet<PathBuf> {
    let module = module_of(name);
    let is_parent = name.ends_with("mod.rs");
    let mut referred = BTreeSet::new();
    for path in paths(&without_scopes(text)) {
        let supers = path.iter().take_while(|part| *part == "super").count();
        let absolute = match path[0].as_str() {
            "crate" => path[1..].to_vec(),
            // `super::*` of a module within the file leads to the file itself.
            "super" if path.len() > supers => {
                let from = module.len().saturating_sub(supers);
                [&module[..from], &path[supers..]].concat()
            }
            _ if is_parent && path.len() > 1 => {
                let child = [&module[..], &path[..1]].concat();
                if file_of(files, &child) == Some(name) {
                    continue;
                }
                [&module[..], &path[..]].concat()
            }
            _ => continue,
        };
        referred.extend(
            file_of(files, &absolute)
                .filter(|file| *file != name)
                .cloned(),
        );
    }
    referred
}

/// The files from which their references lead back to them.
fn in_circles(files: &Files) -> Vec<PathBuf> {
    let edges: BTreeMap<_, _> = files
        .iter()
        .map(|(name, text)| (name, references(files, name, text)))
        .collect();
    let leads_back = |start: &PathBuf| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<_> = edges[start].iter().collect();
        while let Some(file) = next.pop() {
            if reached.insert(file) {
                next.extend(&edges[file]);
            }
        }
        reached.contains(start)
    };
    files
        .keys()
        .filter(|file| leads_back(file))
        .cloned()
        .collect()
}

#[test]
fn no_files_form_a_circle() {
    assert_eq!(in_circles(&files(&ROOMS)), Vec::<PathBuf>::new());
}

/// The rule finds what breaks it.
#[test]
fn circles_are_noticed() {
    let files = |texts: [&str; 3]| -> Files {
        let names = ["room/mod.rs", "room/a.rs", "room/b.rs"].map(PathBuf::from);
        names.into_iter().zip(texts.map(str::to_owned)).collect()
    };
    let is_circular = |texts| !in_circles(&files(texts)).is_empty();
    assert!(!is_circular([
        "pub use a::A;",
        "use super::b::B;",
        "struct B;"
    ]));
    assert!(is_circular([
        "",
        "use super::b::B;",
        "use crate::room::a::A;"
    ]));
    assert!(is_circular(["use a::A;", "use super::Room;", ""]));
    assert!(is_circular([
        "",
        "use super::{b::{B, C}};",
        "fn b() { super::a::f(); }"
    ]));
}
