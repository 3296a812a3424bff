//! The store on a real Redis and a real Valkey.

use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::agent::store::{Cause, Said, Store};
use crate::engines::{Engine, HOUR, USER, config, fine, keeps_the_first, run, store, wait_until};
use crate::keyring::Folder;
use crate::{Case, Outcome, ensure};

const NEEDS: &[&str] = &["redis-server"];
const VALKEY: &[&str] = &["valkey-server"];

pub const CASES: &[Case] = &[
    ("redis / the first value stands", NEEDS, || {
        first_stands("redis-server")
    }),
    ("redis / a value ends when it is told to", NEEDS, || {
        values_end("redis-server")
    }),
    (
        "redis / the user that docs/FLEET.md makes is enough",
        NEEDS,
        || documented_user("redis-server"),
    ),
    (
        "redis / a password, and a user that may little",
        NEEDS,
        || passwords("redis-server"),
    ),
    ("redis / who is not let in is told why", NEEDS, || {
        denied("redis-server")
    }),
    ("redis / a replica and a full server say so", NEEDS, || {
        unable("redis-server")
    }),
    ("redis / a socket, and a database of its own", NEEDS, || {
        places("redis-server")
    }),
    (
        "redis / it is dead at the start and comes later",
        NEEDS,
        || comes_later("redis-server"),
    ),
    ("redis / a restart is not noticed", NEEDS, || {
        restarts("redis-server")
    }),
    (
        "redis / one that hangs is late, and blocks nothing",
        NEEDS,
        || hangs("redis-server"),
    ),
    ("valkey / the first value stands", VALKEY, || {
        first_stands("valkey-server")
    }),
    ("valkey / a value ends when it is told to", VALKEY, || {
        values_end("valkey-server")
    }),
    (
        "valkey / a password, and a user that may little",
        VALKEY,
        || passwords("valkey-server"),
    ),
    ("valkey / who is not let in is told why", VALKEY, || {
        denied("valkey-server")
    }),
];

fn url(engine: &Engine) -> String {
    format!("redis://127.0.0.1:{}", engine.port)
}

/// Fails unless it is trouble of this cause that is shown with all of these words.
pub fn trouble<T>(said: Said<T>, cause: Cause, words: &[&str]) -> Outcome {
    let Err(trouble) = said else {
        return Err(format!("no trouble that says {words:?}").into());
    };
    let shown = trouble.to_string();
    let is_right = trouble.cause == cause && words.iter().all(|word| shown.contains(word));
    ensure!(
        is_right,
        "{:?}: {shown}: not {cause:?} with {words:?}",
        trouble.cause
    );
    ensure!(!shown.contains("hunter2"), "the password is shown: {shown}");
    Ok(())
}

fn first_stands(program: &str) -> Outcome {
    let engine = Engine::redis(program, &[])?;
    run(keeps_the_first(&config(&url(&engine))))?
}

