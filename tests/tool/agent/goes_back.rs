//! A store that comes back with what it knew earlier, and one that only seems to.

use std::error::Error;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sslcache::mailbox::{Mailbox, News, Request, SessionName};

use super::server::{Agent, Site};
use super::sessions::{REALM, SETTINGS, Two, look, name, news, put, served, two};
use crate::tool::{Outcome, Tool, said, wait_for};

/// What redis-cli says of the store.
fn cli(site: &Site, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut redis = Command::new("redis-cli");
    redis.arg("-s").arg(site.folder.file("redis.sock"));
    Ok(said(redis.args(arguments))?.out.trim().to_owned())
}

/// The number at which the store's only counter of news stands.
fn count(site: &Site) -> Result<u64, Box<dyn Error>> {
    let counter = cli(site, &["keys", "sslc:1:c:*"])?;
    Ok(cli(site, &["get", &counter])?.parse()?)
}

fn tell(mailbox: &Mailbox, request: &Request<'_>) -> Outcome {
    let told = mailbox.tell(request);
    told.map_err(|why| format!("{why:?}").into())
}

/// Puts a session at the first host, which the other one finds then.
fn share(two: &Two, session: &SessionName) -> Outcome {
    let [one, other] = &two.mailboxes;
    put(one, session, false, b"record")?;
    wait_for("a session", || look(other, session).is_some())
}

/// Has agents read their settings and their keyring again.
fn reload(agents: &[Agent]) -> Outcome {
    signal(agents, libc::SIGHUP);
    let is_done = || agents.iter().all(|agent| agent.has_said("read again"));
    wait_for("a reload", is_done)
}

fn signal(agents: &[Agent], signal: i32) {
    agents.iter().for_each(|agent| agent.signal(signal));
}

pub fn as_it_was(tool: &Tool) -> Outcome {
    goes_back(tool, |_| Ok(()), |_, _, _| Ok(()))
}

pub fn told_as_much(tool: &Tool) -> Outcome {
    goes_back(tool, |_| Ok(()), another_tells)
}

pub fn told_as_much_after_a_reload(tool: &Tool) -> Outcome {
    let with_others = |two: &Two| {
        for host in &two.hosts {
            host.write("", &SETTINGS.replace("1000", "900"))?;
        }
        reload(&two.agents)?;
        for mailbox in &two.mailboxes {
            wait_for("sessions", || mailbox.is_served())?;
        }
        Ok(())
    };
    goes_back(tool, with_others, another_tells)
}

/// A third host tells the store news until its counter stands where it stood.
fn another_tells(tool: &Tool, site: &Site, before: u64) -> Outcome {
    let host = site.host("c", SETTINGS)?;
    let _agent = host.start(tool)?;
    let mailbox = served(&host)?;
    while count(site)? < before {
        let now = count(site)?;
        let other = name(REALM, &format!("{now}"))?;
        tell(&mailbox, &Request::Remove(&other))?;
        wait_for("its news", || count(site).is_ok_and(|number| number > now))?;
    }
    Ok(())
}

/// `before` is done before the store goes back, and `then` when it has, before the two agents ask it.
fn goes_back(
    tool: &Tool,
    before: impl Fn(&Two) -> Outcome,
    then: impl Fn(&Tool, &Site, u64) -> Outcome,
) -> Outcome {
    let Some(mut two) = two(tool)? else {
        return Ok(());
    };
    let (removed, flushed) = (name(REALM, "removed")?, name([8; 32], "flushed")?);
    for session in [&removed, &flushed] {
        share(&two, session)?;
    }
    cli(&two.site, &["save"])?;
    let flush = Request::Flush {
        realm: &[8; 32],
        until: 1,
    };
    tell(&two.mailboxes[0], &Request::Remove(&removed))?;
    tell(&two.mailboxes[0], &flush)?;
    let (mut seen, mut heard) = (0, 0);
    wait_for("the news", || {
        heard += news(&two.mailboxes[1], &mut seen).len();
        heard >= 2
    })?;
    before(&two)?;
    let told = count(&two.site)?;
    // They come to a store that is there already, and may ask it at once.
    signal(&two.agents, libc::SIGSTOP);
    two.site.redis.restart(&two.site.folder)?;
    assert!(count(&two.site)? < told, "it has not gone back");
    then(tool, &two.site, told)?;
    signal(&two.agents, libc::SIGCONT);
    let [one, other] = &two.mailboxes;
    let last = name(REALM, "last")?;
    // What would be back is so within a moment of the agents' first question.
    let end = Instant::now() + Duration::from_secs(2);
    let is_found = || {
        for session in [&removed, &flushed] {
            for mailbox in [one, other] {
                assert_eq!(look(mailbox, session), None, "it is back");
            }
        }
        let is_put = put(one, &last, false, b"last").is_ok();
        is_put && look(other, &last).is_some() && Instant::now() > end
    };
    wait_for("the last", is_found)
}

