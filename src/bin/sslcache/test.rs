//! `sslcache test`: asks a server from outside how many of its clients it resumes.
//!
//! * [`row`] makes the visits of one protocol, of which each is one [`visit`] to the [`peer`], by a [`dialogue`] of
//!   [`starttls`] if asked.
//! * [`findings`] concludes from them, [`report`] prints them, with the [`verdict`].
//!
//! Nothing that the server sends is verified or printed, but for a refusal before the handshake, without control characters.

mod dialogue;
mod findings;
mod libssl;
mod peer;
mod report;
mod row;
mod session;
mod starttls;
mod verdict;
mod visit;

use std::cell::OnceCell;
use std::ffi::CStr;
use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint, value_parser};

use crate::failure::Failure;
use crate::hosts;
use crate::offered::Offered;
use libssl::Libssl;
use peer::Peer;
use report::Report;
use row::{By, Row};
use visit::{Protocol, Trouble};

const LONG: &str = "\
Asks a server from outside how many returning clients it resumes: any server that speaks TLS 1.2 or 1.3, with sslcache or \
without.

For TLS 1.2 by session id, TLS 1.2 by ticket and TLS 1.3, clients come with a full handshake, half as many as there are \
returns; then one of them, by chance, comes back with what it last got, and another, and so on. Most of them meet another \
worker than before, as on a busy server; a single client would often meet the same one again.

What is told for each: how many were resumed, with a pattern of the returns in their order (R resumed, . not) where only \
some were; by how many ticket keys the tickets were made, which is in their first 16 bytes in libssl's format; how many \
caches the share of those that were resumed speaks for; the lifetime that the server tells with its tickets; whether it \
accepts early data. A stateful ticket of TLS 1.3 is the id of a session in the server, a stateless one has the session in \
it.

With --wait, each client then keeps what it has, and offers it once more after the wait: reload or restart the server \
meanwhile, and see what survives.

The last line is the verdict. What cannot be known from outside is said with \"it looks as if\". With --json there is the \
same and more, in a form that \"schema\" names.

One connection is made after the other. Their number is told before the first. No certificate is verified, and nothing is \
sent but the handshake and a goodbye, unless --early-data is given.

Exit codes: 0 all that was offered was resumed, 1 something was not, or nothing could be offered, 2 the server cannot be \
reached or asked.";

/// The request that is sent as early data.
const REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";
/// The connections that it takes to send it twice.
const EARLY_CONNECTIONS: usize = 3;

static ROWS: [(Protocol, By); 3] = [
    (Protocol::Tls12, By::Id),
    (Protocol::Tls12, By::Ticket),
    (Protocol::Tls13, By::Ticket),
];

/// The command line.
pub fn command() -> Command {
    Command::new("test")
        .about("Ask a server from outside how many returning clients it resumes")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache test www.example.org:443\n  \
             sslcache test --starttls smtp -n 20 mail.example.org:25\n  \
             sslcache test --wait reload localhost:443",
        )
        .arg(
            Arg::new("server")
                .value_name("HOST:PORT")
                .required(true)
                .value_parser(peer::host_and_port)
                .value_hint(ValueHint::Hostname)
                .help("The server; an IPv6 address is in brackets"),
        )
        .arg(
            Arg::new("returns")
                .short('n')
                .long("returns")
                .value_name("N")
                .default_value("50")
                .value_parser(value_parser!(u16).range(1..=10_000))
                .help("Returns of each kind; half as many clients make them"),
        )
        .arg(
            Arg::new("sni")
                .long("sni")
                .value_name("NAME")
                .value_parser(name)
                .help("The server name to ask for, in place of HOST"),
        )
        .arg(
            Arg::new("starttls")
                .long("starttls")
                .value_name("PROTOCOL")
                .value_parser(PossibleValuesParser::new(
                    starttls::PROTOCOLS.map(|(name, _)| PossibleValue::new(name)),
                ))
                .help("Ask for TLS in this protocol first"),
        )
        .arg(
            Arg::new("wait")
                .long("wait")
                .value_name("reload|SECONDS")
                .value_parser(Offered::new(until, ["reload"]))
                .hide_possible_values(true)
                .help("Then wait, for a line on standard input or so long, and offer once more what the clients have"),
        )
        .arg(
            Arg::new("early-data")
                .long("early-data")
                .action(ArgAction::SetTrue)
                .help("Send GET / as early data twice with one session, where it is allowed"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .default_value("5")
                .value_parser(value_parser!(u64).range(1..=300))
                .help("The longest time that a connection may take with its handshake"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("As JSON, and nothing on standard error but what fails and what is waited for"),
        )
}

/// How the wait between the two offers ends.
#[derive(Clone, Copy)]
enum Until {
    /// With a line on standard input.
    Line,
    Time(Duration),
}

fn until(text: &str) -> Result<Until, String> {
    if text == "reload" {
        return Ok(Until::Line);
    }
    match text.parse() {
        Ok(seconds @ 1..=86_400) => Ok(Until::Time(Duration::from_secs(seconds))),
        _ => Err("write reload, or a number of seconds".to_owned()),
    }
}

/// A server name as it can be asked for (TLSEXT_MAXLEN_host_name).
fn name(text: &str) -> Result<String, String> {
    match text.len() {
        1..=255 => Ok(text.to_owned()),
        _ => Err("a server name has 1 to 255 bytes".to_owned()),
    }
}

/// Measures, and prints the report.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let peer = peer(arguments)?;
    let returns = arguments.get_one::<u16>("returns").copied().unwrap_or(50);
    let returns = usize::from(returns);
    let until = arguments.get_one::<Until>("wait").copied();
    let tries_early_data = arguments.get_flag("early-data");
    let is_json = arguments.get_flag("json");
    let libssl = Libssl::load(&hosts::C_NAMES).map_err(|reason| {
        Failure::new(
            "libssl",
            reason,
            "install OpenSSL 1.1.1 or later (Debian: libssl3, or libssl1.1)",
        )
    })?;
    if !is_json {
        let clients = row::clients(returns);
        let of_row = returns + clients + until.map_or(0, |_| clients);
        let most = ROWS.len() * of_row + usize::from(tries_early_data) * EARLY_CONNECTIONS;
        eprintln!(
            "{peer}: at most {most} connections, one after the other; certificates are not verified"
        );
    }
    let mut report = Report {
        peer: &peer,
        library: library(&libssl),
        rows: Vec::new(),
        not_spoken: Vec::new(),
        early_data: None,
    };
    measure(&libssl, returns, &mut report)?;
    if tries_early_data {
        try_early_data(&mut report)?;
    }
    if let Some(until) = until {
        wait(until)?;
        for row in &mut report.rows {
            let what = format!("{} after the wait", report::label(row));
            row.come_after_wait(&peer)
                .map_err(|trouble| failure(&peer, &what, trouble))?;
        }
    }
    print!(
        "{}",
        if is_json {
            report.json()
        } else {
            report.text()
        }
    );
    Ok(ExitCode::from(u8::from(!report.is_well())))
}