fn values_end(program: &str) -> Outcome {
    let engine = Engine::redis(program, &[])?;
    run(async {
        let store = store(&config(&url(&engine)))?;
        fine(store.put_if_absent("sslc:1:k:a", b"a", HOUR).await)?;
        let left: u64 = engine.say(&["PTTL", "sslc:1:k:a"])?.parse()?;
        ensure!(
            (3_000_000..=3_600_000).contains(&left),
            "{left} ms are left of an hour"
        );
        fine(
            store
                .put_if_absent("sslc:1:k:b", b"old", Duration::from_millis(20))
                .await,
        )?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while fine(store.put_if_absent("sslc:1:k:b", b"new", HOUR).await)? != b"new" {
            ensure!(Instant::now() < deadline, "it does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    })?
}

/// A file with the password, and one with another.
fn secrets(folder: &Folder) -> Result<(PathBuf, PathBuf), Box<dyn Error>> {
    Ok((
        folder.file("right", b"hunter2\n")?,
        folder.file("wrong", b"hunter2 \n no")?,
    ))
}

/// A server with that user, and with a password for the default one.
fn with_users(program: &str) -> Result<Engine, Box<dyn Error>> {
    Engine::redis(
        program,
        &[&["--requirepass", "hunter2"], &USER[..]].concat(),
    )
}

fn passwords(program: &str) -> Outcome {
    let engine = with_users(program)?;
    let (right, _) = secrets(&engine.folder)?;
    run(async {
        for user in [None, Some("shop".to_string())] {
            let mut config = config(&url(&engine));
            config.password_file = Some(right.clone());
            config.user = user.clone();
            if user.is_some() {
                fine(
                    Store::new(&config)
                        .map_err(|error| error.to_string())?
                        .get("sslc:1:k:a")
                        .await,
                )?;
                // As the store was found before by the default user.
                continue;
            }
            keeps_the_first(&config).await?;
        }
        let log = {
            let mut config = config(&url(&engine));
            config.password_file = Some(right.clone());
            config.user = Some("shop".into());
            let store = store(&config)?;
            fine(store.put_if_absent("sslc:1:k:b", b"a", HOUR).await)?;
            engine.say_as("hunter2", &["ACL", "LOG"])?
        };
        ensure!(log.is_empty(), "the access list refused {log}");
        Ok(())
    })?
}

fn documented_user(program: &str) -> Outcome {
    let engine = Engine::redis(program, &[])?;
    let document = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/FLEET.md");
    let text = std::fs::read_to_string(document)?.replace("PASSWORD", "hunter2");
    let mut lines = text.lines();
    let rule = lines.find(|line| line.starts_with("ACL SETUSER"));
    let words: Vec<_> = rule.ok_or("no ACL SETUSER in it")?.split(' ').collect();
    let said = engine.say(&words)?;
    ensure!(said == "OK", "{words:?}: {said}");
    run(async {
        let mut config = config(&url(&engine));
        config.user = Some(words[2].into());
        config.password_file = Some(engine.folder.file("password", b"hunter2")?);
        keeps_the_first(&config).await
    })?
}

fn denied(program: &str) -> Outcome {
    let engine = with_users(program)?;
    let (right, wrong) = secrets(&engine.folder)?;
    let open = Engine::redis(program, &[])?;
    let at = |engine: &Engine,
              user: Option<&str>,
              password: Option<&PathBuf>|
     -> Result<Store, Box<dyn Error>> {
        let mut config = config(&url(engine));
        config.user = user.map(String::from);
        config.password_file = password.cloned();
        store(&config)
    };
    run(async {
        let place = format!("redis://127.0.0.1:{}: ", engine.port);
        let store = at(&engine, Some("shop"), Some(&wrong))?;
        trouble(
            store.get("sslc:1:k:a").await,
            Cause::Denied,
            &[
                &place,
                "Password authentication failed",
                "set `user` and `password_file`",
            ],
        )?;
        let store = at(&engine, None, None)?;
        trouble(
            store.get("sslc:1:k:a").await,
            Cause::Denied,
            &[&place, "NOAUTH", "set `password_file`"],
        )?;
        let store = at(&open, None, Some(&right))?;
        trouble(
            store.get("sslc:1:k:a").await,
            Cause::Denied,
            &["Password authentication failed: ", "or remove them"],
        )?;
        let store = at(&engine, Some("shop"), Some(&right))?;
        let rule = "ACL SETUSER shop ~sslc:* +get +set +incr";
        trouble(
            store.get("other").await,
            Cause::Denied,
            &[&place, "NOPERM", rule],
        )?;
        engine.say_as("hunter2", &["ACL", "SETUSER", "shop", "-set"])?;
        let store = at(&engine, Some("shop"), Some(&right))?;
        fine(store.get("sslc:1:k:a").await)?;
        trouble(
            store.put_if_absent("sslc:1:k:a", b"a", HOUR).await,
            Cause::Denied,
            &[&place, "NOPERM", rule],
        )
    })?
}

fn unable(program: &str) -> Outcome {
    let master = Engine::redis(program, &[])?;
    let port = master.port.to_string();
    let replica = Engine::redis(program, &["--replicaof", "127.0.0.1", &port])?;
    wait_until("the replica is linked", || {
        let said = replica.say(&["INFO", "replication"]).unwrap_or_default();
        said.contains("master_link_status:up")
    })?;
    run(async {
        let store = store(&config(&url(&replica)))?;
        fine(store.get("sslc:1:k:a").await)?;
        let said = store.put_if_absent("sslc:1:k:a", b"a", HOUR).await;
        trouble(said, Cause::Unable, &["READONLY", "redis+sentinel://"])?;
        let store = crate::engines::store(&config(&url(&replica)))?;
        trouble(store.try_to_write().await, Cause::Unable, &["READONLY"])?;
        let store = crate::engines::store(&config(&url(&master)))?;
        fine(store.try_to_write().await)?;
        fine(store.try_to_write().await)?;
        let left: i64 = master.say(&["PTTL", "sslc:1:try"])?.parse()?;
        ensure!(
            left != -1 && left <= 1000,
            "what is tried stays for {left} ms"
        );
        master.say(&["CONFIG", "SET", "maxmemory", "1"])?;
        let store = crate::engines::store(&config(&url(&master)))?;
        let said = store.put_if_absent("sslc:1:k:a", b"a", HOUR).await;
        trouble(said, Cause::Unable, &["OOM", "maxmemory-policy"])
    })?
}

fn places(program: &str) -> Outcome {
    let folder = Folder::new()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let socket = folder.path().join("redis.sock").display().to_string();
    let engine = Engine::redis(program, &["--unixsocket", &socket])?;
    run(async {
        keeps_the_first(&config(&format!("unix://{socket}"))).await?;
        let seventh = store(&config(&format!("{}/7", url(&engine))))?;
        let found = fine(seventh.get("sslc:1:k:first").await)?;
        ensure!(found.is_none(), "the databases are one");
        let many = store(&config(&format!("{}/99", url(&engine))))?;
        trouble(
            many.get("sslc:1:k:a").await,
            Cause::Unreachable,
            &["redis://127.0.0.1", "/99: "],
        )
    })?
}

fn comes_later(program: &str) -> Outcome {
    let mut engine = Engine::redis(program, &[])?;
    engine.end()?;
    run(async {
        let store = store(&config(&url(&engine)))?;
        ensure!(
            store.rest().await.is_none(),
            "it is left alone before it was asked"
        );
        let refused = ["Connection refused", "start the store"];
        trouble(store.get("sslc:1:k:a").await, Cause::Unreachable, &refused)?;
        engine.again()?;
        let rest = store.rest().await.ok_or("it is not left alone")?;
        ensure!(
            rest <= Duration::from_secs(1),
            "it is left alone for {rest:?}"
        );
        let words = [
            "Connection refused",
            "(the next attempt is in 1 s): start the store",
        ];
        trouble(store.get("sslc:1:k:a").await, Cause::Unreachable, &words)?;
        tokio::time::sleep(rest).await;
        fine(store.get("sslc:1:k:a").await)?;
        ensure!(
            store.rest().await.is_none(),
            "it is left alone after an answer"
        );
        Ok(())
    })?
}

fn restarts(program: &str) -> Outcome {
    let mut engine = Engine::redis(program, &[])?;
    run(async {
        let store = store(&config(&url(&engine)))?;
        for _ in 0..3 {
            let stands = fine(store.put_if_absent("sslc:1:k:a", b"a", HOUR).await)?;
            ensure!(stands == b"a", "{stands:?}");
            engine.end()?;
            engine.again()?;
        }
        engine.say(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])?;
        fine(store.get("sslc:1:k:a").await)?;
        Ok(())
    })?
}

fn hangs(program: &str) -> Outcome {
    let engine = Engine::redis(program, &[])?;
    run(hangs_and_recovers(&engine, &url(&engine), |cause| {
        cause == Cause::Late
    }))?
}

/// The server is stopped before the first question, and in between; the thread of the agent goes on meanwhile.
pub async fn hangs_and_recovers(
    engine: &Engine,
    url: &str,
    is_expected: fn(Cause) -> bool,
) -> Outcome {
    let mut config = config(url);
    config.timeout = Duration::from_millis(300);
    config.connect_timeout = Duration::from_millis(300);
    let ticks = Arc::new(AtomicU32::new(0));
    let counted = ticks.clone();
    let ticking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let connected = store(&config)?;
    fine(connected.get("sslc:1:k:a").await)?;
    for store in [connected, store(&config)?] {
        engine.stop()?;
        let (before, start) = (ticks.load(Ordering::Relaxed), Instant::now());
        let said = store.get("sslc:1:k:a").await;
        let (after, took) = (ticks.load(Ordering::Relaxed), start.elapsed());
        engine.go_on();
        let trouble = said.err().ok_or("a stopped server answers")?;
        ensure!(is_expected(trouble.cause), "{trouble}");
        ensure!(trouble.to_string().contains("within 300ms"), "{trouble}");
        ensure!(took < Duration::from_secs(3), "it took {took:?}");
        ensure!(
            after > before + 5,
            "the thread had {} ticks meanwhile",
            after - before
        );
        tokio::time::sleep(store.rest().await.unwrap_or_default()).await;
        fine(store.get("sslc:1:k:a").await)?;
    }
    ticking.abort();
    Ok(())
}
