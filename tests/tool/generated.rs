//! The generated files: completions that shells accept, manual pages that mandoc accepts.

use std::process::Command;

use crate::Case;
use crate::tool::{Folder, Outcome, Tool, has_in_order, said};

pub const CASES: &[Case] = &[
    ("bash completes subcommands and options", completions),
    ("bash completes values, and no file names for them", values),
    ("manual pages read well", manuals),
    ("help names every subcommand", help),
];

const SUBCOMMANDS: [&str; 12] = [
    "run", "doctor", "test", "stat", "top", "exporter", "agent", "flush", "keys", "bench",
    "enable", "disable",
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

fn values(tool: &Tool) -> Outcome {
    let file = tool
        .stage
        .join("share/bash-completion/completions/sslcache");
    // The words as bash splits them: an equals sign is one.
    let offered = |words: &[&str]| -> Result<String, Box<dyn std::error::Error>> {
        const SCRIPT: &str = "source \"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                              compopt() { [[ $* != *+o\\ default* ]] || echo -n '|'; }; \
                              _sslcache sslcache \"${@: -1}\" \"${@: -2:1}\"; echo \"${COMPREPLY[*]}\"";
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", SCRIPT, "bash"]).arg(&file);
        let said = said(bash.arg("sslcache").args(words).current_dir("/"))?;
        assert_eq!(said.err, "", "{words:?}");
        Ok(said.out)
    };
    // With a bar, bash offers no files of its own.
    for (words, expected) in [
        (&["enable", "ngi"][..], "|nginx\n"),
        (&["enable", "zzz"], "|\n"),
        (&["disable", "hap"], "|haproxy\n"),
        (
            &["enable", "nginx", "ticket_k"],
            "|ticket_keys=own ticket_keys=shared ticket_keys=fleet\n",
        ),
        (&["enable", "nginx", "ticket_keys", "=", "s"], "|shared\n"),
        (&["enable", "nginx", "region", "="], "|auto\n"),
        (&["run", "--ticket-keys", ""], "own shared fleet\n"),
        (&["run", "--ticket-keys", "=", "sh"], "shared\n"),
        (&["run", "--region", "/etc/pass"], "/etc/passwd"),
        (&["agent", "key", "ro"], "|rotate\n"),
        (&["agent", "key", "rotate", "/etc/pass"], "\n"),
        (&["run", "--region-size", "6"], "64M\n"),
        (&["doctor", "--pid", "et"], "et\n"),
        (&["stat", "--pid", "et"], "|et\n"),
        (&["stat", "et"], "|\n"),
    ] {
        let offered = offered(words)?;
        assert!(offered.starts_with(expected), "{words:?}: {offered}");
    }
    let text = std::fs::read_to_string(
        tool.stage
            .join("share/fish/vendor_completions.d/sslcache.fish"),
    )?;
    has_in_order(
        &text,
        &["subcommand run\" -l ticket-keys", "own\\t''\nshared\\t''"],
    )?;
    has_in_order(&text, &["subcommand enable\" -f -a \"nginx "])?;
    let text = std::fs::read_to_string(tool.stage.join("share/zsh/site-functions/_sslcache"))?;
    has_in_order(&text, &["'--ticket-keys=", "(own shared fleet)"])?;
    has_in_order(&text, &[":unit -- The service", "(nginx "])
}

fn manuals(tool: &Tool) -> Outcome {
    let pages = SUBCOMMANDS.map(|subcommand| format!("sslcache-{subcommand}.1"));
    let of_agent = ["key", "key-new", "key-rotate", "status"];
    let of_agent = of_agent.map(|subcommand| format!("sslcache-agent-{subcommand}.1"));
    let pages = pages.iter().chain(&of_agent).map(String::as_str);
    for page in pages.chain(["sslcache.1"]) {
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
        assert!(!plain.contains("EXTRA"), "{page}");
        if page == "sslcache-doctor.1" {
            let lines = [
                "EXAMPLES\n",
                "sslcache doctor -- nginx\n",
                "sslcache doctor --pid $(cat /run/nginx.pid)\n",
            ];
            has_in_order(&plain, &lines)?;
        }
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
