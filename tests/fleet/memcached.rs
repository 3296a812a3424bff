//! The store on a real memcached.

use std::time::{Duration, Instant};

use crate::agent::store::Cause;
use crate::engines::{Engine, HOUR, config, fine, keeps_the_first, run, store};
use crate::{Case, Outcome, ensure};

const NEEDS: &[&str] = &["memcached"];

pub const CASES: &[Case] = &[
    ("memcached / the first value stands", NEEDS, first_stands),
    (
        "memcached / a value ends, also one of more than 30 days does not at once",
        NEEDS,
        values_end,
    ),
    (
        "memcached / it is found again after a restart",
        NEEDS,
        restarts,
    ),
    (
        "memcached / one that hangs is late, and blocks nothing",
        NEEDS,
        hangs,
    ),
];

fn url(engine: &Engine) -> String {
    format!("memcached://127.0.0.1:{}", engine.port)
}

fn first_stands() -> Outcome {
    let engine = Engine::memcached()?;
    run(keeps_the_first(&config(&url(&engine))))?
}

fn values_end() -> Outcome {
    let engine = Engine::memcached()?;
    run(async {
        let store = store(&config(&url(&engine)))?;
        fine(
            store
                .put_if_absent("sslc:1:k:long", b"a", HOUR * 24 * 31)
                .await,
        )?;
        fine(
            store
                .put_if_absent("sslc:1:k:short", b"a", Duration::from_secs(1))
                .await,
        )?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while fine(store.get("sslc:1:k:short").await)?.is_some() {
            ensure!(Instant::now() < deadline, "it is still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        ensure!(
            fine(store.get("sslc:1:k:long").await)?.is_some(),
            "a month is over at once"
        );
        Ok(())
    })?
}

fn restarts() -> Outcome {
    let mut engine = Engine::memcached()?;
    run(async {
        let store = store(&config(&url(&engine)))?;
        fine(store.put_if_absent("sslc:1:k:a", b"a", HOUR).await)?;
        engine.end()?;
        engine.again()?;
        let found = fine(store.get("sslc:1:k:a").await)?;
        ensure!(found.is_none(), "found {found:?} in a new process");
        Ok(())
    })?
}

fn hangs() -> Outcome {
    let engine = Engine::memcached()?;
    run(crate::redis::hangs_and_recovers(
        &engine,
        &url(&engine),
        |cause| cause == Cause::Late,
    ))?
}
