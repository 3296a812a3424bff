//! Which keys servers get.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sslcache::mailbox::Request;

use super::server::{Host, Redis, Server, Site, make_keyring};
use super::sessions::{REALM, SETTINGS, look, name, put, served};
use crate::tool::{Folder, Outcome, Tool, has_in_order, wait_for};

const TWO: &str =
    "[[namespace]]\nname = \"web\"\nusers = [0]\n[[namespace]]\nname = \"mail\"\nusers = [8]\n";

pub fn two_hosts(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, true)? else {
        return Ok(());
    };
    let hosts = [site.host("a", TWO)?, site.host("b", TWO)?];
    // Both at once: whoever puts a key first, both have it.
    let agents = [hosts[0].start(tool)?, hosts[1].start(tool)?];
    let web = [
        Server::join(&hosts[0].socket)?,
        Server::join(&hosts[1].socket)?,
    ];
    let mail = Server::join_as(&hosts[1].socket, 8)?;
    let keys = web[0].wait()?;
    wait_for("the same keys", || web[1].keys() == web[0].keys())?;
    assert_eq!(keys.len(), 3, "of this hour and of the next two");
    let others = mail.wait()?;
    for (epoch, name, secret, makes) in &keys {
        assert!(*makes && *secret != [0; 32], "{epoch}");
        let is_same = |other: &&super::server::Seen| other.1 == *name || other.2 == *secret;
        assert_eq!(others.iter().filter(is_same).count(), 0);
        assert_eq!(keys.iter().filter(|other| other.2 == *secret).count(), 1);
    }
    // A user without a namespace has no keys, and is named in the log.
    let other = Server::join_as(&hosts[0].socket, 9)?;
    wait_for("a refusal", || {
        agents[0].has_said("of user 9: its user is in no namespace")
    })?;
    assert!(other.keys().is_empty());
    // The agent shows that it is at work.
    wait_for("a beat", || web[0].0.last_beat() > 0)?;
    Ok(())
}

pub fn each_user(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, true)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let _agent = host.start(tool)?;
    let servers = [7, 7, 8].map(|uid| Server::join_as(&host.socket, uid));
    let [one, same, other] = servers;
    let (one, same, other) = (one?, same?, other?);
    assert_eq!(one.wait()?, same.wait()?);
    assert_ne!(one.keys()[0].2, other.wait()?[0].2);
    Ok(())
}

pub fn store_that_comes_later(tool: &Tool) -> Outcome {
    if !Redis::is_here() {
        return Ok(());
    }
    let folder = Folder::new()?;
    make_keyring(tool, &folder)?;
    let host = Host::new(&folder, "a", "", "")?;
    let agent = host.start(tool)?;
    let server = Server::join(&host.socket)?;
    wait_for("trouble", || agent.has_said("no keys from the store: "))?;
    assert!(server.keys().is_empty());
    let redis = Redis::start(&folder)?;
    let keys = server.wait()?;
    // Without the store, all stays.
    drop(redis);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(server.keys(), keys);
    Ok(())
}

