//! `sslcache exporter`: answers Prometheus over HTTP with the figures of all services.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::failure::Failure;
use crate::http;
use crate::processes;
use crate::stat::prometheus;
use crate::stat::services::History;

const LONG: &str = "\
Answers GET /metrics with the figures of all services that this user may look at, for Prometheus: by service, with labels \
that stay the same, and with counters that do not fall when a service is reloaded or restarted, for as long as the exporter \
runs. Root sees every service.

The figures are no secrets, but the address should be one that only the scraper reaches: there is no authentication and no \
TLS here.";

/// The command line.
pub fn command() -> Command {
    Command::new("exporter")
        .about("Answer Prometheus with the figures of all services, over HTTP")
        .long_about(LONG)
        .after_help(
            "Examples:\n  sslcache exporter\n  sslcache exporter --listen 127.0.0.1:0 --once",
        )
        .arg(
            Arg::new("listen")
                .long("listen")
                .value_name("ADDRESS:PORT")
                .default_value("127.0.0.1:9798")
                .value_parser(value_parser!(SocketAddr))
                .help("Where; with port 0 the system chooses one, and the first line says which"),
        )
        .arg(
            Arg::new("once")
                .long("once")
                .action(ArgAction::SetTrue)
                .help("End after the first connection"),
        )
}

/// Listens and answers until it is ended.
pub fn run(arguments: &ArgMatches) -> Result<ExitCode, Failure> {
    let default = SocketAddr::from(([127, 0, 0, 1], 9798));
    let address = *arguments.get_one("listen").unwrap_or(&default);
    let failed = |error: io::Error| {
        Failure::new(
            address,
            error,
            "give a free port of this machine with --listen",
        )
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    println!("listening on http://{bound}/metrics");
    // SAFETY: no other thread is there. A client that is gone must not end the exporter.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let history = Mutex::new(History::default());
    http::serve(
        &listener,
        arguments.get_flag("once"),
        move |path| match path {
            "/metrics" => Some((http::PROMETHEUS, metrics(&history))),
            "/" => Some((http::PLAIN, "sslcache exporter: see /metrics\n".to_owned())),
            _ => None,
        },
    );
    Ok(ExitCode::SUCCESS)
}

fn metrics(history: &Mutex<History>) -> String {
    // One after the other: what one look has found is no less than what the last one has.
    let mut history = history.lock().unwrap_or_else(PoisonError::into_inner);
    let (trees, closed) = processes::all();
    prometheus::services(&history.look(&trees)) + &prometheus::closed(closed.len())
}
