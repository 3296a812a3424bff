//! docs/SETTINGS.md, sslcache(7) and the settings file that packages install agree with the table.

use std::fs;
use std::path::Path;

use super::by_file;
use crate::config::{Bare, PREFIX, SETTINGS, Settings};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

#[test]
fn settings_page_has_the_table() {
    let page = document("docs/SETTINGS.md");
    let rows: Vec<_> = page
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

#[test]
fn installed_file_has_the_table() {
    let file = document("packaging/sslcache.toml");
    let settings: Vec<_> = file
        .trim_end()
        .split("\n\n")
        .skip(1)
        .map(|paragraph| paragraph.replace("\n# ", " "))
        .collect();
    let expected: Vec<_> = SETTINGS
        .iter()
        .filter_map(|setting| {
            let quote = match setting.takes.as_ref()?.bare {
                Bare::Switch => "",
                Bare::Nothing | Bare::Number => "\"",
            };
            Some(format!(
                "# {} Value: {}.\n#{} = {quote}{}{quote}",
                setting.meaning, setting.unit, setting.name, setting.default
            ))
        })
        .collect();
    assert_eq!(settings, expected);
}

#[test]
fn installed_file_sets_the_defaults_with_and_without_its_comments() {
    let file = document("packaging/sslcache.toml");
    let (comments, lines): (Vec<_>, Vec<_>) = file
        .lines()
        .partition(|line| line.is_empty() || line.starts_with("# ") || *line == "#");
    assert_eq!(by_file(&file), (Settings::default(), String::new()));
    assert!(!comments.is_empty() && lines.iter().all(|line| line.starts_with('#')));
    let uncommented: String = lines
        .iter()
        .map(|line| format!("{}\n", &line[1..]))
        .collect();
    assert_eq!(by_file(&uncommented), (Settings::default(), String::new()));
}
