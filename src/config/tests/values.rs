//! The accepted and the refused values of each setting.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use super::{by_environment, by_file, sources};
use crate::config::{Agent, Group, TicketKeys};

#[test]
fn region_sizes() {
    for (text, bytes) in [
        ("262144", 262_144),
        ("256k", 256 << 10),
        ("256K", 256 << 10),
        ("1m", 1 << 20),
        (" 64M ", 64 << 20),
        ("2g", 2 << 30),
        ("4G", 4 << 30),
    ] {
        let (settings, line) = by_environment(&[("SSLCACHE_REGION_SIZE", text)]);
        assert_eq!((settings.region_size, &*line), (bytes, ""), "{text}");
    }
    for (text, reason) in [
        ("255k", "less than 256k"),
        ("0", "less than 256k"),
        ("5G", "more than 4G"),
        ("4294967297", "more than 4G"),
        ("99999999999999999999999999", "more than 4G"),
        ("18014398509481984k", "more than 4G"),
        ("-1", "not a number of bytes"),
        ("k", "not a number of bytes"),
        ("64MB", "not a number of bytes"),
        ("6 4M", "not a number of bytes"),
        ("1.5G", "not a number of bytes"),
        ("64µ", "not a number of bytes"),
    ] {
        let (settings, line) = by_environment(&[("SSLCACHE_REGION_SIZE", text)]);
        assert_eq!(settings.region_size, 64 << 20, "{text}");
        assert!(line.contains(&format!("is {reason}, so")), "{line}");
    }
    for (text, bytes) in [
        ("1048576", 1 << 20),
        ("0x10_0000", 1 << 20),
        ("'1M'", 1 << 20),
    ] {
        let (settings, line) = by_file(&format!("region_size = {text}\n"));
        assert_eq!((settings.region_size, &*line), (bytes, ""), "{text}");
    }
}

#[test]
fn switches() {
    for (text, on) in [
        ("0", false),
        ("1", true),
        ("no", false),
        ("Yes", true),
        ("OFF", false),
        ("on", true),
        ("false", false),
        ("true", true),
    ] {
        let both = [("SSLCACHE_FORCE", text), ("SSLCACHE_VERBOSE", text)];
        let (settings, line) = by_environment(&both);
        assert_eq!(
            (settings.force, settings.verbose, &*line),
            (on, on, ""),
            "{text}"
        );
    }
    for (text, remedy) in [
        ("ture", "did you mean true? Write 0 or 1"),
        ("2", "write 0 or 1"),
        ("maybe", "write 0 or 1"),
    ] {
        let (settings, line) = by_environment(&[("SSLCACHE_FORCE", text)]);
        let expected =
            format!("SSLCACHE_FORCE={text} is neither 0 nor 1, so the default 0 is used: {remedy}");
        assert_eq!((settings.force, line), (false, expected));
    }
    assert!(by_file("force = 'on'\nverbose = true\n").0.force);
    assert!(
        by_file("force = 2\n")
            .1
            .starts_with("force = 2 in FILE is neither 0 nor 1, so")
    );
}

#[test]
fn certificates_left_out_of_a_group_with_a_name_only() {
    for (text, group, are_left_out) in [
        ("any", "web", true),
        ("ANY ", "web", true),
        ("compare", "web", false),
        ("compare", "none", false),
    ] {
        let both = [("SSLCACHE_CERTIFICATES", text), ("SSLCACHE_GROUP", group)];
        let (settings, line) = by_environment(&both);
        assert_eq!(
            (settings.leave_out_certificates(), &*line),
            (are_left_out, ""),
            "{text}"
        );
    }
    for group in ["none", "certificate", ""] {
        let both = [("SSLCACHE_CERTIFICATES", "any"), ("SSLCACHE_GROUP", group)];
        let (settings, line) = by_environment(&both);
        assert!(!settings.leave_out_certificates());
        assert_eq!(
            line,
            "certificates = any does nothing, as no group has a name: set group to a name of your own"
        );
    }
    for (text, remedy) in [
        ("on", "write compare or any"),
        ("comapre", "did you mean compare?"),
    ] {
        let both = [("SSLCACHE_CERTIFICATES", text), ("SSLCACHE_GROUP", "web")];
        let (settings, line) = by_environment(&both);
        assert!(!settings.leave_out_certificates());
        assert!(
            line.ends_with(&format!("the default compare is used: {remedy}")),
            "{line}"
        );
    }
}

