//! What is not to be relied on: a process that writes anything into its mailbox, and the store, which may be read by others, or come
//! back as it was before.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use sslcache::mailbox::{self, MAILBOX_BYTES, Mailbox, Request, SessionName};

use super::server::Agent;
use super::sessions::{REALM, look, name, put, served, two};
use crate::tool::{Outcome, Tool, said, wait_for};

pub fn hostile(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let [good, other] = &two.mailboxes;
    let (bad, file) = Mailbox::make()?;
    mailbox::send(&two.hosts[0].socket, file.as_fd())?;
    wait_for("sessions", || bad.is_served())?;
    let file = File::from(file);
    let is_over = AtomicBool::new(false);
    let session = name(REALM, "session")?;
    put(good, &session, false, b"record")?;
    wait_for("the session", || look(other, &session).is_some())?;
    let found = thread::scope(|scope| {
        // Whatever it has written is written over, but for what the agent reads first.
        scope.spawn(|| {
            let mut number = 1_u64;
            while !is_over.load(Relaxed) {
                number = number.wrapping_mul(6364136223846793005).wrapping_add(1);
                let at = 64 + (number >> 20) % (MAILBOX_BYTES as u64 - 128);
                let _ = file.write_all_at(&number.to_ne_bytes()[..1 + (number % 8) as usize], at);
            }
        });
        for _ in 0..3 {
            scope.spawn(|| {
                let mut record = Vec::new();
                while !is_over.load(Relaxed) {
                    let _ = bad.ask(&Request::Look(&session), Duration::ZERO, &mut record);
                    let _ = put(&bad, &session, false, &[1; 4000]);
                    let _ = bad.tell(&Request::Remove(&session));
                }
            });
        }
        let mut found = 0;
        // Each damage ends all sessions, and what is put for a moment after that, until the mailbox is heard no more.
        let end = Instant::now() + Duration::from_secs(8);
        let mut number = 0;
        while Instant::now() < end {
            let name = SessionName::new([9; 32], 0x303, &u32::to_be_bytes(number));
            if let Some(name) = name {
                // What is put while the generation changes is lost.
                let is_found =
                    || put(good, &name, false, b"record").is_ok() && look(other, &name).is_some();
                found += u32::from(wait_for("it", is_found).is_ok());
            }
            number += 1;
        }
        is_over.store(true, Relaxed);
        found
    });
    assert!(found > 20, "{found} were found");
    // It is heard no more, as each damage puts all in doubt.
    wait_for("the end of a spoilt mailbox", || !bad.is_served())?;
    for agent in &two.agents {
        assert!(!agent.has_said("panicked"), "{}", agent.log());
    }
    // A mailbox that comes now is served as well.
    let late = served(&two.hosts[0])?;
    let last = name([9; 32], "last")?;
    put(&late, &last, false, b"last")?;
    wait_for("the last", || look(other, &last).is_some())
}

pub fn dump(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let [one, other] = &two.mailboxes;
    let (id, secret) = ("this is the session's id", b"this is the session's secret");
    let [kept, removed, once] = ["1", "2", "3"].map(|last| name(REALM, &format!("{id} {last}")));
    let (kept, removed, once) = (kept?, removed?, once?);
    put(one, &kept, false, secret)?;
    put(one, &removed, false, secret)?;
    put(one, &once, true, secret)?;
    for name in [&kept, &removed] {
        wait_for("a session", || look(other, name).is_some())?;
    }
    let remove = Request::Remove(&removed);
    one.tell(&remove).map_err(|why| format!("{why:?}"))?;
    let flush = Request::Flush {
        realm: &REALM,
        until: 1,
    };
    one.tell(&flush).map_err(|why| format!("{why:?}"))?;
    wait_for("the removal", || look(other, &removed).is_none())?;
    let cli = |arguments: &[&str]| {
        let mut redis = Command::new("redis-cli");
        let socket = two.site.folder.file("redis.sock");
        said(redis.arg("-s").arg(socket).args(arguments))
    };
    let kinds = ["s", "r", "c", "n", "k"].map(|letter| format!("sslc:1:{letter}:"));
    wait_for("all kinds of values", || {
        let names = cli(&["keys", "*"]).map_or(String::new(), |said| said.out);
        kinds.iter().all(|kind| names.contains(kind))
    })?;
    let place = two.site.folder.0.display().to_string();
    cli(&["config", "set", "rdbcompression", "no"])?;
    cli(&["save"])?;
    let dump = std::fs::read(two.site.folder.file("dump.rdb"))?;
    let has = |what: &[u8]| dump.windows(what.len()).any(|window| window == what);
    assert!(has(b"sslc:1:s:"), "nothing is in {place}");
    assert!(!has(id.as_bytes()) && !has(secret) && !has(&REALM));
    let log: String = two.agents.iter().map(Agent::log).collect();
    assert!(!log.contains("this is") && !log.contains("panicked"));
    Ok(())
}
