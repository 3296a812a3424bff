//! The README and sslcache(7) say what the table says.

use std::fs;
use std::path::Path;

use crate::config::{PREFIX, SETTINGS};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn readme_has_the_table() {
    let readme = document("README.md");
    let rows: Vec<_> = readme
        .lines()
        .filter(|line| line.starts_with(&format!("| `{PREFIX}")))
        .collect();
    let expected: Vec<_> = SETTINGS
        .iter()
        .map(|setting| {
            let key = setting
                .takes
                .as_ref()
                .map_or(String::new(), |_| format!("`{}`", setting.name));
            format!(
                "| `{}` | {key} | {} | `{}` | {} |",
                setting.variable(),
                setting.unit,
                setting.default,
                setting.meaning
            )
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn manual_has_the_table() {
    let page = document("man/sslcache.7");
    let (_, section) = page.split_once("\n.Sh ENVIRONMENT\n").unwrap();
    let (section, _) = section.split_once("\n.Sh ").unwrap();
    let items: Vec<_> = section
        .split("\n.It Ev ")
        .filter(|item| item.starts_with(PREFIX))
        .map(|item| item.split("\n.El").next().unwrap().replace('\n', " "))
        .collect();
    let expected: Vec<_> = SETTINGS
        .iter()
        .map(|setting| {
            format!(
                "{} Value: {}; default: {}. {}",
                setting.variable(),
                setting.unit,
                setting.default,
                setting.meaning
            )
        })
        .collect();
    assert_eq!(items, expected);
}
