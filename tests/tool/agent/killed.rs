//! An agent that is killed at any moment while its host is busy: nobody waits for longer than it wanted, what was removed stays so,
//! and no place in the mailbox is lost.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use sslcache::mailbox::{Mailbox, Request, Unanswered};

use super::restart::{Manager, kill};
use super::server::Site;
use super::sessions::{REALM, SETTINGS, look, name, put, served};
use crate::tool::{Outcome, Tool, wait_for};

/// How long an asker waits, and what a busy machine adds to it.
const MOST: Duration = Duration::from_millis(20);
const BUSY: Duration = Duration::from_millis(480);
const KILLS: u64 = 12;

/// What a server does: it puts sessions, looks for them, takes some, and removes some. Returns the longest question.
fn serve(
    mailbox: &Mailbox,
    thread: u64,
    removed: &Mutex<BTreeSet<String>>,
    is_over: &AtomicBool,
) -> Duration {
    let mut longest = Duration::ZERO;
    let mut record = Vec::new();
    for number in 0_u64.. {
        if is_over.load(Relaxed) {
            break;
        }
        let id = format!("{thread} {number}");
        let Ok(session) = name(REALM, &id) else {
            break;
        };
        let is_once = number.is_multiple_of(3);
        let _ = put(mailbox, &session, is_once, b"record");
        for request in [Request::Look(&session), Request::Take(&session)] {
            let start = Instant::now();
            let _ = mailbox.ask(&request, MOST, &mut record);
            longest = longest.max(start.elapsed());
        }
        // One that the store has by now. At most as many as are checked in the end.
        let is_to_go = number >= 60 && (number - 60) % 3 == 1;
        if is_to_go && removed.lock().unwrap().len() < 2000 {
            let id = format!("{thread} {}", number - 60);
            // It has to arrive, whatever becomes of the agent.
            if name(REALM, &id).is_ok_and(|old| mailbox.tell(&Request::Remove(&old)).is_ok()) {
                removed.lock().unwrap().insert(id);
            }
        }
        sleep(Duration::from_micros(500));
    }
    longest
}

pub fn under_load(tool: &Tool) -> Outcome {
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
    let (removed, is_over) = (Mutex::new(BTreeSet::new()), AtomicBool::new(false));
    let longest = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (mailbox, removed, is_over) = (&mailbox, &removed, &is_over);
                scope.spawn(move || serve(mailbox, number, removed, is_over))
            })
            .collect();
        let mut killing = || -> Outcome {
            for number in 0..KILLS {
                wait_for("sessions", || mailbox.is_served())?;
                // Each time at another moment.
                sleep(Duration::from_micros(number * 7919 % 40_000));
                manager.listen();
                assert!(!agent.has_said("panicked"), "{}", agent.log());
                let hangs = number.is_multiple_of(2);
                if hangs {
                    // What the agent has taken now, the store has not.
                    site.redis.signal(libc::SIGSTOP);
                    sleep(Duration::from_millis(60));
                }
                kill(&mut agent)?;
                if hangs {
                    site.redis.signal(libc::SIGCONT);
                }
                agent = manager.start(&host, tool, &site.folder, Vec::new())?;
            }
            wait_for("sessions", || mailbox.is_served())
        };
        let killed = killing();
        is_over.store(true, Relaxed);
        let longest = threads.into_iter().map(|thread| thread.join());
        let longest = longest.map(Result::unwrap_or_default).max();
        killed.map(|()| longest.unwrap_or_default())
    })?;
    assert!(longest < MOST + BUSY, "one has waited for {longest:?}");
    let removed = removed.into_inner()?;
    assert!(removed.len() > 50, "{} were removed", removed.len());
    // The last removals are on their way.
    let last = name(REALM, "last")?;
    // A put is not kept over anything.
    wait_for("the last", || {
        let is_put = put(&mailbox, &last, false, b"last").is_ok();
        is_put && look(&far_mailbox, &last).is_some()
    })?;
    sleep(Duration::from_millis(500));
    for id in &removed {
        let session = name(REALM, id)?;
        for mailbox in [&mailbox, &far_mailbox] {
            assert_eq!(look(mailbox, &session), None, "{id} is back");
        }
    }
    // All places are there: as many as there are ask at once.
    let full = thread::scope(|scope| {
        let ask = || {
            let mut record = Vec::new();
            let asked = (0..10).map(|_| mailbox.ask(&Request::Look(&last), BUSY, &mut record));
            asked.filter(|said| *said == Err(Unanswered::Full)).count()
        };
        let threads: Vec<_> = (0..60).map(|_| scope.spawn(ask)).collect();
        let full = threads.into_iter().map(|thread| thread.join().unwrap_or(1));
        full.sum::<usize>()
    });
    assert_eq!(full, 0);
    assert!(look(&mailbox, &last).is_some());
    Ok(())
}
