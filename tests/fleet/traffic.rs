//! The store as it is asked for sessions, on real engines.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, spawn};
use tokio::time::{sleep, timeout};

use crate::agent::store::{Cause, Put, StoreConfig, Traffic, Where};
use crate::engines::{Engine, HOUR, config, fine, run};
use crate::redis::trouble;
use crate::{Case, Outcome, ensure};

const REDIS: &[&str] = &["redis-server"];
const MEMCACHED: &[&str] = &["memcached"];
const CLUSTER: &[&str] = &["redis-server"];

pub const CASES: &[Case] = &[
    ("traffic / redis: what is put is found", REDIS, || {
        on_redis(puts_and_gets)
    }),
    (
        "traffic / memcached: what is put is found",
        MEMCACHED,
        || on_memcached(puts_and_gets),
    ),
    ("traffic / cluster: what is put is found", CLUSTER, || {
        on_cluster(puts_and_gets)
    }),
    ("traffic / redis: one of many takes it", REDIS, || {
        on_redis(takes_once)
    }),
    (
        "traffic / memcached: one of many takes it",
        MEMCACHED,
        || on_memcached(takes_once),
    ),
    (
        "traffic / redis: nothing is taken after a restart",
        REDIS,
        restarted,
    ),
    (
        "traffic / redis: nothing is taken that no replica has",
        REDIS,
        replicas,
    ),
    (
        "traffic / redis: one that hangs is late, and found again",
        REDIS,
        || {
            let engine = Engine::redis("redis-server", &[])?;
            let url = format!("redis://127.0.0.1:{}", engine.port);
            hangs(&engine, &url)
        },
    ),
    (
        "traffic / memcached: one that hangs is late, and found again",
        MEMCACHED,
        || {
            let engine = Engine::memcached()?;
            let url = format!("memcached://127.0.0.1:{}", engine.port);
            hangs(&engine, &url)
        },
    ),
];

type Test = fn(&StoreConfig) -> Outcome;

fn on_redis(test: Test) -> Outcome {
    let engine = Engine::redis("redis-server", &[])?;
    test(&config(&format!("redis://127.0.0.1:{}", engine.port)))
}

fn on_memcached(test: Test) -> Outcome {
    let engine = Engine::memcached()?;
    test(&config(&format!("memcached://127.0.0.1:{}", engine.port)))
}

fn on_cluster(test: Test) -> Outcome {
    let nodes = crate::cluster::cluster(&[])?;
    test(&config(&crate::cluster::url(&nodes)))
}

/// The store with connections.
pub async fn connected(
    config: &StoreConfig,
    takes: Option<u32>,
) -> Result<Arc<Traffic>, Box<dyn std::error::Error>> {
    let traffic = Traffic::new(config, takes).map_err(|failure| failure.to_string())?;
    let traffic = Arc::new(traffic);
    let kept = traffic.clone();
    spawn(async move { kept.keep_connected().await });
    again(&traffic).await?;
    Ok(traffic)
}

