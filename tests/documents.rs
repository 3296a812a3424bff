//! The links of the documents lead to files that exist, and the README stays short: long explanations have pages of their
//! own.

use std::fs;
use std::path::{Path, PathBuf};

/// The most words that the README may have.
const README_WORDS: usize = 900;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Markdown files in the root folder and in the folders of documents.
fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "benches"].map(|folder| root().join(folder));
    let entries = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    found.sort();
    found
}

/// The targets of the links of a text, except those into the same page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty())
}

#[test]
fn links_lead_to_files() {
    let mut broken = Vec::new();
    for document in documents() {
        let folder = document.parent().unwrap();
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            if !folder.join(link).exists() {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn readme_is_short() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let words = readme.split_whitespace().count();
    assert!(words <= README_WORDS, "README.md has {words} words");
}

#[test]
fn links_are_found() {
    let text = "[a](b.md), [c](d.md#e), ![f](g.svg) and [h](#i), not (j) or [k]";
    assert_eq!(links(text).collect::<Vec<_>>(), ["b.md", "d.md", "g.svg"]);
}

#[test]
fn statistics_are_explained() {
    let text = fs::read_to_string(root().join("docs/STATISTICS.md")).unwrap();
    let figures = sslcache::page::FIGURES.iter().map(|(_, name, _)| *name);
    let shared = sslcache::page::REGION_FIGURES.iter().map(|(name, _)| *name);
    let missing: Vec<_> = figures
        .chain(shared)
        .filter(|name| !text.contains(&format!("`{name}`")))
        .collect();
    assert_eq!(missing, Vec::<&str>::new(), "not in docs/STATISTICS.md");
}
