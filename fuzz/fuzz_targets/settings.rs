//! The settings file: any text.
//!
//! What is read as TOML another reader takes, too, and it finds the same values under the names of settings. A line about what is
//! not understood is one line, for a terminal.

#![cfg_attr(feature = "libfuzzer", no_main)]

use toml::{Table, Value};

sslcache_fuzz::target!(|text: &str| {
    if text.len() > 64 << 10 {
        return;
    }
    let theirs = toml::from_str::<Table>(text);
    let Some((_, line, entries)) = sslcache::config::of_text(text) else {
        return;
    };
    if let Some(line) = line {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(line.len() < 64 << 10);
    }
    // What a parser makes of a date, of tables that are defined twice, or of a number that is too large, it may refuse.
    let Ok(theirs) = theirs else {
        return;
    };
    assert_eq!(entries.len(), theirs.len(), "other keys");
    for (key, value) in entries {
        let same = match (value, &theirs[&key]) {
            (Some(ours), Value::String(text)) => ours == *text,
            (Some(ours), Value::Integer(number)) => {
                ours.trim_start_matches('+') == number.to_string() || ours.parse() == Ok(*number)
            }
            (Some(ours), Value::Boolean(on)) => ours == on.to_string(),
            (None, Value::String(_) | Value::Integer(_) | Value::Boolean(_)) => false,
            (None, _) => true,
            (Some(_), _) => false,
        };
        assert!(same, "another value of {key}");
    }
});