#[test]
fn groups() {
    let longest = "g".repeat(64);
    for (text, group) in [
        ("none", Group::None),
        ("Certificate", Group::Certificate),
        ("web", Group::Named("web".into())),
        ("two words", Group::Named("two words".into())),
        ("ä", Group::Named("ä".into())),
        (&longest, Group::Named(longest.clone())),
    ] {
        let (settings, line) = by_environment(&[("SSLCACHE_GROUP", text)]);
        assert_eq!((settings.group, &*line), (group, ""), "{text}");
    }
    for (text, reason) in [
        ("certifcate", "nearly certificate"),
        ("certificates", "nearly certificate"),
        ("ecrtificaet", "nearly certificate"),
        ("off", "a switch and not a group"),
        ("1", "a switch and not a group"),
        ("a\nb", "not printable"),
        (&"g".repeat(65), "longer than 64 bytes"),
    ] {
        let (settings, line) = by_environment(&[("SSLCACHE_GROUP", text)]);
        assert_eq!(settings.group, Group::None, "{text}");
        assert!(line.contains(&format!("is {reason}, so")), "{line}");
    }
    let mut no_text = sources(&[], Path::new("/nonexistent"));
    let bytes = OsString::from_vec(b"g\xff".to_vec());
    no_text.environment.push(("SSLCACHE_GROUP".into(), bytes));
    let (settings, complaints) = no_text.read();
    assert_eq!(settings.group, Group::None);
    assert!(complaints.line().unwrap().contains("is not printable, so"));
}

#[test]
fn ticket_keys() {
    let keys = |text| by_environment(&[("SSLCACHE_TICKET_KEYS", text)]);
    assert_eq!(keys("own").0.ticket_keys, TicketKeys::Own);
    assert_eq!(keys("SHARED").0.ticket_keys, TicketKeys::Shared);
    assert_eq!(keys("Fleet").0.ticket_keys, TicketKeys::Fleet);
    let neither = "neither own, shared nor fleet";
    let switch =
        "write shared to have all processes use one set of keys, fleet for all hosts, or own";
    for (text, reason, remedy) in [
        ("share", neither, "did you mean shared?"),
        ("flet", neither, "did you mean fleet?"),
        ("mine", neither, "write own, shared or fleet"),
        // `on` is `own` but for one letter.
        ("on", "a switch and neither own, shared nor fleet", switch),
        ("0", "a switch and neither own, shared nor fleet", switch),
    ] {
        let (settings, line) = keys(text);
        let expected = format!(
            "SSLCACHE_TICKET_KEYS={text} is {reason}, so the default own is used: {remedy}"
        );
        assert_eq!((settings.ticket_keys, line), (TicketKeys::Own, expected));
    }
}

#[test]
fn agents() {
    let agent = |text| by_environment(&[("SSLCACHE_AGENT", text)]);
    assert_eq!(agent("AUTO").0.agent, Agent::Auto);
    assert_eq!(agent("none").0.agent.socket(), None);
    let path = Path::new("/run/a/b");
    assert_eq!(agent("/run/a/b").0.agent.socket(), Some(path));
    for (text, reason) in [
        ("on", "a switch"),
        ("run/agent.sock", "not an absolute path"),
        ("/run/", "not the path of a file"),
    ] {
        let (settings, line) = agent(text);
        assert_eq!(settings.agent, Agent::Auto, "{text}");
        assert!(line.contains(&format!("is {reason}, so")), "{line}");
    }
}

#[test]
fn regions() {
    for (text, reason) in [
        ("run/region", "not an absolute path"),
        ("nonee", "not an absolute path"),
        ("/run/sslcache/", "not the path of a file"),
    ] {
        let (settings, line) = by_environment(&[("SSLCACHE_REGION", text)]);
        assert_eq!(settings.region, None, "{text}");
        assert!(
            line.contains(&format!("is {reason}, so the default none is used: ")),
            "{line}"
        );
    }
    let (settings, line) = by_file("region = \"/a\\u0000b\"\n");
    assert_eq!(settings.region, None);
    assert!(line.contains("is not the path of a file"), "{line}");
    // A path need not be UTF-8.
    let mut no_text = sources(&[], Path::new("/nonexistent"));
    let path = OsString::from_vec(b"/run/\xff".to_vec());
    no_text
        .environment
        .push(("SSLCACHE_REGION".into(), path.clone()));
    assert_eq!(no_text.read().0.region, Some(path.into()));
}
