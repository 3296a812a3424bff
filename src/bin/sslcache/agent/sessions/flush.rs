//! `sslcache agent flush`: no host finds a session any more that was put into the store by now.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::Setup;
use super::form::{Form, puts};
use super::news::latest_generation;
use super::times::{GENERATION_LIFE, after};
use crate::agent::config::Config;
use crate::agent::keyring::Keyring;
use crate::agent::state::now;
use crate::agent::store::{Traffic, Where};
use crate::failure::Failure;

/// Flushes the namespace of this name, or all of the settings.
pub fn flush(path: &Path, namespace: Option<&str>) -> Result<ExitCode, Failure> {
    let config = Config::read(path)?;
    let keyring = Arc::new(Keyring::read(&config.ring)?);
    let setup = Setup::of(&config, keyring)?;
    let named = config.namespaces();
    let root = config.namespace_of(0).unwrap_or_default();
    let chosen = match namespace {
        Some(name) if named.is_empty() || named.contains(&name) => vec![name],
        Some(name) => {
            let reason = format!("there is no namespace {}", name.escape_debug());
            return Err(Failure::new(
                super::super::secret::shown(path),
                reason,
                format!("there are: {}", named.join(", ")),
            ));
        }
        None if named.is_empty() => vec![&*root],
        None => named,
    };
    setup.with_store(async || {
        for name in chosen {
            let form = Form {
                keyring: &setup.keyring,
                namespace: name,
            };
            let generation = next(&form, &setup.traffic).await?;
            println!(
                "namespace {name}: generation {generation}; within a second no host finds an earlier session"
            );
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Puts a generation after the one that stands in the store.
async fn next(form: &Form<'_>, traffic: &Traffic) -> Result<u64, Failure> {
    let names = form.generation_names();
    let values = traffic.get_all(&names).await?;
    let second = i64::try_from(now()).unwrap_or(i64::MAX);
    let last = latest_generation(form, &names, &values, second).unwrap_or(0);
    let generation = after(last);
    let unsealed = || Failure::new("sealing", "the kernel gives no random bytes", "try again");
    let expiry = second.saturating_add(GENERATION_LIFE.as_secs() as i64);
    let sealed = form.generation(generation, expiry).ok_or_else(unsealed)?;
    let said = traffic
        .put_all(&puts(sealed, GENERATION_LIFE), Where::Anything)
        .await?;
    said.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(generation)
}
