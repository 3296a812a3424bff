//! PostgreSQL: a process for each connection, forked by the one that has made the context and has switched its cache off.

use super::running::{Account, Running};
use super::{Expected, Row, Setting, shared_folder};
use crate::fixture::run;
use crate::form::{Form, Protocol};
use crate::server::{Place, free_port};
use std::error::Error;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const VERSION: &[&str] = &["psql", "--version"];

pub fn rows() -> Vec<Row> {
    // Over TLS 1.3 PostgreSQL sends no tickets.
    vec![
        Row::new(
            "postgresql",
            VERSION,
            "fork for each connection, cache switched off",
            Expected::Nobody,
            |place, form, protocol| {
                start(place, form)?
                    .talking("postgres")
                    .come_back(place, form, protocol)
            },
        )
        .over(&[Protocol::Tls12])
        .unset(Expected::Nobody)
        .with(Setting::Force, Expected::All),
    ]
}

fn start(place: &Place, form: Form) -> Result<Running, Box<dyn Error>> {
    let programs = programs()?;
    let account = Account::of("postgres")?;
    let data = shared_folder(place);
    account.give(&data)?;
    let mut initdb = account.command(programs.join("initdb"))?;
    initdb
        .args([
            "--no-sync",
            "--auth=trust",
            "--username=postgres",
            "--pgdata",
        ])
        .arg(&data)
        .env_remove("LD_LIBRARY_PATH")
        .current_dir("/");
    run(&mut initdb)?;
    // PostgreSQL insists that the key belongs to its user or to root.
    let key = data.join("key.pem");
    fs::copy(place.fixture.key(), &key)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    account.give(&key)?;
    let certificate = data.join("cert.pem");
    fs::copy(place.fixture.certificate(), &certificate)?;
    fs::set_permissions(&certificate, fs::Permissions::from_mode(0o644))?;

    let port = free_port()?.to_string();
    let mut command = place.prepared(account.command(programs.join("postgres"))?, form);
    command.arg("-D").arg(&data).args(["-p", &port]);
    for setting in [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "ssl=on",
        "ssl_cert_file=cert.pem",
        "ssl_key_file=key.pem",
        "fsync=off",
    ] {
        command.args(["-c", setting]);
    }
    command.current_dir(&data);
    Running::start(place, command, port)
}

/// The server of the distribution, which has a folder for each version. The last version is used.
fn programs() -> Result<PathBuf, Box<dyn Error>> {
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")?
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    found.sort();
    Ok(found.pop().ok_or("no server of PostgreSQL")?)
}