pub fn status(tool: &Tool) -> Outcome {
    if !Redis::is_here() {
        return Ok(());
    }
    let folder = Folder::new()?;
    let redis = Redis::start(&folder)?;
    make_keyring(tool, &folder)?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let host = Host::new(&folder, "a", &format!("metrics = \"{address}\""), "")?;
    let mut command = tool.command(&folder.0);
    command
        .args(["agent", "status", "--config"])
        .arg(&host.settings);
    let early = crate::tool::said(&mut command)?;
    assert_eq!(early.code, 2);
    has_in_order(&early.err, &[&address.to_string(), "start the agent"])?;
    let agent = host.start(tool)?;
    let server = Server::join(&host.socket)?;
    let keys = server.wait()?;
    let mut said = None;
    wait_for("a status", || {
        said = crate::tool::said(&mut command)
            .ok()
            .filter(|said| said.out.contains("for 0 s") || said.code == 0);
        said.is_some()
    })?;
    let said = said.ok_or("no status")?;
    has_in_order(
        &said.out,
        &[
            "store unix://",
            "reachable for",
            "answers, ",
            "namespace uid ",
            ": 1 mailboxes",
            "key of epoch ",
            "from the store",
            "the next one is there",
        ],
    )?;
    let json = crate::tool::said(command.arg("--json"))?;
    let json: Value = serde_json::from_str(&json.out)?;
    assert_eq!(json["namespaces"][0]["origin"], "store");
    assert_eq!(json["namespaces"][0]["keys"], 3);
    assert_eq!(json["sessions"]["mailboxes"], 1);
    has_in_order(
        &said.out,
        &["sessions of 1 mailboxes\n", "0 put, 0 dropped"],
    )?;
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n")?;
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics)?;
    let (_, body) = metrics.split_once("\r\n\r\n").ok_or("no body")?;
    let samples = crate::prometheus::parsed(body)?;
    assert_eq!(samples["sslcache_agent_store_reachable"], 1.0);
    assert!(samples["sslcache_agent_store_answer_seconds_count"] >= 3.0);
    assert_eq!(samples["sslcache_agent_session_mailboxes"], 1.0);
    assert_eq!(samples["sslcache_agent_session_puts_total"], 0.0);
    // Neither a key nor its text is anywhere.
    let all = [metrics, agent.log(), json.to_string(), said.out].concat();
    for (_, _, secret, _) in &keys {
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!all.contains(&hex));
    }
    let ring = fs::read_to_string(&host.ring)?;
    assert!(!all.contains(ring.trim_end().trim_start_matches("sslc-key-1:")));
    // Nor would it be in a dump.
    let limits = fs::read_to_string(format!("/proc/{}/limits", agent.child.id()))?;
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let words: Vec<_> = core.unwrap_or("").split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{limits}");
    // The store goes, and status says so.
    drop(redis);
    agent.signal(libc::SIGHUP);
    wait_for("trouble", || {
        crate::tool::said(&mut command)
            .is_ok_and(|said| said.code == 1 && said.out.contains("\"reachable_since\": null"))
    })
}

pub fn rotation(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let agent = host.start(tool)?;
    let server = Server::join(&host.socket)?;
    let keys = server.wait()?;
    let ring = host.ring.to_str().ok_or("no text")?;
    let turned = tool.say(&site.folder.0, &["agent", "key", "rotate", ring])?;
    assert_eq!(turned.code, 0, "{}", turned.err);
    agent.signal(libc::SIGHUP);
    wait_for("a reload", || {
        agent.has_said("settings and keyring were read again")
    })?;
    // What was sealed with the old key is put under the new one: an agent that has only that gets the same keys.
    let text = fs::read_to_string(ring)?;
    let new = text.lines().next().ok_or("no key")?.to_owned();
    assert_eq!(text.lines().count(), 2);
    let count = |folder: &Folder| -> Result<usize, Box<dyn std::error::Error>> {
        let mut redis = std::process::Command::new("redis-cli");
        let said = crate::tool::said(
            redis
                .arg("-s")
                .arg(folder.file("redis.sock"))
                .args(["keys", "sslc:1:k:*"]),
        )?;
        Ok(said.out.lines().filter(|line| !line.is_empty()).count())
    };
    wait_for("three keys more", || {
        count(&site.folder).is_ok_and(|count| count == 6)
    })?;
    fs::write(ring, new + "\n")?;
    let other = site.host("b", "")?;
    let _other = other.start(tool)?;
    assert_eq!(Server::join(&other.socket)?.wait()?, keys);
    assert_eq!(server.keys(), keys);
    // A keyring that is not one changes nothing.
    fs::write(ring, "nonsense\n")?;
    agent.signal(libc::SIGHUP);
    wait_for("a refusal", || agent.has_said("all stays as it was: "))?;
    assert_eq!(server.keys(), keys);
    Ok(())
}

