//! The verdict of `sslcache doctor`, and what it reads of nginx.

use std::fs;

use crate::Case;
use crate::server::Server;
use crate::tool::{Outcome, Tool, has_in_order};

pub const CASES: &[Case] = &[
    (
        "verdict on a server before and after its first client",
        first,
    ),
    ("verdict on tickets whose keys end with a reload", own_keys),
    (
        "verdict on tickets whose keys all processes share",
        shared_keys,
    ),
    (
        "verdict on tickets whose keys nginx has from a file",
        keys_of_nginx,
    ),
    ("verdict on a cache that is switched off", no_cache),
];

/// The report on nginx with these options of `sslcache run` and this configuration, after its clients came back.
fn report(
    tool: &Tool,
    options: &[&str],
    settings: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let server = Server::start(tool, options, settings)?;
    server.visit("1.2")?;
    let pid = server.pid()?.to_string();
    Ok(tool.say(&server.runtime.0, &["doctor", "--pid", &pid])?.out)
}

/// The last line. Its numbers may lack the last handshakes, which a process that rests has not written down.
fn verdict_in(report: &str) -> &str {
    report.lines().last().unwrap_or_default()
}

fn first(tool: &Tool) -> Outcome {
    let server = Server::start(
        tool,
        &[],
        "ssl_session_tickets off; ssl_session_cache builtin:500;",
    )?;
    let pid = server.pid()?.to_string();
    let doctor = || tool.say(&server.runtime.0, &["doctor", "--pid", &pid]);
    assert_eq!(
        verdict_in(&doctor()?.out),
        "verdict: nothing can be told yet: it has served no client"
    );
    server.visit("1.2")?;
    let report = doctor()?.out;
    has_in_order(
        &report,
        &[
            "nginx -T: ssl_session_cache builtin:500, ssl_session_tickets off",
            "verdict: ",
        ],
    )?;
    has_in_order(
        verdict_in(&report),
        &[
            " handshakes were resumed (5",
            "up to ",
            "SSLCACHE_REGION=FILE",
        ],
    )
}

fn own_keys(tool: &Tool) -> Outcome {
    let report = report(tool, &[], "ssl_session_cache off;")?;
    has_in_order(
        &report,
        &[
            "gives tickets that a reload or restart makes worthless",
            "-> set SSLCACHE_TICKET_KEYS=shared",
        ],
    )?;
    has_in_order(
        verdict_in(&report),
        &[
            " handshakes were resumed (5",
            "none of them by what processes share",
            "set SSLCACHE_TICKET_KEYS=shared",
        ],
    )
}

fn shared_keys(tool: &Tool) -> Outcome {
    let report = report(tool, &["--ticket-keys=shared"], "ssl_session_cache off;")?;
    has_in_order(
        &report,
        &[
            "its ticket keys are shared: the newest is ",
            "its turn ends in ",
            "other hosts have other keys",
        ],
    )?;
    has_in_order(
        verdict_in(&report),
        &[
            " handshakes were resumed (5",
            "up to ",
            "by what sslcache shares",
        ],
    )
}

fn keys_of_nginx(tool: &Tool) -> Outcome {
    let folder = crate::tool::Folder::new()?;
    let key = folder.file("key");
    fs::write(&key, [7; 80])?;
    let settings = format!(
        "ssl_session_cache off; ssl_session_ticket_key {};",
        key.display()
    );
    for options in [&[][..], &["--ticket-keys=shared"]] {
        let report = report(tool, options, &settings)?;
        has_in_order(&report, &["nginx -T: ", "ssl_session_ticket_key /"])?;
        has_in_order(
            &report,
            &["keys of its own: the program has set ticket keys"],
        )?;
        assert!(!report.contains("SSLCACHE_TICKET_KEYS=shared"), "{report}");
        has_in_order(
            verdict_in(&report),
            &[" were resumed (5", "keys of the program's own"],
        )?;
    }
    Ok(())
}

fn no_cache(tool: &Tool) -> Outcome {
    let report = report(tool, &[], "ssl_session_tickets off; ssl_session_cache off;")?;
    has_in_order(
        verdict_in(&report),
        &[
            "verdict: 0 of ",
            "(0 %: 0 by id, 0 by ticket)",
            "set SSLCACHE_FORCE=1",
        ],
    )
}
