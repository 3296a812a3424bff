//! The generated files: completions that shells accept, manual pages that mandoc accepts.

use std::process::Command;

use crate::Case;
use crate::tool::{Folder, Outcome, Tool, has_in_order, said};

pub const CASES: &[Case] = &[
    ("bash completes subcommands and options", completions),
    ("manual pages read well", manuals),
    ("help names every subcommand", help),
];

const SUBCOMMANDS: [&str; 8] = [
    "run", "doctor", "stat", "top", "flush", "bench", "enable", "disable",
];

fn completions(tool: &Tool) -> Outcome {
    let file = tool
        .stage
        .join("share/bash-completion/completions/sslcache");
    let script = format!(
        "source {}; COMP_WORDS=(sslcache stat --p); COMP_CWORD=2; _sslcache sslcache --p stat; echo \"${{COMPREPLY[*]}}\"",
        file.display()
    );
    let bash = said(Command::new("bash").args(["--norc", "-c", &script]))?;
    assert_eq!((&*bash.out, &*bash.err), ("--prometheus --pid\n", ""));
    for place in [
        "zsh/site-functions/_sslcache",
        "fish/vendor_completions.d/sslcache.fish",
    ] {
        let text = std::fs::read_to_string(tool.stage.join("share").join(place))?;
        SUBCOMMANDS
            .iter()
            .try_for_each(|subcommand| has_in_order(&text, &[subcommand]))?;
        assert!(!text.contains("generate"), "{place}");
    }
    Ok(())
}

fn manuals(tool: &Tool) -> Outcome {
    let pages = SUBCOMMANDS.map(|subcommand| format!("sslcache-{subcommand}.1"));
    for page in pages.iter().map(String::as_str).chain(["sslcache.1"]) {
        let path = tool.stage.join("share/man/man1").join(page);
        let mandoc = said(
            Command::new("mandoc")
                .args(["-T", "utf8", "-W", "error"])
                .arg(&path),
        )?;
        assert_eq!((mandoc.code, &*mandoc.err), (0, ""), "{page}");
        let plain: String = plain(&mandoc.out);
        has_in_order(
            &plain,
            &[
                "NAME",
                page.trim_end_matches(".1"),
                "SYNOPSIS",
                "DESCRIPTION",
                "SEE ALSO",
                "sslcache(7)",
            ],
        )?;
        assert!(!plain.contains("sslcache-help"), "{page}");
    }
    Ok(())
}

/// The text without the overstrikes that make letters bold.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for char in text.chars() {
        if char == '\u{8}' {
            plain.pop();
        } else {
            plain.push(char);
        }
    }
    plain
}

fn help(tool: &Tool) -> Outcome {
    let folder = Folder::new()?;
    let help = tool.say(&folder.0, &["--help"])?;
    assert_eq!(help.code, 0);
    has_in_order(
        &help.out,
        &[
            "Usage: sslcache",
            "run ",
            "doctor ",
            "stat ",
            "top ",
            "flush ",
        ],
    )?;
    for subcommand in SUBCOMMANDS {
        let help = tool.say(&folder.0, &[subcommand, "--help"])?;
        has_in_order(&help.out, &["Usage: sslcache ", subcommand])?;
    }
    Ok(())
}
