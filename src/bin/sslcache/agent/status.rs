//! `sslcache agent status`: what the agent of this host says of itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;

use super::config::Config;
use super::figures;
use super::secret::shown;
use crate::failure::Failure;

const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const ANSWER_MOST: u64 = 4 << 20;

/// Asks the agent and shows its answer. 1 if the store is not reachable, or a namespace has no key.
pub fn show(path: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let config = Config::read(path)?;
    let address = config.metrics.ok_or_else(|| {
        Failure::new(
            shown(path),
            "the agent answers nowhere",
            "set `metrics = \"127.0.0.1:9464\"` and restart it",
        )
    })?;
    let failed = |error: io::Error| {
        Failure::new(
            address,
            error,
            "start the agent: systemctl start sslcache-agent",
        )
    };
    let answer = ask(address).map_err(failed)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
    let parsed = body.and_then(|body| serde_json::from_str::<Value>(body).ok());
    let known = parsed.filter(|answer| answer["schema"] == "sslcache-agent-1");
    let text = known.as_ref().and_then(figures::shown);
    let (Some(answer), Some(text)) = (known, text) else {
        return Err(Failure::new(
            address,
            "the answer is not that of an agent",
            "see that nothing else listens there",
        ));
    };
    match as_json {
        true => println!("{answer:#}"),
        false => print!("{text}"),
    }
    let is_without = |one: &Value| one["epoch"].is_null();
    let namespaces = answer["namespaces"].as_array();
    let is_fine = !answer["store"]["reachable_since"].is_null()
        && !namespaces.is_some_and(|all| all.iter().any(is_without));
    Ok(ExitCode::from(u8::from(!is_fine)))
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER_MOST).read_to_string(&mut answer)?;
    Ok(answer)
}