/// News that is gone from the store, and connections that break: no session is lost for that.
pub fn not_at_all(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let [one, other] = &two.mailboxes;
    let (kept, removed) = (name(REALM, "kept")?, name(REALM, "removed")?);
    for session in [&kept, &removed] {
        share(&two, session)?;
    }
    let mut seen = [one.latest_news(), other.latest_news()];
    tell(&two.mailboxes[0], &Request::Remove(&removed))?;
    let mut heard = Vec::new();
    wait_for("the news", || {
        heard.extend(news(other, &mut seen[1]));
        !heard.is_empty()
    })?;
    assert!(heard == [News::Removed(removed.clone())]);
    // It has ended, or the store had no room for it.
    for key in cli(&two.site, &["keys", "sslc:1:n:*"])?.lines() {
        cli(&two.site, &["del", key])?;
    }
    let (mut asked, mut found) = (0, 0);
    for _ in 0..20 {
        cli(&two.site, &["client", "kill", "type", "normal"])?;
        let next = Instant::now() + Duration::from_millis(150);
        while Instant::now() < next {
            asked += 1;
            found += u32::from(look(other, &kept).is_some());
            assert_eq!(look(other, &removed), None);
            sleep(Duration::from_millis(5));
        }
    }
    // Each break costs the looks that are under way, and those until the store is known again.
    assert!(found > asked / 2, "{found} of {asked} were found");
    for (mailbox, seen) in [one, other].into_iter().zip(&mut seen) {
        assert!(!news(mailbox, seen).contains(&News::Lost));
    }
    Ok(())
}

/// A process of the other host misses so much news that all is in doubt, and the store goes back by the last of it.
pub fn after_a_jump(tool: &Tool) -> Outcome {
    let Some(mut two) = two(tool)? else {
        return Ok(());
    };
    let removed = name(REALM, "removed")?;
    share(&two, &removed)?;
    let mut seen = two.mailboxes[1].latest_news();
    two.agents[1].signal(libc::SIGSTOP);
    let start = count(&two.site)?;
    let mut number = 0;
    while count(&two.site)? < start + 270 {
        let other = name(REALM, &format!("{number}"))?;
        tell(&two.mailboxes[0], &Request::Remove(&other))?;
        number += 1;
    }
    let is_quiet = || {
        let before = count(&two.site).unwrap_or(0);
        sleep(Duration::from_millis(300));
        count(&two.site).is_ok_and(|now| now == before)
    };
    wait_for("an end of the news", is_quiet)?;
    cli(&two.site, &["save"])?;
    let saved = count(&two.site)?;
    tell(&two.mailboxes[0], &Request::Remove(&removed))?;
    wait_for("its news", || count(&two.site).is_ok_and(|now| now > saved))?;
    two.agents[1].signal(libc::SIGCONT);
    let mut heard = Vec::new();
    wait_for("the loss", || {
        heard.extend(news(&two.mailboxes[1], &mut seen));
        heard.contains(&News::Lost)
    })?;
    // The next hearing knows the news at the place that it has come to.
    sleep(Duration::from_secs(1));
    signal(&two.agents, libc::SIGSTOP);
    two.site.redis.restart(&two.site.folder)?;
    another_tells(tool, &two.site, saved + 1)?;
    two.agents[1].signal(libc::SIGCONT);
    finds_never(&two.mailboxes[1..], &removed)
}

/// All sessions are flushed by an administrator, which is no news; a master key is added while the store, which goes back, is away.
pub fn flushed_and_a_key_added(tool: &Tool) -> Outcome {
    let Some(mut two) = two(tool)? else {
        return Ok(());
    };
    let session = name(REALM, "flushed")?;
    share(&two, &session)?;
    cli(&two.site, &["save"])?;
    let mut command = tool.command(&two.site.folder.0);
    command.args(["agent", "flush", "--config"]);
    said(command.arg(&two.hosts[0].settings))?;
    for mailbox in &two.mailboxes {
        wait_for("the flush", || look(mailbox, &session).is_none())?;
    }
    signal(&two.agents, libc::SIGSTOP);
    two.site.redis.signal(libc::SIGKILL);
    let ring = two.hosts[0].ring.to_str().ok_or("no text")?;
    tool.say(
        &two.site.folder.0,
        &["agent", "key", "rotate", "--append", ring],
    )?;
    signal(&two.agents, libc::SIGCONT);
    reload(&two.agents)?;
    two.site.redis.restart(&two.site.folder)?;
    finds_never(&two.mailboxes, &session)
}

/// For some seconds, in which agents connect to the store and hear its news.
fn finds_never(mailboxes: &[Mailbox], session: &SessionName) -> Outcome {
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        for mailbox in mailboxes {
            assert_eq!(look(mailbox, session), None, "it is back");
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Something takes connections in the store's place, and ends each before it has answered anything.
pub fn connections_that_end(tool: &Tool) -> Outcome {
    let Some(two) = two(tool)? else {
        return Ok(());
    };
    let place = two.site.folder.file("redis.sock");
    std::fs::rename(&place, two.site.folder.file("elsewhere.sock"))?;
    let listener = UnixListener::bind(&place)?;
    listener.set_nonblocking(true)?;
    two.site.redis.signal(libc::SIGKILL);
    let end = Instant::now() + Duration::from_secs(3);
    let mut connections = 0;
    while Instant::now() < end {
        match listener.accept() {
            Ok(_) => connections += 1,
            Err(_) => sleep(Duration::from_millis(1)),
        }
    }
    // Of two agents, in three seconds: no more than each hearing makes.
    assert!(connections < 300, "{connections} connections");
    Ok(())
}
