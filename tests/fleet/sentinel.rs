//! The store behind a sentinel.

use std::error::Error;
use std::time::{Duration, Instant};

use crate::agent::store::Cause;
use crate::engines::{Engine, HOUR, USER, config, fine, keeps_the_first, run, store, wait_until};
use crate::keyring::Folder;
use crate::redis::trouble;
use crate::tls::{self, issue, tls_arguments, with_tls};
use crate::{Case, Outcome, ensure};

const NEEDS: &[&str] = &["redis-server", "redis-sentinel"];

pub const CASES: &[Case] = &[
    (
        "sentinel / the master is found, by a user that may little",
        NEEDS,
        finds_master,
    ),
    (
        "sentinel / after a failover, the new master is found",
        NEEDS,
        failover,
    ),
    (
        "sentinel / what is wrong with the address is told",
        NEEDS,
        wrong_addresses,
    ),
    (
        "sentinel / over TLS, to it and to the master",
        &["redis-server", "redis-sentinel", "openssl"],
        over_tls,
    ),
];

/// A master, its replica, and a sentinel that knows both.
pub fn group(lines: &str) -> Result<(Engine, Engine, Engine), Box<dyn Error>> {
    let user = [&USER[..], &["+role"]].concat();
    let master = Engine::redis("redis-server", &user)?;
    let port = master.port.to_string();
    let replica = Engine::redis(
        "redis-server",
        &[&user[..], &["--replicaof", "127.0.0.1", &port]].concat(),
    )?;
    wait_until("the replica is linked", || {
        let said = replica.say(&["INFO", "replication"]).unwrap_or_default();
        said.contains("master_link_status:up")
    })?;
    let watched = format!(
        "sentinel monitor shop 127.0.0.1 {port} 1\nsentinel down-after-milliseconds shop 500\n\
         sentinel failover-timeout shop 3000\n{lines}"
    );
    let sentinel = Engine::sentinel(&watched)?;
    if lines.is_empty() {
        wait_until("the sentinel knows the replica", || {
            let said = sentinel
                .say(&["SENTINEL", "REPLICAS", "shop"])
                .unwrap_or_default();
            said.contains(&replica.port.to_string()) && said.contains("master-link-status ok")
        })?;
    }
    Ok((master, replica, sentinel))
}

pub fn url(sentinel: &Engine) -> String {
    format!("redis+sentinel://127.0.0.1:{}/shop", sentinel.port)
}

fn finds_master() -> Outcome {
    let (master, _replica, sentinel) = group("requirepass watchword\n")?;
    run(async {
        let mut config = config(&url(&sentinel));
        config.user = Some("shop".into());
        config.password_file = Some(master.folder.file("password", b"hunter2")?);
        trouble(
            store(&config)?.get("sslc:1:k:a").await,
            Cause::Denied,
            &["NOAUTH"],
        )?;
        config.sentinel_password_file = Some(master.folder.file("watchword", b"watchword")?);
        keeps_the_first(&config).await?;
        let count = master.say(&["DBSIZE"])?;
        ensure!(count == "2", "the master has {count} of the two values");
        master.say(&["ACL", "SETUSER", "shop", "-role"])?;
        let rule = "ACL SETUSER shop ~sslc:* +get +set +incr +role";
        trouble(
            store(&config)?.get("sslc:1:k:a").await,
            Cause::Denied,
            &[rule],
        )
    })?
}

fn failover() -> Outcome {
    let (mut master, replica, sentinel) = group("")?;
    run(async {
        // The first of the sentinels is dead.
        let mut config = config(&format!(
            "redis+sentinel://127.0.0.1:{}/shop",
            crate::engines::free_port()?
        ));
        config.urls.push(url(&sentinel));
        let store = store(&config)?;
        fine(store.put_if_absent("sslc:1:k:a", b"a", HOUR).await)?;
        wait_until("the replica has it", || {
            replica.say(&["DBSIZE"]).is_ok_and(|count| count == "1")
        })?;
        master.end()?;
        let start = Instant::now();
        loop {
            match store.put_if_absent("sslc:1:k:b", b"b", HOUR).await {
                Ok(_) => break,
                Err(trouble) => ensure!(start.elapsed() < Duration::from_secs(40), "{trouble}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let stands = fine(store.put_if_absent("sslc:1:k:a", b"other", HOUR).await)?;
        ensure!(stands == b"a", "{stands:?} stands there");
        let count = replica.say(&["DBSIZE"])?;
        ensure!(count == "2", "the new master has {count} of two values");
        Ok(())
    })?
}

fn over_tls() -> Outcome {
    let folder = Folder::new()?;
    issue(&folder, "IP:127.0.0.1")?;
    let (_master, master_port) = with_tls("redis-server", &folder, &[])?;
    let port = crate::engines::free_port()?;
    let mut lines =
        format!("sentinel monitor shop 127.0.0.1 {master_port} 1\ntls-replication yes\n");
    for setting in tls_arguments(&folder, port).chunks(2) {
        lines += &format!("{} {}\n", setting[0].trim_start_matches('-'), setting[1]);
    }
    let _sentinel = Engine::sentinel(&lines)?;
    run(tls::needs_the_authority(
        &folder,
        &format!("rediss+sentinel://127.0.0.1:{port}/shop"),
    ))?
}

fn wrong_addresses() -> Outcome {
    let (master, _replica, sentinel) = group("")?;
    run(async {
        let at = |place: String| store(&config(&place));
        let other = at(format!(
            "redis+sentinel://127.0.0.1:{}/other",
            sentinel.port
        ))?;
        trouble(
            other.get("sslc:1:k:a").await,
            Cause::Odd,
            &["Master with given name not found", "sentinel monitor NAME"],
        )?;
        let server = at(format!("redis+sentinel://127.0.0.1:{}/shop", master.port))?;
        trouble(
            server.get("sslc:1:k:a").await,
            Cause::Odd,
            &["name the sentinels, not the servers"],
        )
    })?
}
