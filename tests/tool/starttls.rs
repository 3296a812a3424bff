//! `sslcache test --starttls`.

use crate::Case;
use crate::relay::Relay;
use crate::relay::Turn::{self, Hears, Says};
use crate::s_server::SServer;
use crate::server::free_port;
use crate::test::{ask, json};
use crate::tool::{Outcome, Tool, has_in_order};

pub const CASES: &[Case] = &[
    ("test asks for TLS in each protocol", starttls),
    (
        "test shows no control characters of a server's",
        control_characters,
    ),
];

/// Each protocol, with the words of its RFC. Servers may say more than one line.
static DIALOGUES: [(&str, &[Turn]); 6] = [
    (
        "smtp",
        &[
            Says(b"220-localhost\r\n220 ready\r\n"),
            Hears(b"EHLO localhost\r\n"),
            Says(b"250-localhost\r\n250-SIZE 100\r\n250-starttls\r\n250 HELP\r\n"),
            Hears(b"STARTTLS\r\n"),
            Says(b"220 2.0.0 go ahead\r\n"),
        ],
    ),
    (
        "imap",
        &[
            Says(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
            Hears(b"a STARTTLS\r\n"),
            Says(b"* CAPABILITY IMAP4rev1\r\na OK begin now\r\n"),
        ],
    ),
    (
        "pop3",
        &[
            Says(b"+OK ready\r\n"),
            Hears(b"STLS\r\n"),
            Says(b"+OK begin now\r\n"),
        ],
    ),
    (
        "ftp",
        &[
            Says(b"220-welcome\r\n to this server\r\n220 ready\r\n"),
            Hears(b"AUTH TLS\r\n"),
            Says(b"234 begin now\r\n"),
        ],
    ),
    (
        "ldap",
        &[
            Hears(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037"),
            // The long form of the lengths, as Active Directory writes them.
            Says(b"\x30\x84\0\0\0\x10\x02\x01\x01\x78\x84\0\0\0\x07\x0a\x01\0\x04\0\x04\0"),
        ],
    ),
    (
        "postgres",
        &[Hears(b"\0\0\0\x08\x04\xd2\x16\x2f"), Says(b"S")],
    ),
];

fn starttls(tool: &Tool) -> Outcome {
    let server = SServer::start(&["-no_ticket"])?;
    for (protocol, turns) in DIALOGUES {
        let relay = Relay::start(turns, &[server.port])?;
        let (code, json) = json(tool, relay.port, &["-n", "4", "--starttls", protocol])?;
        assert_eq!(code, 0, "{protocol}: {json}");
        assert_eq!(json["starttls"], protocol);
        assert_eq!(
            json["rows"][0]["returns"]["resumed"], 4,
            "{protocol}: {json}"
        );
    }
    Ok(())
}

fn control_characters(tool: &Tool) -> Outcome {
    let relay = Relay::start(
        &[Says(b"554 \x1b]0;title\x07 go away\r\n")],
        &[free_port()?],
    )?;
    let said = ask(tool, relay.port, &["--starttls", "smtp"])?;
    assert_eq!((said.code, &*said.out), (2, ""));
    has_in_order(&said.err, &["the server says", "554 ]0;title go away"])?;
    assert!(
        !said
            .err
            .chars()
            .any(|char| char.is_control() && char != '\n'),
        "{:?}",
        said.err
    );
    Ok(())
}
