//! The store on a cluster of three masters.

use std::error::Error;

use crate::agent::store::Cause;
use crate::engines::{Engine, HOUR, USER, config, fine, keeps_the_first, run, store, wait_until};
use crate::keyring::Folder;
use crate::redis::trouble;
use crate::tls::{self, issue, with_tls};
use crate::{Case, Outcome, ensure};

const NEEDS: &[&str] = &["redis-server"];

pub const CASES: &[Case] = &[
    (
        "cluster / the first value stands, wherever it is",
        NEEDS,
        spread,
    ),
    ("cluster / a user that may little", NEEDS, limited_user),
    (
        "cluster / a slot that is being moved, and one that was",
        NEEDS,
        moved_slots,
    ),
    (
        "cluster / a node that hangs, and one that is dead",
        NEEDS,
        dead_node,
    ),
    (
        "cluster / one address, and not told that it is a cluster",
        NEEDS,
        not_told,
    ),
    ("cluster / over TLS", &["redis-server", "openssl"], over_tls),
];

pub const SLOTS: usize = 16384;

/// The arguments of each node.
pub fn arguments() -> [&'static str; 6] {
    [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "2000",
        "--cluster-require-full-coverage",
        "no",
    ]
}

/// Three masters that know each other and have a third of the slots each.
pub fn cluster(arguments: &[&str]) -> Result<Vec<Engine>, Box<dyn Error>> {
    let arguments = [&self::arguments()[..], arguments].concat();
    let nodes: Result<Vec<_>, _> = (0..3)
        .map(|_| Engine::redis("redis-server", &arguments))
        .collect();
    let nodes = nodes?;
    for (number, node) in nodes.iter().enumerate() {
        let slots = SLOTS * number / 3..SLOTS * (number + 1) / 3;
        let slots: Vec<_> = slots.map(|slot| slot.to_string()).collect();
        let words: Vec<_> = ["CLUSTER", "ADDSLOTS"]
            .into_iter()
            .chain(slots.iter().map(String::as_str))
            .collect();
        node.say(&words)?;
        // An epoch of its own, so that there is nothing to be agreed on later.
        node.say(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()])?;
    }
    for node in &nodes[1..] {
        nodes[0].say(&["CLUSTER", "MEET", "127.0.0.1", &node.port.to_string()])?;
    }
    wait_until("the nodes agree", || {
        nodes.iter().all(|node| {
            let said = node.say(&["CLUSTER", "INFO"]).unwrap_or_default();
            said.contains("cluster_state:ok")
                && said.contains("cluster_slots_ok:16384")
                && said.contains("cluster_known_nodes:3")
        })
    })?;
    Ok(nodes)
}

pub fn url(nodes: &[Engine]) -> String {
    format!("redis+cluster://127.0.0.1:{}", nodes[0].port)
}

fn names() -> impl Iterator<Item = String> {
    (0..40).map(|number| format!("sslc:1:k:{number}"))
}

fn spread() -> Outcome {
    let nodes = cluster(&[])?;
    run(async {
        let config = config(&url(&nodes));
        keeps_the_first(&config).await?;
        let store = store(&config)?;
        for name in names() {
            let stands = fine(store.put_if_absent(&name, name.as_bytes(), HOUR).await)?;
            ensure!(stands == name.as_bytes(), "{name}: {stands:?}");
            let stands = fine(store.put_if_absent(&name, b"other", HOUR).await)?;
            ensure!(stands == name.as_bytes(), "{name}: {stands:?}");
        }
        for node in &nodes {
            let count: usize = node.say(&["DBSIZE"])?.parse()?;
            ensure!(count > 3, "one of the nodes has {count} of the values");
        }
        Ok(())
    })?
}

fn limited_user() -> Outcome {
    let limited = [&USER[..], &["+cluster|slots", "+ping"]].concat();
    let nodes = cluster(&limited)?;
    run(async {
        let mut config = config(&url(&nodes));
        config.user = Some("shop".into());
        config.password_file = Some(nodes[0].folder.file("password", b"hunter2")?);
        keeps_the_first(&config).await?;
        for node in &nodes {
            node.say(&["ACL", "SETUSER", "shop", "-cluster|slots"])?;
        }
        let rule = "ACL SETUSER shop ~sslc:* +get +set +incr +cluster|slots +ping";
        trouble(
            store(&config)?.get("sslc:1:k:a").await,
            Cause::Denied,
            &["no permission", rule],
        )
    })?
}

