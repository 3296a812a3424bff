//! What is read from a text, and which texts are not TOML.

use crate::config::toml::{Entry, Mistake, Written, entries};

fn read(text: &str) -> Vec<(String, Written)> {
    match entries(text) {
        Ok(entries) => entries
            .into_iter()
            .map(|Entry { key, value }| (key, value))
            .collect(),
        Err(Mistake { line, what }) => panic!("line {line}: {what}"),
    }
}

fn entry(key: &str, value: Written) -> (String, Written) {
    (key.into(), value)
}

#[test]
fn texts_numbers_and_switches() {
    let text = |text: &str| Written::Text(text.into());
    let number = |digits: &str| Written::Number(digits.into());
    for (line, value) in [
        (r#"a = "b""#, text("b")),
        (r#"a = "\u00e4\n\"b" # c"#, text("ä\n\"b")),
        (r"a = 'b\n'", text(r"b\n")),
        ("a = \"\"\"\nb\nc\"\"\"", text("b\nc")),
        ("a = '''\nb'''", text("b")),
        ("a = ''", text("")),
        ("'a'=1", number("1")),
        ("a = 1_000", number("1000")),
        ("a = 0xff", number("255")),
        ("a = 0o17", number("15")),
        ("a = 0b101", number("5")),
        ("a = +7", number("7")),
        ("a = -7", number("-7")),
        ("a = 99999999999999999999", number("99999999999999999999")),
        ("\u{feff}a = true", Written::Switch(true)),
        ("a = false\r\n", Written::Switch(false)),
        ("a = 1.5", Written::Other),
        ("a = inf", Written::Other),
        ("a = 1979-05-27T07:32:00Z", Written::Other),
    ] {
        assert_eq!(read(line), [entry("a", value)], "{line}");
    }
}

#[test]
fn tables_and_lists_are_their_names_alone() {
    let text = "a = [1, [2, 'b = 3'], { c = 4 }]\n\
                d = { e = 5, f.g = [] }\n\
                h.i = 6\n\
                h.j = 7\n\
                k = 8\n\
                [l]\n\
                k = 9\n\
                [l.m]\n\
                k = 10\n\
                [[n]]\n\
                k = 11\n\
                [[n]]\n\
                o = [12]\n";
    let expected = [
        entry("a", Written::Other),
        entry("d", Written::Other),
        entry("h", Written::Other),
        entry("k", Written::Number("8".into())),
        entry("l", Written::Other),
        entry("n", Written::Other),
    ];
    assert_eq!(read(text), expected);
}

#[test]
fn first_mistake_is_found_in_its_line() {
    for (text, at) in [
        ("a", 1),
        ("a =\nb = 1", 1),
        ("a = b", 1),
        ("\na = /run/region\nb = c", 2),
        ("a = 1\nb = 2\n\na = 3", 4),
        ("a = 'b", 1),
        ("a = \"\\q\"", 1),
        ("a = [1,\n2", 2),
        ("a = 1]", 1),
        ("a = 1 b = 2", 1),
        ("[a\nb = 1", 1),
        ("a = 1 # \u{7}", 1),
        ("a = [\n\"\\q\"]", 2),
        ("[a]\nb = \"\\q\"", 2),
        ("a = 01", 1),
    ] {
        match entries(text) {
            Ok(_) => panic!("{text:?} is taken for TOML"),
            Err(Mistake { line, what }) => assert_eq!(line, at, "{text:?}: {what}"),
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "minutes for 20,000 brackets")]
fn depth_is_bounded() {
    let nested = |depth| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(entries(&nested(20)).is_ok());
    assert!(entries(&nested(30_000)).is_err());
    assert!(entries(&format!("a = {}", "{b=".repeat(20_000))).is_err());
}
