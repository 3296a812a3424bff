//! Sessions that one host puts and another one finds.

use std::collections::HashSet;
use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sslcache::mailbox::{Mailbox, News, Request, SessionName, Unanswered};

use super::server::{Agent, Host, Server, Site, make_keyring};
use crate::tool::{Folder, Outcome, Tool, said, wait_for};

pub const REALM: [u8; 32] = [7; 32];
/// Long enough for a busy machine. The tests that are about time have less.
const LOOK_UP: Duration = Duration::from_secs(1);
pub const SETTINGS: &str = "[sessions]\nearly_data = true\nlook_up_ms = 1000\n";

/// The second since 1970.
fn now() -> i64 {
    // SAFETY: with a null argument, time() writes nothing.
    unsafe { libc::time(std::ptr::null_mut()) }
}

/// The name of a session.
pub fn name(realm: [u8; 32], id: &str) -> Result<SessionName, Box<dyn Error>> {
    SessionName::new(realm, 0x304, id.as_bytes()).ok_or_else(|| "no id".into())
}

pub fn put(mailbox: &Mailbox, name: &SessionName, is_used_once: bool, record: &[u8]) -> Outcome {
    put_made(mailbox, name, now(), is_used_once, record)
}

fn put_made(
    mailbox: &Mailbox,
    name: &SessionName,
    made: i64,
    is_used_once: bool,
    record: &[u8],
) -> Outcome {
    let put = Request::Put {
        name,
        made,
        expiry: now() + 600,
        is_used_once,
        record,
    };
    mailbox.tell(&put).map_err(|why| format!("{why:?}").into())
}

/// What is found, or taken.
fn ask(mailbox: &Mailbox, request: &Request<'_>) -> Result<Option<Vec<u8>>, Unanswered> {
    let mut record = Vec::new();
    let found = mailbox.ask(request, LOOK_UP, &mut record)?;
    Ok(found.then_some(record))
}

pub fn look(mailbox: &Mailbox, name: &SessionName) -> Option<Vec<u8>> {
    ask(mailbox, &Request::Look(name)).ok().flatten()
}

/// A server whose sessions are served.
pub fn served(host: &Host) -> Result<Mailbox, Box<dyn Error>> {
    let Server(mailbox) = Server::join(&host.socket)?;
    wait_for("sessions", || mailbox.is_served())?;
    Ok(mailbox)
}

pub struct Two {
    pub site: Site,
    pub hosts: [Host; 2],
    pub agents: [Agent; 2],
    pub mailboxes: [Mailbox; 2],
}

/// Two hosts, each with a server.
pub fn two(tool: &Tool) -> Result<Option<Two>, Box<dyn Error>> {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(None);
    };
    let hosts = [site.host("a", SETTINGS)?, site.host("b", SETTINGS)?];
    let agents = [hosts[0].start(tool)?, hosts[1].start(tool)?];
    let mailboxes = [served(&hosts[0])?, served(&hosts[1])?];
    Ok(Some(Two {
        site,
        hosts,
        agents,
        mailboxes,
    }))
}

pub fn found(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let [one, other] = &two.mailboxes;
    let session = name(REALM, "session")?;
    assert_eq!(look(other, &session), None);
    let record: Vec<u8> = (0..4000).map(|at| (at % 251) as u8).collect();
    put(one, &session, false, &record)?;
    wait_for("the session", || look(other, &session).is_some())?;
    assert_eq!(look(other, &session), Some(record.clone()));
    assert_eq!(look(one, &session), Some(record.clone()));
    // The first one stands.
    put(other, &session, false, b"another")?;
    let last = name(REALM, "last")?;
    put(other, &last, false, b"last")?;
    wait_for("the last", || look(one, &last).is_some())?;
    assert_eq!(look(one, &session), Some(record));
    // Another realm, version or id is another session.
    let others = [
        name([8; 32], "session")?,
        name(REALM, "sessio")?,
        SessionName::new(REALM, 0x303, b"session").ok_or("no id")?,
    ];
    for other_name in &others {
        assert_eq!(look(other, other_name), None);
    }
    // One that ends at once, or has ended, is not put.
    let put_dead = Request::Put {
        name: &others[0],
        made: now(),
        expiry: now(),
        is_used_once: false,
        record: b"dead",
    };
    one.tell(&put_dead).map_err(|why| format!("{why:?}"))?;
    put(one, &others[1], false, b"there")?;
    wait_for("the one after it", || look(other, &others[1]).is_some())?;
    assert_eq!(look(other, &others[0]), None);
    // What is used once is not found, only taken.
    let once = name(REALM, "once")?;
    put(one, &once, true, b"once")?;
    put(one, &others[2], false, b"there")?;
    wait_for("the one after it", || look(other, &others[2]).is_some())?;
    assert_eq!(look(other, &once), None);
    let taken = ask(other, &Request::Take(&once)).map_err(|why| format!("{why:?}"))?;
    assert_eq!(taken.as_deref(), Some(&b"once"[..]));
    for mailbox in [one, other] {
        let again = ask(mailbox, &Request::Take(&once)).map_err(|why| format!("{why:?}"))?;
        assert_eq!(again, None);
    }
    Ok(())
}