fn over_tls() -> Outcome {
    let folder = Folder::new()?;
    issue(&folder, "DNS:localhost")?;
    let alone = ["--cluster-enabled", "yes", "--tls-cluster", "yes"];
    let (node, port) = with_tls("redis-server", &folder, &alone)?;
    node.say(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])?;
    wait_until("all slots are served", || {
        let said = node.say(&["CLUSTER", "INFO"]).unwrap_or_default();
        said.contains("cluster_state:ok")
    })?;
    run(tls::needs_the_authority(
        &folder,
        &format!("rediss+cluster://localhost:{port}"),
    ))?
}

fn moved_slots() -> Outcome {
    let nodes = cluster(&[])?;
    let name = "sslc:1:k:moved";
    let slot = nodes[0].say(&["CLUSTER", "KEYSLOT", name])?;
    let from = slot.parse::<usize>()? * 3 / SLOTS;
    let (from, to) = (&nodes[from], &nodes[(from + 1) % 3]);
    let (from_id, to_id) = (
        from.say(&["CLUSTER", "MYID"])?,
        to.say(&["CLUSTER", "MYID"])?,
    );
    run(async {
        let store = store(&config(&url(&nodes)))?;
        ensure!(
            fine(store.get(name).await)?.is_none(),
            "it is there already"
        );
        // What the old node does not have is asked for at the new one: ASK.
        to.say(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id])?;
        from.say(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id])?;
        let stands = fine(store.put_if_absent(name, b"asked", HOUR).await)?;
        ensure!(stands == b"asked", "{stands:?}");
        let there = |node: &Engine| node.say(&["CLUSTER", "COUNTKEYSINSLOT", &slot]);
        ensure!(
            there(from)? == "0" && there(to)? == "1",
            "{} and {}",
            there(from)?,
            there(to)?
        );
        ensure!(
            fine(store.get(name).await)?.as_deref() == Some(b"asked"),
            "it is not found"
        );
        // And the rest of its life it is there: MOVED.
        for node in [to, from] {
            node.say(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id])?;
        }
        let stands = fine(store.put_if_absent(name, b"other", HOUR).await)?;
        ensure!(stands == b"asked", "{stands:?}");
        Ok(())
    })?
}

fn dead_node() -> Outcome {
    let mut nodes = cluster(&[])?;
    run(async {
        let mut config = config(&url(&nodes));
        config
            .urls
            .push(format!("redis+cluster://127.0.0.1:{}", nodes[1].port));
        config.timeout = std::time::Duration::from_millis(500);
        config.connect_timeout = std::time::Duration::from_secs(2);
        // A name of the second node.
        let mut owned = None;
        for name in names() {
            let slot: usize = nodes[0].say(&["CLUSTER", "KEYSLOT", &name])?.parse()?;
            owned = owned.or((slot * 3 / SLOTS == 1).then_some(name));
        }
        let name = owned.ok_or("no name is in its slots")?;
        nodes[0].stop()?;
        let store = crate::engines::store(&config)?;
        let said = store.put_if_absent(&name, b"a", HOUR).await;
        nodes[0].go_on();
        ensure!(fine(said)? == b"a", "another stands there");
        nodes[0].end()?;
        // The connections of the store may be to the dead one, and it may take a moment until they are not.
        let mut said = store.get(&name).await;
        for _ in 0..20 {
            if said.is_ok() {
                break;
            }
            tokio::time::sleep(store.rest().await.unwrap_or_default()).await;
            said = store.get(&name).await;
        }
        ensure!(fine(said)?.as_deref() == Some(b"a"), "it is lost");
        Ok(())
    })?
}

fn not_told() -> Outcome {
    let nodes = cluster(&[])?;
    let single = Engine::redis("redis-server", &[])?;
    run(async {
        let store = store(&config(&format!("redis://127.0.0.1:{}", nodes[0].port)))?;
        let mut moved = None;
        for name in names() {
            moved = moved.or(store.get(&name).await.err());
        }
        let moved = moved.ok_or("all names are in a third of the slots")?;
        trouble(
            Err::<(), _>(moved),
            Cause::Odd,
            &["MOVED", "use redis+cluster://"],
        )?;
        let store = crate::engines::store(&config(&format!(
            "redis+cluster://127.0.0.1:{}",
            single.port
        )))?;
        trouble(
            store.get("sslc:1:k:a").await,
            Cause::Odd,
            &["cluster support disabled", "use redis://"],
        )
    })?
}
