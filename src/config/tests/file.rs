//! Which settings files are trusted.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use super::{Folder, Sources, by_file, read, sources};
use crate::config::Settings;

#[test]
#[cfg_attr(miri, ignore = "minutes for 60,000 brackets")]
fn file_that_is_no_toml_is_not_used_at_all() {
    let (settings, line) = by_file("force = true\n\nregion = /run/region\n");
    assert_eq!(settings, Settings::default());
    assert!(
        line.starts_with("FILE is not TOML in line 3: ") && line.ends_with("; texts go in quotes"),
        "{line}"
    );
    let (settings, line) = by_file("force = true\nforce = true\n");
    assert_eq!(settings, Settings::default());
    assert!(
        line.starts_with("FILE is not TOML in line 2: duplicate key"),
        "{line}"
    );
    assert!(
        by_file(&"[".repeat(60_000))
            .1
            .starts_with("FILE is not TOML in line 1: ")
    );
    assert!(
        by_file(&format!("a = {}", "[".repeat(60_000)))
            .1
            .starts_with("FILE is not TOML")
    );
}

#[test]
fn only_a_named_file_must_exist() {
    let folder = Folder::new();
    let path = folder.0.join("absent.toml");
    assert_eq!(read(&[], &path), (Settings::default(), String::new()));
    let name = path.to_str().unwrap();
    let (_, line) = read(&[("SSLCACHE_CONFIG", name)], Path::new("/nonexistent"));
    assert_eq!(
        line,
        format!("{name} does not exist, so it is not used: make it, or correct SSLCACHE_CONFIG")
    );
}

#[test]
fn named_file_is_read_in_place_of_the_usual() {
    let (usual, other) = (Folder::new(), Folder::new());
    let usual = usual.write("force = true\n");
    let other = other.write("verbose = true\n");
    let (settings, line) = read(&[("SSLCACHE_CONFIG", other.to_str().unwrap())], &usual);
    assert_eq!(
        (settings.force, settings.verbose, &*line),
        (false, true, "")
    );
    let (settings, line) = read(&[("SSLCACHE_CONFIG", "")], &usual);
    assert_eq!(
        (settings.force, settings.verbose, &*line),
        (true, false, "")
    );
}

#[test]
fn file_that_others_may_write_is_not_trusted() {
    let folder = Folder::new();
    let path = folder.write("force = true\n");
    for mode in [0o600, 0o644, 0o400, 0o755, 0o620, 0o602, 0o666] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (settings, line) = read(&[], &path);
        let trusted = mode & 0o022 == 0;
        assert_eq!(
            (settings.force, line.is_empty()),
            (trusted, trusted),
            "{mode:o}"
        );
        if !trusted {
            let expected =
                " may be written by others than its owner, so it is not used: chmod go-w it";
            assert!(line.ends_with(expected), "{line}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "no chown")]
fn file_of_another_user_is_not_trusted() {
    let folder = Folder::new();
    let path = folder.write("force = true\n");
    // Every user trusts root's files. If root runs the tests, the file is given to another user.
    let _ = chown(&path, Some(12_345), None);
    let owner = fs::metadata(&path).unwrap().uid();
    for (user, trusted) in [(owner, true), (owner + 1, false)] {
        let (settings, complaints) = Sources {
            user,
            ..sources(&[], &path)
        }
        .read();
        let line = complaints.line().unwrap_or_default();
        assert_eq!(
            (settings.force, line.is_empty()),
            (trusted, trusted),
            "{line}"
        );
        assert_eq!(
            line.contains(" belongs to another user, so it is not used: chown it"),
            !trusted
        );
    }
}

#[test]
#[cfg_attr(miri, ignore = "no pipes, no devices")]
fn only_a_regular_file_of_some_size_is_read() {
    let folder = Folder::new();
    let pipe = folder.0.join("pipe");
    let made = Command::new("mkfifo")
        .args(["-m", "600"])
        .arg(&pipe)
        .status()
        .unwrap();
    assert!(made.success());
    for path in [&pipe, &folder.0, Path::new("/dev/null")] {
        let (settings, line) = read(&[], path);
        assert_eq!(settings, Settings::default());
        assert!(line.contains(" is not a regular file, so"), "{line}");
    }
    // A link counts like the file that it leads to.
    let link = folder.0.join("link");
    symlink(folder.write("force = true\n"), &link).unwrap();
    assert!(read(&[], &link).0.force);

    assert!(
        by_file(&" ".repeat(65_537))
            .1
            .starts_with("FILE is longer than 64k, so")
    );
    let no_text = folder.write(b"group = '\xff'\n");
    assert!(read(&[], &no_text).1.contains(" is not UTF-8, so"));
}