/// The news of a mailbox, since those of this number.
pub fn news(mailbox: &Mailbox, seen: &mut u64) -> Vec<News> {
    let mut all = Vec::new();
    mailbox.news(seen, |news| all.push(news));
    all
}

pub fn removed(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let [one, other] = &two.mailboxes;
    let mut seen = other.latest_news();
    let names: Result<Vec<_>, _> = (0..300).map(|at| name(REALM, &format!("{at}"))).collect();
    let names = names?;
    for name in &names {
        wait_for("room", || put(one, name, false, b"record").is_ok())?;
    }
    for name in &names {
        wait_for("a session", || look(other, name).is_some())?;
    }
    for name in &names {
        wait_for("room", || one.tell(&Request::Remove(name)).is_ok())?;
    }
    // At this host at once, though it may arrive after the next question.
    wait_for("a removal", || look(one, &names[0]).is_none())?;
    let mut told = Vec::new();
    wait_for("news of all", || {
        told.extend(news(other, &mut seen));
        told.len() >= names.len()
    })?;
    assert!(told.iter().all(|news| *news != News::Lost));
    for name in &names {
        assert!(told.contains(&News::Removed(name.clone())));
        assert_eq!(look(other, name), None);
        // What comes late does not bring it back.
        wait_for("room", || put(other, name, false, b"late").is_ok())?;
    }
    let last = name(REALM, "last")?;
    put(other, &last, false, b"last")?;
    wait_for("the last", || look(one, &last).is_some())?;
    assert!(names.iter().all(|name| look(other, name).is_none()));
    Ok(())
}

pub fn flushed(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let [one, other] = &two.mailboxes;
    let mut seen = other.latest_news();
    let (old, new) = (name(REALM, "old")?, name(REALM, "new")?);
    let elsewhere = name([8; 32], "old")?;
    let made = now() - 10;
    // The clock of the host where it is made is ahead of that of the one where it is flushed.
    put_made(other, &old, now() + 3000, false, b"old")?;
    put_made(one, &elsewhere, made, false, b"elsewhere")?;
    for (at, name) in [(one, &old), (other, &elsewhere)] {
        wait_for("a session", || look(at, name).is_some())?;
    }
    let flush = Request::Flush {
        realm: &REALM,
        until: made + 1,
    };
    one.tell(&flush).map_err(|why| format!("{why:?}"))?;
    // What was made before the flush, and is told after it, is not put.
    let told_late = name(REALM, "told late")?;
    put_made(one, &told_late, made + 1, false, b"late")?;
    put_made(one, &new, made + 2, false, b"new")?;
    wait_for("the flush", || look(other, &old).is_none())?;
    let told = news(other, &mut seen);
    assert!(told == [News::Flushed(REALM)]);
    wait_for("what is new", || look(other, &new).is_some())?;
    assert!(look(other, &elsewhere).is_some());
    for mailbox in [one, other] {
        assert!(look(mailbox, &old).is_none() && look(mailbox, &told_late).is_none());
    }
    // An agent that comes later knows of it.
    let late = two.site.host("c", SETTINGS)?;
    let _late = late.start(tool)?;
    let late = served(&late)?;
    assert!(look(&late, &old).is_none() && look(&late, &new).is_some());
    // And so does one that has come back.
    let taken = ask(&late, &Request::Take(&old)).map_err(|why| format!("{why:?}"))?;
    assert_eq!(taken, None);
    // All of it, by an administrator.
    let mut command = tool.command(&two.site.folder.0);
    command.args(["agent", "flush", "--config"]);
    let done = said(command.arg(&two.hosts[0].settings))?;
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.out.starts_with("namespace uid "), "{}", done.out);
    for mailbox in [one, other, &late] {
        wait_for("the flush", || look(mailbox, &new).is_none())?;
        assert_eq!(look(mailbox, &elsewhere), None);
    }
    assert!(news(other, &mut seen).contains(&News::Lost));
    // What is put from now on is found.
    put(one, &new, false, b"again")?;
    wait_for("the session", || look(other, &new).is_some())?;
    assert!(two.agents.iter().all(|agent| !agent.has_said("panicked")));
    Ok(())
}

pub fn taken_from_redis(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    race(&two.mailboxes)
}

/// A memcached on a port of its own; it ends on drop.
struct Memcached(Child, u16);

