//! What processes are told of other hosts by an agent that was not there for a while.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use sslcache::mailbox::{News, Request};

use super::restart::{Manager, kill};
use super::server::Site;
use super::sessions::{REALM, SETTINGS, look, name, news, put, served};
use crate::tool::{Outcome, Tool, said, wait_for};

/// Longer than an agent takes to tell all that it has missed.
const ALL: Duration = Duration::from_millis(600);

pub fn restarted(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(());
    };
    let (host, far) = (site.host("a", SETTINGS)?, site.host("b", SETTINGS)?);
    let _far = far.start(tool)?;
    let far_mailbox = served(&far)?;
    let mut manager = Manager::new(&site.folder)?;
    let mut agent = manager.start(&host, tool, &site.folder, Vec::new())?;
    wait_for("the agent", || agent.has_said("at work"))?;
    let mailbox = served(&host)?;
    let (one, other) = (name(REALM, "one")?, name(REALM, "other")?);
    for session in [&one, &other] {
        put(&far_mailbox, session, false, b"record")?;
        wait_for("a session", || look(&mailbox, session).is_some())?;
    }
    let mut seen = mailbox.latest_news();
    let cli = |arguments: &[&str]| {
        let mut redis = Command::new("redis-cli");
        redis.arg("-s").arg(site.folder.file("redis.sock"));
        said(redis.args(arguments))
    };
    let counter = cli(&["keys", "sslc:1:c:*"])?.out;
    let counter = counter.trim();
    let flush = || {
        let mut command = tool.command(&site.folder.0);
        said(
            command
                .args(["agent", "flush", "--config"])
                .arg(&host.settings),
        )
    };
    let remove = || -> Outcome {
        let said = far_mailbox.tell(&Request::Remove(&one));
        said.map_err(|why| format!("{why:?}"))?;
        sleep(ALL);
        Ok(())
    };
    // What happens while the agent is not there, and what it tells then.
    let expected: [(&dyn Fn() -> Outcome, &[News]); 4] = [
        (&|| Ok(()), &[]),
        (&remove, &[News::Removed(one.clone())]),
        // More than it catches up with.
        (
            &|| cli(&["incrby", counter, "300"]).map(drop),
            &[News::Lost],
        ),
        (&|| flush().map(drop), &[News::Lost]),
    ];
    for (at, (change, told)) in expected.iter().enumerate() {
        // Until what was told is kept.
        sleep(ALL);
        assert!(news(&mailbox, &mut seen).is_empty(), "before {at}");
        manager.listen();
        kill(&mut agent)?;
        change()?;
        agent = manager.start(&host, tool, &site.folder, Vec::new())?;
        wait_for("the agent", || agent.has_said("at work"))?;
        wait_for("sessions", || mailbox.is_served())?;
        sleep(ALL);
        let heard = news(&mailbox, &mut seen);
        assert!(heard == *told, "{at}: {} were told", heard.len());
        // One that comes now has missed nothing.
        let late = served(&host)?;
        assert_eq!(late.latest_news(), 0);
    }
    // A change of the settings costs nothing either.
    host.write("", &SETTINGS.replace("1000", "900"))?;
    agent.signal(libc::SIGHUP);
    sleep(ALL);
    put(&far_mailbox, &other, false, b"record")?;
    wait_for("a session", || look(&mailbox, &other).is_some())?;
    assert!(news(&mailbox, &mut seen).is_empty(), "after a reload");
    Ok(())
}
