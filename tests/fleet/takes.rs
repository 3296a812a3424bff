//! Sessions that are used once, while the store changes: none is ever taken twice, by however many hosts at once.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::agent::store::{Cause, Put, Said, StoreConfig, Traffic, Where};
use crate::cluster::{SLOTS, arguments, cluster, url};
use crate::engines::{Engine, HOUR, USER, config, fine, run, wait_until};
use crate::redis::trouble;
use crate::traffic::{again, connected};
use crate::{Case, Outcome, ensure, sentinel};

const REDIS: &[&str] = &["redis-server"];

pub const CASES: &[Case] = &[
    (
        "takes / cluster: once at most, while slots move and a master dies",
        REDIS,
        in_a_cluster,
    ),
    (
        "takes / sentinel: none without its replica, none twice after a failover",
        &["redis-server", "redis-sentinel"],
        behind_a_sentinel,
    ),
    (
        "takes / redis: by a user that may little",
        REDIS,
        limited_user,
    ),
];

/// Hosts that take the same things, and what each has got.
struct Race {
    hosts: Vec<Arc<Traffic>>,
    got: BTreeMap<usize, usize>,
    refused: usize,
}

fn name(number: usize) -> String {
    format!("sslc:1:e:{number}")
}

impl Race {
    /// Four hosts, and so many things in the store.
    async fn start(config: &StoreConfig, number: usize) -> Result<Self, Box<dyn Error>> {
        let mut hosts = Vec::new();
        for _ in 0..4 {
            hosts.push(connected(config, Some(1)).await?);
        }
        let puts = (0..number).map(|number| Put {
            name: name(number),
            value: b"value".to_vec(),
            ttl: HOUR,
        });
        for said in fine(
            hosts[0]
                .put_all(&puts.collect::<Vec<_>>(), Where::NothingIs)
                .await,
        )? {
            ensure!(fine(said)?, "it is there already");
        }
        Ok(Self {
            hosts,
            got: BTreeMap::new(),
            refused: 0,
        })
    }

    /// All hosts take this at once.
    async fn take(&mut self, number: usize) -> Outcome {
        let mut taking = JoinSet::new();
        for host in self.hosts.clone() {
            taking.spawn(async move { host.take(&name(number), b"taken", HOUR).await });
        }
        for said in taking.join_all().await {
            self.note(number, said)?;
        }
        Ok(())
    }

    fn note(&mut self, number: usize, said: Said<Option<Vec<u8>>>) -> Outcome {
        match said {
            Ok(Some(value)) if value == b"value" => {
                let times = self.got.entry(number).or_default();
                *times += 1;
                ensure!(*times == 1, "{number} was taken {times} times");
            }
            Ok(_) => {}
            Err(_) => self.refused += 1,
        }
        Ok(())
    }

    /// Waits until something can be taken, of those from this number on. Returns the next number.
    async fn wait(&mut self, mut number: usize) -> Result<usize, Box<dyn Error>> {
        let end = Instant::now() + Duration::from_secs(60);
        while !self.got.contains_key(&number) {
            ensure!(
                Instant::now() < end,
                "nothing can be taken: {}",
                self.refused
            );
            sleep(Duration::from_millis(200)).await;
            number += 1;
            self.take(number).await?;
        }
        Ok(number + 1)
    }
}

/// A replica for each of the nodes.
fn replicas_of(nodes: &[Engine]) -> Result<Vec<Engine>, Box<dyn Error>> {
    let mut replicas = Vec::new();
    for node in nodes {
        let replica = Engine::redis("redis-server", &arguments())?;
        replica.say(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()])?;
        let id = node.say(&["CLUSTER", "MYID"])?;
        wait_until("a replica", || {
            let said = replica.say(&["CLUSTER", "REPLICATE", &id]);
            said.is_ok_and(|said| said == "OK")
        })?;
        replicas.push(replica);
    }
    for replica in &replicas {
        wait_until("the replicas are linked", || {
            let link = replica.say(&["INFO", "replication"]).unwrap_or_default();
            let known = replica.say(&["CLUSTER", "INFO"]).unwrap_or_default();
            link.contains("master_link_status:up") && known.contains("cluster_known_nodes:6")
        })?;
    }
    Ok(replicas)
}

/// Moves the slot of a name from its first node to the next one, with all that is in it.
fn move_slot(nodes: &[Engine], name: &str) -> Outcome {
    let slot = nodes[0].say(&["CLUSTER", "KEYSLOT", name])?;
    let from = slot.parse::<usize>()? * 3 / SLOTS;
    let (from, to) = (&nodes[from], &nodes[(from + 1) % 3]);
    let [from_id, to_id] = [from, to].map(|node| node.say(&["CLUSTER", "MYID"]));
    let (from_id, to_id) = (from_id?, to_id?);
    to.say(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])?;
    from.say(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])?;
    thread::sleep(Duration::from_millis(50));
    let keys = from.say(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])?;
    for key in keys.split_whitespace() {
        let port = to.port.to_string();
        from.say(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])?;
    }
    for node in [to, from] {
        node.say(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])?;
    }
    Ok(())
}

/// What happens to the cluster meanwhile.
fn change(nodes: &mut [Engine], replicas: &[Engine]) -> Outcome {
    for number in 0..8 {
        move_slot(nodes, &name(10 * number))?;
        thread::sleep(Duration::from_millis(100));
    }
    nodes[0].end()?;
    wait_until("a replica becomes the master", || {
        let said = replicas[0].say(&["ROLE"]).unwrap_or_default();
        said.starts_with("master")
    })
}