impl Memcached {
    fn start() -> Result<Option<Self>, Box<dyn Error>> {
        if !Path::new("/usr/bin/memcached").exists() {
            eprintln!("agent: left out: there is no memcached here");
            return Ok(None);
        }
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            let mut command = Command::new("/usr/bin/memcached");
            command.args(["-l", "127.0.0.1", "-U", "0", "-u", "nobody", "-p"]);
            let child = command
                .arg(port.to_string())
                .stderr(Stdio::null())
                .spawn()?;
            let mut memcached = Self(child, port);
            wait_for("a memcached", || {
                TcpStream::connect(("127.0.0.1", port)).is_ok()
                    || memcached.0.try_wait().is_ok_and(|ended| ended.is_some())
            })?;
            if memcached.0.try_wait()?.is_none() {
                return Ok(Some(memcached));
            }
        }
        Err("no memcached starts".into())
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn taken_from_memcached(tool: &Tool) -> Outcome {
    let Some(memcached) = Memcached::start()? else {
        return Ok(());
    };
    let folder = Folder::new()?;
    make_keyring(tool, &folder)?;
    let mut hosts = [
        Host::new(&folder, "a", "", "")?,
        Host::new(&folder, "b", "", "")?,
    ];
    for host in &mut hosts {
        host.store = format!("memcached://127.0.0.1:{}", memcached.1);
        host.write("", SETTINGS)?;
    }
    let _agents = [hosts[0].start(tool)?, hosts[1].start(tool)?];
    let mailboxes = [served(&hosts[0])?, served(&hosts[1])?];
    let servers = [
        Server::join(&hosts[0].socket)?,
        Server::join(&hosts[1].socket)?,
    ];
    assert_eq!(servers[0].wait()?, servers[1].wait()?);
    let session = name(REALM, "session")?;
    put(&mailboxes[0], &session, false, b"record")?;
    wait_for("the session", || look(&mailboxes[1], &session).is_some())?;
    let removed = mailboxes[1].tell(&Request::Remove(&session));
    removed.map_err(|why| format!("{why:?}"))?;
    wait_for("the removal", || look(&mailboxes[0], &session).is_none())?;
    race(&mailboxes)
}

/// Two hosts take the same sessions at the same time.
fn race(mailboxes: &[Mailbox; 2]) -> Outcome {
    let names: Result<Vec<_>, _> = (0..1000).map(|at| name(REALM, &format!("{at}"))).collect();
    let names = names?;
    for name in &names {
        wait_for("room", || put(&mailboxes[0], name, true, b"record").is_ok())?;
    }
    // What is used once is not seen, so that what is put after all of them tells that they are there.
    let last = name(REALM, "last")?;
    put(&mailboxes[0], &last, false, b"last")?;
    wait_for("the last", || look(&mailboxes[1], &last).is_some())?;
    let take = |mailbox: &Mailbox| -> Vec<usize> {
        let mut taken = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if let Ok(Some(record)) = ask(mailbox, &Request::Take(name)) {
                assert_eq!(record, b"record");
                taken.push(at);
            }
            // A put that comes late.
            let _ = put(mailbox, name, true, b"record");
        }
        taken
    };
    let taken: Vec<usize> = thread::scope(|scope| {
        let threads = [0, 1, 0, 1].map(|host: usize| scope.spawn(move || take(&mailboxes[host])));
        let taken = threads.map(|thread| thread.join().unwrap_or_default());
        taken.concat()
    });
    let different: HashSet<_> = taken.iter().collect();
    assert_eq!(different.len(), taken.len(), "something was taken twice");
    assert!(taken.len() > 950, "{} of 1000 were taken", taken.len());
    Ok(())
}

pub fn late(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    let _agent = host.start(tool)?;
    let mailbox = served(&host)?;
    let session = name(REALM, "session")?;
    put(&mailbox, &session, false, b"record")?;
    wait_for("the session", || look(&mailbox, &session).is_some())?;
    site.redis.signal(libc::SIGSTOP);
    let most = Duration::from_millis(2);
    let mut record = Vec::new();
    let mut late = 0;
    let end = Instant::now() + Duration::from_secs(10);
    while mailbox.is_served() && Instant::now() < end {
        let start = Instant::now();
        let said = mailbox.ask(&Request::Look(&session), most, &mut record);
        assert!(said != Ok(true), "it is found");
        assert!(start.elapsed() < Duration::from_millis(500));
        late += 1;
    }
    assert!(late <= 10, "it was asked {late} times");
    // Puts are taken all the same, and cost nothing.
    let start = Instant::now();
    for _ in 0..1000 {
        let _ = put(&mailbox, &session, false, b"record");
    }
    assert!(start.elapsed() < Duration::from_secs(1));
    site.redis.signal(libc::SIGCONT);
    wait_for("the session", || {
        let said = mailbox.ask(&Request::Look(&session), LOOK_UP, &mut record);
        said == Ok(true)
    })
}
