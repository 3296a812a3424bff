//! The store over TLS: a certificate for the tests, and what is told of one that is not right.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::agent::store::{Cause, StoreConfig};
use crate::engines::{Engine, HOUR, config, fine, keeps_the_first, run, store};
use crate::keyring::Folder;
use crate::redis::trouble;
use crate::{Case, Outcome, ensure};

pub const CASES: &[Case] = &[
    (
        "redis / over TLS, whose certificate has to be right",
        &["redis-server", "openssl"],
        || tls("redis-server"),
    ),
    (
        "valkey / over TLS, whose certificate has to be right",
        &["valkey-server", "openssl"],
        || tls("valkey-server"),
    ),
];

/// An authority, and a certificate that it issued for this name, in the folder.
pub fn issue(folder: &Folder, name: &str) -> Outcome {
    let openssl = |words: &str| -> Outcome {
        let output = Command::new("openssl")
            .args(words.split(' '))
            .current_dir(folder.path())
            .output()?;
        ensure!(
            output.status.success(),
            "openssl {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    };
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!(
        "req -x509 {KEY} -keyout ca.key -out ca.pem -subj /CN=authority -days 30"
    ))?;
    openssl(&format!(
        "req {KEY} -keyout server.key -out server.csr -subj /CN=server -addext subjectAltName={name}"
    ))?;
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -copy_extensions copy -days 30 -out server.pem",
    )
}

/// The arguments for a second port of this number, with the certificate in the folder.
pub fn tls_arguments(folder: &Folder, port: u16) -> Vec<String> {
    let file = |name: &str| folder.path().join(name).display().to_string();
    let settings = [
        ("--tls-port", port.to_string()),
        ("--tls-cert-file", file("server.pem")),
        ("--tls-key-file", file("server.key")),
        ("--tls-ca-cert-file", file("ca.pem")),
        ("--tls-auth-clients", "no".into()),
    ];
    let words = settings.map(|(setting, value)| [setting.to_string(), value]);
    words.into_iter().flatten().collect()
}

/// A server that speaks TLS at a second port, and that port.
pub fn with_tls(
    program: &str,
    folder: &Folder,
    more: &[&str],
) -> Result<(Engine, u16), Box<dyn Error>> {
    let port = crate::engines::free_port()?;
    let arguments = tls_arguments(folder, port);
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    Ok((Engine::redis(program, &[&arguments, more].concat())?, port))
}

/// The store at `url` is reached by those who know the authority in the folder, and by nobody else.
pub async fn needs_the_authority(folder: &Folder, url: &str) -> Outcome {
    let mut config = config(url);
    trouble(
        store(&config)?.get("sslc:1:k:a").await,
        Cause::Unreachable,
        &["UnknownIssuer", "ca_file"],
    )?;
    config.ca_file = Some(folder.path().join("ca.pem"));
    let store = store(&config)?;
    for own in [&b"a"[..], b"other"] {
        let stands = fine(store.put_if_absent("sslc:1:k:a", own, HOUR).await)?;
        ensure!(stands == b"a", "{stands:?} stands there");
    }
    Ok(())
}

fn tls(program: &str) -> Outcome {
    let folder = Folder::new()?;
    issue(&folder, "DNS:localhost")?;
    let strangers = Folder::new()?;
    issue(&strangers, "DNS:localhost")?;
    let (engine, port) = with_tls(program, &folder, &[])?;
    let at = |url: String, authority: Option<PathBuf>| -> StoreConfig {
        let mut config = config(&url);
        config.ca_file = authority;
        config
    };
    let own = || Some(folder.path().join("ca.pem"));
    run(async {
        keeps_the_first(&at(format!("rediss://localhost:{port}"), own())).await?;
        let get = async |config: StoreConfig| -> Result<_, Box<dyn Error>> {
            Ok(store(&config)?.get("sslc:1:k:a").await)
        };
        let said = get(at(format!("rediss://127.0.0.1:{port}"), own())).await?;
        trouble(
            said,
            Cause::Unreachable,
            &[
                "not valid for name",
                "127.0.0.1",
                "name the store as its certificate does",
            ],
        )?;
        let said = get(at(
            format!("rediss://localhost:{port}"),
            Some(strangers.path().join("ca.pem")),
        ))
        .await?;
        trouble(
            said,
            Cause::Unreachable,
            &["invalid peer certificate", "ca_file"],
        )?;
        let said = get(at(format!("rediss://localhost:{port}"), None)).await?;
        trouble(
            said,
            Cause::Unreachable,
            &["UnknownIssuer", "set `ca_file`"],
        )?;
        let mut plain = at(format!("rediss://localhost:{}", engine.port), own());
        plain.connect_timeout = Duration::from_millis(500);
        let said = get(plain).await?;
        trouble(
            said,
            Cause::Late,
            &["no connection within", "that it speaks TLS on this port"],
        )?;
        let said = get(at(format!("redis://localhost:{port}"), None)).await?;
        trouble(said, Cause::Unreachable, &["redis://localhost"])
    })?
}
