//! A store that comes back with what it knew earlier, and one that only seems to.

use std::error::Error;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use sslcache::mailbox::{News, Request};

use super::server::{Agent, Site, wait_for};
use super::sessions::{REALM, SETTINGS, Two, look, name, news, put, served, two};
use crate::tool::{Outcome, Tool, said};

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

fn tell(two: &Two, host: usize, request: &Request<'_>) -> Outcome {
    let told = two.mailboxes[host].tell(request);
    told.map_err(|why| format!("{why:?}").into())
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
    let reload = |two: &Two| {
        for host in &two.hosts {
            host.write("", &SETTINGS.replace("1000", "900"))?;
        }
        signal(&two.agents, libc::SIGHUP);
        let is_reloaded = || two.agents.iter().all(|agent| agent.has_said("read again"));
        wait_for("new settings", is_reloaded)?;
        for mailbox in &two.mailboxes {
            wait_for("sessions", || mailbox.is_served())?;
        }
        Ok(())
    };
    goes_back(tool, reload, another_tells)
}

/// A third host tells the store news until its counter stands where it stood.
fn another_tells(tool: &Tool, site: &Site, before: u64) -> Outcome {
    let host = site.host("c", SETTINGS)?;
    let _agent = host.start(tool)?;
    let mailbox = served(&host)?;
    while count(site)? < before {
        let now = count(site)?;
        let told = mailbox.tell(&Request::Remove(&name(REALM, &format!("{now}"))?));
        told.map_err(|why| format!("{why:?}"))?;
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
        put(&two.mailboxes[0], session, false, b"record")?;
        wait_for("a session", || look(&two.mailboxes[1], session).is_some())?;
    }
    cli(&two.site, &["save"])?;
    let flush = Request::Flush {
        realm: &[8; 32],
        until: 1,
    };
    tell(&two, 0, &Request::Remove(&removed))?;
    tell(&two, 0, &flush)?;
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
        put(one, session, false, b"record")?;
        wait_for("a session", || look(other, session).is_some())?;
    }
    let mut seen = [one.latest_news(), other.latest_news()];
    tell(&two, 0, &Request::Remove(&removed))?;
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
