//! `sslcache agent --check`: whether the agent could work with these settings.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::Config;
use super::keyring::{Keyring, MasterKey};
use super::schedule::epoch_of;
use super::secret::shown;
use super::sessions::Setup;
use super::space::{Asked, There};
use super::state::now;
use super::store::Store;
use crate::failure::Failure;
use crate::hexadecimal::hexadecimal;

/// Reads what the agent would read, asks the store for the keys of the present epoch, and says what it has found. 1 if there is
/// something to see to.
pub fn check(path: &Path) -> Result<ExitCode, Failure> {
    let config = Config::read(path)?;
    println!("settings  {}", shown(path));
    let keyring = Arc::new(Keyring::read(&config.ring)?);
    let id = |key: &MasterKey| hexadecimal(&key.id());
    let ids: Vec<_> = keyring.all().iter().map(id).collect();
    println!(
        "keyring   {}: {} seals, {} in all",
        shown(&config.ring),
        ids[0],
        ids.join(" ")
    );
    let store = Store::new(&config.store)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime =
        runtime.map_err(|error| Failure::new("this process", error, "raise its limits"))?;
    let mut is_fine = true;
    let named = config.namespaces();
    // Without any, the store is asked as it would be for root's servers.
    let root = config.namespace_of(0).unwrap_or_default();
    let asked_for = if named.is_empty() {
        vec![&*root]
    } else {
        named.clone()
    };
    let began = Instant::now();
    let mut lines = Vec::new();
    for namespace in asked_for {
        let asked = Asked {
            store: &store,
            keyring: &keyring,
            namespace,
            answered: &|_: Duration| {},
        };
        let there = runtime.block_on(asked.look(epoch_of(now()), now()))?;
        is_fine &= there.unopened.is_empty();
        lines.push(format!("namespace {namespace}: {}", said(&there)));
    }
    println!(
        "store     {}: answers, {} ms",
        store.shown(),
        began.elapsed().as_millis()
    );
    runtime.block_on(store.try_to_write())?;
    is_fine &= Setup::of(&config, keyring)?.check()?;
    lines.iter().for_each(|line| println!("{line}"));
    if named.is_empty() {
        println!(
            "          each user has a namespace, as the settings name none; most servers are root's when they start"
        );
    }
    Ok(ExitCode::from(u8::from(!is_fine)))
}

fn said(there: &There) -> String {
    match (there.keys.len(), there.unopened.first()) {
        (_, Some(reason)) => {
            format!("what stands in the store {reason}: give all hosts the same keyring")
        }
        (0, None) => "no key of the present hour yet, the agent makes it".into(),
        _ => "the key of the present hour is there, and opens".into(),
    }
}
