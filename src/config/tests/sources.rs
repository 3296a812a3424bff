//! Each setting from each source, and the precedence.

use super::{
    ALL_IN_ENVIRONMENT, ALL_IN_FILE, Folder, Sources, all_set, by_environment, by_file, read,
    sources,
};
use crate::config::{Group, SETTINGS, Settings};

#[test]
fn defaults_are_those_of_the_table() {
    let defaults: Vec<_> = SETTINGS
        .iter()
        .filter(|setting| setting.takes.is_some())
        .map(|setting| (setting.variable(), setting.default))
        .collect();
    let borrowed: Vec<_> = defaults
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    assert_eq!(
        by_environment(&borrowed),
        (Settings::default(), String::new())
    );
    assert_eq!(by_environment(&[]), (Settings::default(), String::new()));
}

#[test]
fn each_setting_by_environment() {
    assert_eq!(
        by_environment(&ALL_IN_ENVIRONMENT),
        (all_set(), String::new())
    );
}

#[test]
fn each_setting_by_file() {
    assert_eq!(by_file(ALL_IN_FILE), (all_set(), String::new()));
    assert_eq!(by_file(""), (Settings::default(), String::new()));
}

#[test]
fn environment_wins_over_file() {
    let folder = Folder::new();
    let other = folder.write(
        "region = '/other'\nregion_size = 262_144\ngroup = 'other'\nforce = 0\nticket_keys = 'own'\nverbose = false\nstats = true\n",
    );
    assert_eq!(
        read(&ALL_IN_ENVIRONMENT, &other),
        (all_set(), String::new())
    );
    // One variable, with all other settings from the file.
    let path = folder.write(ALL_IN_FILE);
    let (settings, line) = read(&[("SSLCACHE_GROUP", "shop")], &path);
    let expected = Settings {
        group: Group::Named("shop".into()),
        ..all_set()
    };
    assert_eq!((settings, line), (expected, String::new()));
}

#[test]
fn empty_value_takes_back_what_the_file_says() {
    let folder = Folder::new();
    let path = folder.write(ALL_IN_FILE);
    let empty = ALL_IN_ENVIRONMENT.map(|(name, _)| (name, ""));
    assert_eq!(read(&empty, &path), (Settings::default(), String::new()));
}

#[test]
fn wrong_value_means_the_default_whatever_the_file_says() {
    let folder = Folder::new();
    let path = folder.write(ALL_IN_FILE);
    let (settings, line) = read(&[("SSLCACHE_REGION_SIZE", "lots")], &path);
    let expected = Settings {
        region_size: 64 << 20,
        ..all_set()
    };
    assert_eq!(settings, expected);
    assert_eq!(
        line,
        "SSLCACHE_REGION_SIZE=lots is not a number of bytes, so the default 64M is used: write 256k to 4G, such as 64M"
    );
}

#[test]
fn first_of_two_variables_counts() {
    let (settings, line) = by_environment(&[("SSLCACHE_GROUP", "a"), ("SSLCACHE_GROUP", "b")]);
    assert_eq!((settings.group, &*line), (Group::Named("a".into()), ""));
}

#[test]
fn privileged_program_has_the_defaults_and_says_nothing() {
    let folder = Folder::new();
    let path = folder.write("group = 'a'\nwrong = 1\n");
    let (settings, complaints) = Sources {
        privileged: true,
        ..sources(&ALL_IN_ENVIRONMENT, &path)
    }
    .read();
    assert_eq!((settings, complaints.line()), (Settings::default(), None));
}

#[test]
fn what_is_written_is_read_again() {
    for settings in [Settings::default(), all_set()] {
        let written: Vec<_> = SETTINGS
            .iter()
            .filter_map(|setting| Some((setting.variable(), setting.value_in(&settings)?)))
            .collect();
        let borrowed: Vec<_> = written
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(by_environment(&borrowed), (settings, String::new()));
    }
}