/// Sessions that were put under the old master key are found until it is gone; new ones are put under the new one.
pub fn rotation_with_sessions(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(());
    };
    let hosts = [site.host("a", SETTINGS)?, site.host("b", SETTINGS)?];
    let agents = [hosts[0].start(tool)?, hosts[1].start(tool)?];
    let mailboxes = [served(&hosts[0])?, served(&hosts[1])?];
    let ring = hosts[0].ring.to_str().ok_or("no text")?;
    let reload = || -> Outcome {
        for agent in &agents {
            let count = || agent.log().matches("were read again").count();
            let before = count();
            agent.signal(libc::SIGHUP);
            wait_for("a reload", || count() > before)?;
        }
        for mailbox in &mailboxes {
            wait_for("sessions", || mailbox.is_served())?;
        }
        Ok(())
    };
    let step = |way: &str| -> Outcome {
        let turned = tool.say(&site.folder.0, &["agent", "key", "rotate", way, ring])?;
        assert_eq!(turned.code, 0, "{}", turned.err);
        reload()
    };
    let is_found = |id: &str| -> Result<[bool; 2], Box<dyn std::error::Error>> {
        let session = name(REALM, id)?;
        Ok([0, 1].map(|host: usize| look(&mailboxes[host], &session).is_some()))
    };
    let put_at = |host: usize, id: &str| -> Outcome {
        let session = name(REALM, id)?;
        // The agents may still be reading the generation of the realm.
        wait_for("a session", || {
            let _ = put(&mailboxes[host], &session, false, b"record");
            is_found(id).is_ok_and(|found| found == [true; 2])
        })
    };
    put_at(0, "old")?;
    step("--append")?;
    assert_eq!(is_found("old")?, [true; 2]);
    put_at(1, "appended")?;
    step("--promote")?;
    assert_eq!(is_found("old")?, [true; 2]);
    assert_eq!(is_found("appended")?, [true; 2]);
    put_at(0, "new")?;
    // A removal reaches it under whichever key it was put.
    let session = name(REALM, "old")?;
    let said = mailboxes[1].tell(&Request::Remove(&session));
    said.map_err(|why| format!("{why:?}"))?;
    wait_for("a removal", || {
        is_found("old").is_ok_and(|found| found == [false; 2])
    })?;
    // Without the old key.
    let text = fs::read_to_string(ring)?;
    let first = text.lines().find(|line| line.starts_with("sslc-key"));
    fs::write(ring, format!("{}\n", first.ok_or("no key")?))?;
    reload()?;
    wait_for("the new one", || {
        is_found("new").is_ok_and(|found| found == [true; 2])
    })?;
    assert_eq!(is_found("appended")?, [false; 2]);
    put_at(1, "last")
}

pub fn rotation_in_between(tool: &Tool) -> Outcome {
    if !Redis::is_here() {
        return Ok(());
    }
    let folder = Folder::new()?;
    let _redis = Redis::start(&folder)?;
    let mut hosts = [
        Host::new(&folder, "a", "", "")?,
        Host::new(&folder, "b", "", "")?,
    ];
    // Each has put its own keys before it had the other's master key.
    for (host, name) in hosts.iter_mut().zip(["one", "other"]) {
        make_keyring(tool, &folder)?;
        let ring = folder.file(name);
        fs::rename(&host.ring, &ring)?;
        host.ring = ring;
        host.write("", "")?;
    }
    let agents = [hosts[0].start(tool)?, hosts[1].start(tool)?];
    let servers = [
        Server::join(&hosts[0].socket)?,
        Server::join(&hosts[1].socket)?,
    ];
    let before = [servers[0].wait()?, servers[1].wait()?].concat();
    let making = |server: &Server| -> Vec<_> {
        let keys = server.keys().into_iter();
        keys.filter(|key| key.3).map(|key| key.2).collect()
    };
    assert_ne!(making(&servers[0]), making(&servers[1]));
    // Now both have both, each its own first, as in the middle of a rotation.
    let [one, other] = [0, 1].map(|host: usize| fs::read_to_string(&hosts[host].ring));
    let (one, other) = (one?, other?);
    fs::write(&hosts[0].ring, format!("{one}{other}"))?;
    fs::write(&hosts[1].ring, format!("{other}{one}"))?;
    agents.iter().for_each(|agent| agent.signal(libc::SIGHUP));
    wait_for("the same keys", || {
        making(&servers[0]) == making(&servers[1])
    })?;
    // What either has made tickets with is opened by both.
    for server in &servers {
        wait_for("all keys", || {
            let keys = server.keys();
            let has = |key: &super::server::Seen| keys.iter().any(|other| other.2 == key.2);
            before.iter().all(has)
        })?;
    }
    Ok(())
}