fn peer(arguments: &ArgMatches) -> Result<Peer, Failure> {
    let (host, port) = arguments
        .get_one::<(String, u16)>("server")
        .cloned()
        .unwrap_or_default();
    let addresses = peer::addresses(&host, port).map_err(|reason| {
        Failure::new(
            &host,
            reason,
            "name a host that can be found, or its address",
        )
    })?;
    let starttls = arguments.get_one::<String>("starttls").and_then(|name| {
        let known = starttls::PROTOCOLS.iter().find(|(known, _)| known == name);
        known.map(|(_, protocol)| *protocol)
    });
    let timeout = arguments.get_one::<u64>("timeout").copied().unwrap_or(5);
    Ok(Peer {
        server_name: arguments
            .get_one::<String>("sni")
            .cloned()
            .or_else(|| peer::server_name(&host)),
        host,
        port,
        addresses,
        chosen: OnceCell::new(),
        starttls,
        timeout: Duration::from_secs(timeout),
    })
}

/// Measures each row. A protocol that the server refuses at the first visit is one that it does not speak.
fn measure<'a>(libssl: &'a Libssl, returns: usize, report: &mut Report<'a>) -> Result<(), Failure> {
    let peer = report.peer;
    for (protocol, by) in ROWS {
        let is_refused = |(known, _): &(Protocol, String)| *known == protocol;
        if report.not_spoken.iter().any(is_refused) {
            continue;
        }
        match Row::measure(libssl, peer, (protocol, by), returns) {
            Ok(row) => report.rows.push(row),
            Err((0, Trouble::NoHandshake(reason)))
                if report.rows.iter().all(|row| row.protocol != protocol) =>
            {
                report.not_spoken.push((protocol, reason));
            }
            Err((visits, trouble)) => {
                let what = format!("{}, connection {}", protocol.name(), visits + 1);
                return Err(failure(peer, &what, trouble));
            }
        }
    }
    match (report.rows.is_empty(), report.not_spoken.last()) {
        (true, Some((_, reason))) => {
            let trouble = Trouble::NoHandshake(reason.clone());
            Err(failure(peer, "TLS 1.2 and 1.3", trouble))
        }
        _ => Ok(()),
    }
}

fn try_early_data(report: &mut Report<'_>) -> Result<(), Failure> {
    let peer = report.peer;
    let allowing = report.rows.iter_mut().find(|row| row.max_early_data > 0);
    if let Some(row) = allowing {
        let accepted = row.offer_early_data(peer, REQUEST);
        report.early_data = Some(accepted.map_err(|trouble| failure(peer, "early data", trouble))?);
    }
    Ok(())
}

fn wait(until: Until) -> Result<(), Failure> {
    match until {
        Until::Time(time) => {
            eprintln!("waiting for {} s", time.as_secs());
            thread::sleep(time);
            Ok(())
        }
        Until::Line => {
            eprintln!("reload the server now, then press Enter");
            let remedy = "press Enter, or write --wait SECONDS where nobody can";
            match io::stdin().read_line(&mut String::new()) {
                Ok(0) => Err(Failure::new(
                    "standard input",
                    "it ended before a line came",
                    remedy,
                )),
                Ok(_) => Ok(()),
                Err(error) => Err(Failure::new("standard input", error, remedy)),
            }
        }
    }
}

fn failure(peer: &Peer, what: &str, trouble: Trouble) -> Failure {
    let (reason, remedy) = match trouble {
        Trouble::Unreachable(reason) => (reason, "is it the right port, and does the server run?"),
        Trouble::NoHandshake(reason) => (
            reason,
            "is it a port for TLS, and need it be asked for with --starttls?",
        ),
    };
    Failure::new(format_args!("{peer} ({what})"), reason, remedy)
}

fn library(libssl: &Libssl) -> String {
    // SAFETY: OPENSSL_VERSION is 0; the text is constant.
    unsafe { CStr::from_ptr((libssl.OpenSSL_version)(0)) }
        .to_string_lossy()
        .into_owned()
}