fn in_a_cluster() -> Outcome {
    let mut nodes = cluster(&[])?;
    let replicas = replicas_of(&nodes)?;
    let mut config = config(&url(&nodes));
    let more = format!("redis+cluster://127.0.0.1:{}", nodes[1].port);
    config.urls.push(more);
    config.timeout = Duration::from_secs(1);
    const ALL: usize = 300;
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        run(async {
            let mut race = Race::start(&config, ALL).await?;
            let mut number = race.wait(100).await?;
            ensure!(number < 250, "nothing was taken for long");
            let before = race.got.len();
            let changing = scope.spawn(|| {
                let said = change(&mut nodes, &replicas).map_err(|error| error.to_string());
                is_over.store(true, Relaxed);
                said
            });
            let mut at = 0;
            while !is_over.load(Relaxed) {
                race.take(at % 100).await?;
                at += 1;
                sleep(Duration::from_millis(2)).await;
            }
            changing.join().map_err(|_| "the change")??;
            ensure!(race.refused > 0, "nothing was in doubt");
            // What is left, at the store as it is now; and what was taken before, once more.
            let during = race.got.len();
            number = race.wait(number).await?;
            for at in race.got.clone().into_keys().chain(number..number + 20) {
                race.take(at).await?;
            }
            let after = race.got.len();
            ensure!(after > during + 5, "{before}, {during}, {after} were taken");
            Ok(())
        })?
    })
}

fn behind_a_sentinel() -> Outcome {
    let (mut master, replica, sentinel) = sentinel::group("")?;
    let mut config = config(&sentinel::url(&sentinel));
    config.timeout = Duration::from_secs(1);
    run(async {
        let mut race = Race::start(&config, 200).await?;
        let number = race.wait(0).await?;
        let before = race.got.clone();
        // The replica is cut off: nobody gets it.
        replica.stop()?;
        let cut = number;
        for host in race.hosts.clone() {
            let said = host.take(&name(cut), b"taken", HOUR).await;
            trouble(said, Cause::Short, &["0 of 1 replicas"])?;
        }
        replica.go_on();
        wait_until("the replica is linked again", || {
            let said = replica.say(&["INFO", "replication"]).unwrap_or_default();
            said.contains("master_link_status:up")
        })?;
        master.end()?;
        wait_until("the replica becomes the master", || {
            let said = replica.say(&["ROLE"]).unwrap_or_default();
            said.starts_with("master")
        })?;
        let start = Instant::now();
        // It comes back as the replica, by which takes are confirmed.
        master.again()?;
        wait_until("the old master is the replica", || {
            let said = master.say(&["INFO", "replication"]).unwrap_or_default();
            said.contains("master_link_status:up")
        })?;
        race.wait(number).await?;
        let doubt = start.elapsed();
        ensure!(doubt > Duration::from_secs(10), "taken after {doubt:?}");
        for number in 0..=cut {
            race.take(number).await?;
        }
        ensure!(race.got.len() > before.len(), "nothing was taken");
        Ok(())
    })?
}

fn limited_user() -> Outcome {
    let engine = Engine::redis("redis-server", &USER)?;
    let mut config = config(&format!("redis://127.0.0.1:{}", engine.port));
    config.user = Some("shop".into());
    config.password_file = Some(engine.folder.file("password", b"hunter2")?);
    run(async {
        // Sessions need no more than keys do; takes do.
        let traffic = connected(&config, None).await?;
        fine(traffic.try_all().await)?;
        let rule = "ACL SETUSER shop ~sslc:* +get +set +incr +info +wait";
        let without = Traffic::new(&config, Some(0)).map_err(|failure| failure.to_string())?;
        tokio::select! {
            () = without.keep_connected() => {}
            () = sleep(Duration::from_millis(300)) => {}
        }
        trouble(without.is_connected(), Cause::Denied, &["NOPERM", rule])?;
        engine.say(&["ACL", "SETUSER", "shop", "+info"])?;
        let traffic = connected(&config, Some(1)).await?;
        trouble(traffic.try_all().await, Cause::Denied, &["NOPERM"])?;
        engine.say(&["ACL", "SETUSER", "shop", "+wait"])?;
        let traffic = connected(&config, Some(0)).await?;
        fine(traffic.try_all().await)?;
        again(&traffic).await?;
        for command in ["get", "set", "incr"] {
            engine.say(&["ACL", "SETUSER", "shop", &format!("-{command}")])?;
            let traffic = connected(&config, Some(0)).await?;
            let said = match command {
                "get" => traffic.get_all(&[name(0)]).await.map(drop),
                "set" => traffic.take(&name(0), b"taken", HOUR).await.map(drop),
                _ => traffic.count(&name(0), 1).await.map(drop),
            };
            trouble(said, Cause::Denied, &["NOPERM", "ACL SETUSER shop"])?;
            engine.say(&["ACL", "SETUSER", "shop", &format!("+{command}")])?;
        }
        config.password_file = Some(engine.folder.file("wrong", b"hunter3")?);
        let wrong = Traffic::new(&config, Some(0)).map_err(|failure| failure.to_string())?;
        tokio::select! {
            () = wrong.keep_connected() => {}
            () = sleep(Duration::from_millis(300)) => {}
        }
        trouble(wrong.is_connected(), Cause::Denied, &["password"])
    })?
}
