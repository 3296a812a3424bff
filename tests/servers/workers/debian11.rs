//! nginx 1.18 of Debian 11, on the OpenSSL 1.1.1 of the same release: workers by fork, with the builtin cache.
//!
//! `make test` unpacks both, with `tools/unpack-release`. Neither is in the table of COMPATIBILITY.md, whose programs are those
//! of one release.

use super::running::Running;
use super::{Count, Expected, VISITS, WORKERS};
use crate::fixture::{Fixture, is_root};
use crate::form::{Form, Protocol};
use crate::nginx::configure;
use crate::server::{Place, free_port};
use libtest_mimic::{Failed, Trial};
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

const SETTINGS: &str = "ssl_session_tickets off; ssl_session_cache builtin;";

const PROTOCOLS: [Protocol; 2] = [Protocol::Tls12, Protocol::Tls13];

fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_TARGET_TMPDIR"), "/../apart/debian11"))
}

pub fn trials(fixture: &Arc<Fixture>) -> Vec<Trial> {
    let program = root().join("usr/sbin/nginx");
    // This nginx opens its log in /var/log before it reads where its log is to be.
    let missing = !program.exists() || !is_root();
    let mut trials = Vec::new();
    for (form, expected) in [
        (Form::Plain, Expected::Few),
        (Form::Preloaded, Expected::All),
    ] {
        for protocol in PROTOCOLS {
            let missing = missing || form != Form::Plain && fixture.stage.is_none();
            let fixture = Arc::clone(fixture);
            let name = format!("workers: nginx 1.18 of Debian 11 / {form} / {protocol}");
            let test = move || -> Result<(), Failed> {
                let count = count(&fixture, form, protocol).map_err(|error| error.to_string())?;
                let Count { resumed, held } = count;
                println!("nginx 1.18 of Debian 11, {form}, {protocol}: {resumed} of {VISITS}");
                match expected.is(count) {
                    true => Ok(()),
                    false => Err(format!(
                        "expected {expected:?}: resumed {resumed} of {VISITS}, {held} held"
                    )
                    .into()),
                }
            };
            trials.push(Trial::test(name, test).with_ignored_flag(missing));
        }
    }
    trials
}

fn count(fixture: &Fixture, form: Form, protocol: Protocol) -> Result<Count, Box<dyn Error>> {
    let place = Place::unprobed(fixture)?;
    let port = free_port()?.to_string();
    let listen = format!("127.0.0.1:{port} reuseport");
    configure(&place, &listen, WORKERS, SETTINGS, "hello")?;
    let program = root().join("usr/sbin/nginx");
    let mut command = place.command(&program.to_string_lossy(), form);
    let folder = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|lib| root().join(lib).join(&folder));
    command.env("LD_LIBRARY_PATH", std::env::join_paths(folders)?);
    command.arg("-p").arg(&place.folder.path);
    command.args(["-c", "nginx.conf"]);
    let running = Running::start(&place, command, &*port)?.ended_by(libc::SIGQUIT);
    running.come_back(&place, form, protocol)
}
