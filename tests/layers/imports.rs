//! Which file of the sources refers to which: by its `use` lines and by paths that begin with `crate` or `super`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files, by their paths from `src/`, and those that each refers to.
pub type Arrows = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// The arrows between files, tests aside: they may look at anything.
pub fn arrows(files: &[(PathBuf, String)]) -> Arrows {
    let files = files.iter().filter(|(name, _)| !is_test(name));
    let modules: BTreeMap<_, _> = files
        .clone()
        .map(|(name, _)| (module(name), name))
        .collect();
    let mut arrows = Arrows::new();
    for (name, text) in files {
        let found = arrows.entry(name.clone()).or_default();
        for path in paths(&without_tests_and_comments(text)) {
            let target = absolute(&module(name), &path).and_then(|path| file_of(&modules, path));
            found.extend(target.filter(|target| *target != name).cloned());
        }
    }
    arrows
}

fn is_test(name: &Path) -> bool {
    name.components().any(|part| part.as_os_str() == "tests") || name.ends_with("tests.rs")
}

/// `context/alike/mod.rs` is `[context, alike]`.
fn module(name: &Path) -> Vec<String> {
    let mut parts: Vec<_> = name
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if ["mod", "lib"]
        .iter()
        .any(|last| parts.last().is_some_and(|part| part == last))
    {
        parts.pop();
    }
    parts
}

fn without_tests_and_comments(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines = text[..end].lines();
    lines
        .map(|line| line.split("//").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// All paths in some code that may lead to another file, braces expanded.
pub fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let is_word = code[..at]
            .chars()
            .next_back()
            .is_none_or(|c| c.is_whitespace());
        if let Some(statement) = code[at + 4..].split(';').next().filter(|_| is_word) {
            expand(&[], statement, &mut found);
        }
    }
    for root in ["crate::", "super::"] {
        for (at, _) in code.match_indices(root) {
            let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
            let path = code[at..].split(|c| !is_path(c)).next().unwrap_or("");
            found.push(path.split("::").map(str::to_owned).collect());
        }
    }
    found
}

/// `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(before: &[String], tree: &str, found: &mut Vec<Vec<String>>) {
    let mut depth = 0;
    let separates = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    for branch in tree
        .split(separates)
        .map(str::trim)
        .filter(|branch| !branch.is_empty())
    {
        let (path, group) = match branch.split_once('{') {
            Some((path, group)) => (path, group.strip_suffix('}')),
            None => (branch.split(" as ").next().unwrap_or(branch), None),
        };
        let parts = path
            .split("::")
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let mut whole = before.to_vec();
        whole.extend(parts.map(str::to_owned));
        match group {
            Some(group) => expand(&whole, group, found),
            None => found.push(whole),
        }
    }
}

/// A path as it is seen from `crate`; `None` where it leads out of it.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let rest = |number: usize| path[number..].iter().cloned();
    match path.first()?.as_str() {
        "crate" => Some(rest(1).collect()),
        "self" => Some(module.iter().cloned().chain(rest(1)).collect()),
        "super" => {
            let up = path.iter().take_while(|part| *part == "super").count();
            let kept = module.len().checked_sub(up)?;
            Some(module[..kept].iter().cloned().chain(rest(up)).collect())
        }
        _ => None,
    }
}

/// The file of the longest part of a path that is one.
fn file_of<'a>(
    modules: &BTreeMap<Vec<String>, &'a PathBuf>,
    mut path: Vec<String>,
) -> Option<&'a PathBuf> {
    while !path.is_empty() {
        if let Some(file) = modules.get(&path) {
            return Some(file);
        }
        path.pop();
    }
    None
}

/// A file that can be reached from itself, with the way; `None` where there is none.
pub fn circle(arrows: &Arrows) -> Option<Vec<PathBuf>> {
    let mut done = BTreeSet::new();
    arrows
        .keys()
        .find_map(|file| visit(arrows, file, &mut Vec::new(), &mut done))
}

fn visit(
    arrows: &Arrows,
    file: &PathBuf,
    way: &mut Vec<PathBuf>,
    done: &mut BTreeSet<PathBuf>,
) -> Option<Vec<PathBuf>> {
    if let Some(begin) = way.iter().position(|visited| visited == file) {
        return Some(way[begin..].to_vec());
    }
    if !done.contains(file) {
        way.push(file.clone());
        let found = arrows
            .get(file)
            .into_iter()
            .flatten()
            .find_map(|next| visit(arrows, next, way, done));
        if found.is_some() {
            return found;
        }
        way.pop();
        done.insert(file.clone());
    }
    None
}