pub async fn again(traffic: &Traffic) -> Outcome {
    let end = Instant::now() + Duration::from_secs(20);
    while let Err(trouble) = traffic.is_connected() {
        ensure!(Instant::now() < end, "no connection: {trouble}");
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("sslc:1:s:{number}")
}

fn puts(value: &str) -> Vec<Put> {
    let put = |number| Put {
        name: name(number),
        value: format!("{value} {number}").into_bytes(),
        ttl: HOUR,
    };
    (0..300).map(put).collect()
}

fn puts_and_gets(config: &StoreConfig) -> Outcome {
    run(async {
        let traffic = connected(config, None).await?;
        let mut names: Vec<_> = (0..300).map(name).collect();
        names.push("sslc:1:s:none".into());
        let found = fine(traffic.get_all(&names).await)?;
        ensure!(found.iter().all(Option::is_none), "something is there");
        for (value, is_put) in [("first", true), ("second", false)] {
            for said in fine(traffic.put_all(&puts(value), Where::NothingIs).await)? {
                ensure!(fine(said)? == is_put, "{value}");
            }
        }
        let removed = Put {
            name: name(7),
            value: b"removed".to_vec(),
            ttl: HOUR,
        };
        let set = fine(traffic.put_all(&[removed], Where::Anything).await)?;
        ensure!(set.len() == 1 && set[0] == Ok(true), "{set:?}");
        let found = fine(traffic.get_all(&names).await)?;
        for (number, value) in found.iter().enumerate() {
            let expected = match number {
                300 => None,
                7 => Some(b"removed".to_vec()),
                _ => Some(format!("first {number}").into_bytes()),
            };
            ensure!(*value == expected, "{number}: {value:?}");
        }
        let counter = "sslc:1:c:a";
        ensure!(fine(traffic.count(counter, 100).await)? == 101, "first");
        let mut counting = JoinSet::new();
        for _ in 0..100 {
            let traffic = traffic.clone();
            counting.spawn(async move { traffic.count(counter, 5).await });
        }
        let mut numbers = Vec::new();
        for number in counting.join_all().await {
            numbers.push(fine(number)?);
        }
        numbers.sort_unstable();
        ensure!(numbers.into_iter().eq(102..202), "a number is twice there");
        let text = fine(traffic.get_all(&[counter.to_owned()]).await)?;
        ensure!(text == [Some(b"201".to_vec())], "{text:?}");
        Ok(())
    })?
}

fn takes_once(config: &StoreConfig) -> Outcome {
    run(async {
        let hosts = [
            connected(config, Some(0)).await?,
            connected(config, Some(0)).await?,
        ];
        fine(hosts[0].try_all().await)?;
        fine(hosts[0].put_all(&puts("value"), Where::NothingIs).await)?;
        let mut taking = JoinSet::new();
        for number in 0..300 {
            for host in hosts.iter().cycle().take(4) {
                let (host, name) = (host.clone(), name(number));
                taking.spawn(async move { (number, host.take(&name, b"taken", HOUR).await) });
            }
        }
        let mut values = 0;
        let mut taken = vec![false; 300];
        for (number, value) in taking.join_all().await {
            match fine(value)? {
                Some(value) if value == b"taken" => {}
                None => {}
                Some(value) => {
                    ensure!(value == format!("value {number}").as_bytes(), "{value:?}");
                    ensure!(!taken[number], "{number} was taken twice");
                    taken[number] = true;
                    values += 1;
                }
            }
        }
        ensure!(values == 300, "{values} of 300 were taken");
        // A put that comes late brings nothing back, and what was never there leaves nothing.
        for said in fine(hosts[1].put_all(&puts("late"), Where::NothingIs).await)? {
            ensure!(!fine(said)?, "put after it was taken");
        }
        let none = fine(hosts[0].take("sslc:1:s:none", b"taken", HOUR).await)?;
        let names = ["sslc:1:s:none".to_owned()];
        let found = fine(hosts[0].get_all(&names).await)?;
        ensure!(
            none.is_none() && found == [None],
            "{none:?}, then {found:?}"
        );
        Ok(())
    })?
}

fn restarted() -> Outcome {
    let mut engine = Engine::redis("redis-server", &[])?;
    let config = config(&format!("redis://127.0.0.1:{}", engine.port));
    run(async {
        let traffic = connected(&config, Some(0)).await?;
        fine(traffic.put_all(&puts("value"), Where::NothingIs).await)?;
        ensure!(
            fine(traffic.take(&name(1), b"taken", HOUR).await)?.is_some(),
            "not taken"
        );
        let before = traffic.connection();
        engine.end()?;
        engine.again()?;
        // The broken connection is noticed by whoever asks next.
        let notices = async {
            let _ = traffic.take(&name(2), b"taken", HOUR).await;
            let _ = traffic.get_all(&[name(2)]).await;
        };
        let both = async { tokio::join!(traffic.connects(), notices) };
        ensure!(
            timeout(Duration::from_secs(10), both).await.is_ok(),
            "no new connection"
        );
        again(&traffic).await?;
        // What the store was told over the earlier one is no more certain.
        ensure!(traffic.connection() > before, "the same connection");
        fine(traffic.put_all(&puts("value"), Where::NothingIs).await)?;
        let said = traffic.take(&name(2), b"taken", HOUR).await;
        trouble(said, Cause::Unable, &["nothing is taken for 12 s"])?;
        // It is spent nevertheless.
        let found = fine(traffic.get_all(&[name(2)]).await)?;
        ensure!(found == [Some(b"taken".to_vec())], "{found:?}");
        Ok(())
    })?
}

fn replicas() -> Outcome {
    let master = Engine::redis("redis-server", &[])?;
    let mut config = config(&format!("redis://127.0.0.1:{}", master.port));
    config.timeout = Duration::from_secs(4);
    run(async {
        let traffic = connected(&config, Some(1)).await?;
        fine(traffic.put_all(&puts("value"), Where::NothingIs).await)?;
        let said = traffic.take(&name(1), b"taken", HOUR).await;
        trouble(said, Cause::Short, &["0 of 1 replicas"])?;
        let port = master.port.to_string();
        let replica = Engine::redis("redis-server", &["--replicaof", "127.0.0.1", &port])?;
        crate::engines::wait_until("the replica is linked", || {
            let said = replica.say(&["INFO", "replication"]).unwrap_or_default();
            said.contains("master_link_status:up")
        })?;
        let taken = fine(traffic.take(&name(2), b"taken", HOUR).await)?;
        ensure!(taken == Some(b"value 2".to_vec()), "{taken:?}");
        let taken = fine(traffic.take(&name(1), b"taken", HOUR).await)?;
        ensure!(taken == Some(b"taken".to_vec()), "{taken:?}");
        Ok(())
    })?
}

fn hangs(engine: &Engine, url: &str) -> Outcome {
    let mut config = config(url);
    config.timeout = Duration::from_millis(300);
    run(async {
        let traffic = connected(&config, None).await?;
        fine(traffic.put_all(&puts("value"), Where::NothingIs).await)?;
        engine.stop()?;
        let start = Instant::now();
        let mut asking = JoinSet::new();
        for number in 0..100 {
            let traffic = traffic.clone();
            asking.spawn(async move { traffic.get_all(&[name(number)]).await });
        }
        for said in asking.join_all().await {
            trouble(said, Cause::Late, &["no answer within 300ms"])?;
        }
        ensure!(start.elapsed() < Duration::from_secs(2), "one by one");
        engine.go_on();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let said = traffic.get_all(&[name(1)]).await;
            if said.as_ref().is_ok_and(|found| found[0].is_some()) {
                return Ok(());
            }
            ensure!(Instant::now() < end, "not found again: {said:?}");
            sleep(Duration::from_millis(20)).await;
        }
    })?
}
