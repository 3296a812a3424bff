//! Complaints: what they are about, and their words.

use super::{by_environment, by_file};
use crate::config::{Group, Settings};

#[test]
fn unknown_names_are_complained_of_with_the_nearest() {
    for (name, meant) in [
        ("SSLCACHE_GRUOP", "did you mean SSLCACHE_GROUP?"),
        ("SSLCACHE_REGION_SZIE", "did you mean SSLCACHE_REGION_SIZE?"),
        ("SSLCACHE_REGIONS", "did you mean SSLCACHE_REGION?"),
        ("SSLCACHE_TICKETKEYS", "did you mean SSLCACHE_TICKET_KEYS?"),
        ("SSLCACHE_group", "did you mean SSLCACHE_GROUP?"),
        ("SSLCACHE_CONF", "did you mean SSLCACHE_CONFIG?"),
    ] {
        let (settings, line) = by_environment(&[(name, "secret")]);
        assert_eq!(settings, Settings::default());
        assert_eq!(
            line,
            format!("{name} is no setting and does nothing: {meant}")
        );
    }
    let (_, line) = by_environment(&[("SSLCACHE_QUUX", "secret")]);
    assert_eq!(
        line,
        "SSLCACHE_QUUX is no setting and does nothing: there are SSLCACHE_REGION, SSLCACHE_REGION_SIZE, \
         SSLCACHE_GROUP, SSLCACHE_CERTIFICATES, SSLCACHE_FORCE, SSLCACHE_TICKET_KEYS, SSLCACHE_AGENT, \
         SSLCACHE_AGENT_WAIT, SSLCACHE_EARLY_DATA, SSLCACHE_STRICT_NAMES, SSLCACHE_VERBOSE, SSLCACHE_STATS, SSLCACHE_CONFIG"
    );
}

#[test]
fn complaint_about_unknown_key_names_the_nearest() {
    let (settings, line) = by_file("gruop = 'a'\nverbose = 1\n");
    assert!(settings.verbose && settings.group == Group::None);
    assert_eq!(
        line,
        "gruop in FILE is no setting and does nothing: did you mean group?"
    );
    // A file cannot name another file, and its settings are not in a table.
    let (_, line) = by_file("config = '/other'\n[sslcache]\ngroup = 'a'\n");
    assert_eq!(
        line,
        "config in FILE is no setting and does nothing: there are region, region_size, group, certificates, force, ticket_keys, \
         agent, agent_wait, early_data, strict_names, verbose, stats; sslcache in FILE is no setting and does nothing: there are \
         region, region_size, group, certificates, force, ticket_keys, agent, agent_wait, early_data, strict_names, verbose, stats"
    );
}

#[test]
fn values_of_the_wrong_kind() {
    for (text, key, default) in [
        ("region_size = true", "region_size", "64M"),
        ("region_size = 1.5", "region_size", "64M"),
        ("group = 7", "group", "none"),
        ("region = ['/a']", "region", "none"),
        ("force = 1979-05-27", "force", "0"),
    ] {
        let (settings, line) = by_file(text);
        assert_eq!(settings, Settings::default());
        let expected = format!(
            "{key} in FILE is of the wrong kind, so the default {default} is used: write it like {key} = \"{default}\""
        );
        assert_eq!(line, expected);
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes for half a million letters")]
fn complaints_are_one_line_that_controls_no_terminal() {
    let (settings, line) = by_environment(&[
        ("SSLCACHE_GROUP", "a\x1b[2J\nb"),
        ("SSLCACHE_FORCE", &"x".repeat(5000)),
        ("SSLCACHE_VERBOSE", "1"),
        ("SSLCACHE_BLÖD", "1"),
    ]);
    assert!(settings.verbose);
    assert!(!line.chars().any(char::is_control), "{line}");
    assert_eq!(line.matches("; ").count(), 2, "{line}");
    assert!(line.contains(r"SSLCACHE_GROUP=a\u{1b}[2J\nb is"), "{line}");
    assert!(line.contains("xx… is neither"), "{line}");

    let many: Vec<_> = (0..100)
        .map(|i| format!("SSLCACHE_{i}{}", "y".repeat(5000)))
        .collect();
    let borrowed: Vec<_> = many.iter().map(|name| (&**name, "")).collect();
    let (_, line) = by_environment(&borrowed);
    assert!(line.ends_with("; and 94 more"), "{line}");
    // A pipe takes a line of this length in one piece.
    assert!(line.len() < libc::PIPE_BUF - 100, "{}", line.len());
}
