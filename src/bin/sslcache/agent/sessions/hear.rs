//! The thread that waits for the questions of one mailbox. What writes there may be anything: a bell that rings for nothing is
//! listened to less often, whoever asks too much waits for room, in turn with the others, and a mailbox that is damaged over and
//! over is heard no more: each time, all sessions of its namespace are in doubt.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};
use std::{io, ops::ControlFlow};

use sslcache::mailbox::{AgentEnd, Heard, Hearing, OwnedRequest, Slot};
use tokio::sync::mpsc;

/// What was heard.
pub struct Said {
    /// Of which mailbox.
    pub member: u64,
    pub slot: Slot,
    pub request: OwnedRequest,
}

/// What a thread sends.
pub enum Message {
    Said(Said),
    /// This mailbox is not heard any more, as it was damaged over and over.
    Spoilt(u64),
    /// This one is not, as was asked for: all that was owed in it is said.
    Left(u64),
}

/// How long a thread waits before it looks whether it is still wanted.
const WAIT: Duration = Duration::from_secs(1);
/// A bell may ring so often without a question, as two questions are heard at once.
const NOTHING_MOST: u32 = 64;
/// How long it is not listened to after that.
const PAUSE: Duration = Duration::from_millis(1);
/// What has to arrive may be damaged so often. No process that works as it should does that, however it ends.
const DAMAGED_MOST: u32 = 8;
/// What a process that was killed was about to tell is given up within this time.
const LAST: Duration = Duration::from_secs(4);
/// How often it is looked for.
const AGAIN: Duration = Duration::from_millis(50);
/// What such a thread needs is far less.
const STACK: usize = 128 * 1024;

/// A thread that hears a mailbox. It ends by itself soon after this is dropped.
pub struct Ear {
    is_over: Arc<AtomicBool>,
    /// By which the mailbox is answered.
    pub hearing: Arc<Hearing>,
}

impl Drop for Ear {
    fn drop(&mut self) {
        // Relaxed: nothing else is told by it.
        self.is_over.store(true, Relaxed);
        self.hearing.rouse();
    }
}

/// Starts a thread that hears the questions of a mailbox, and sends them on. It has one of the `threads` until it has ended.
pub fn start(
    end: &AgentEnd,
    member: u64,
    to: mpsc::Sender<Message>,
    threads: &Arc<()>,
) -> io::Result<Ear> {
    let hearing = Arc::new(end.hear()?);
    let is_over = Arc::new(AtomicBool::new(false));
    let ear = Ear {
        is_over: is_over.clone(),
        hearing: hearing.clone(),
    };
    let thread = threads.clone();
    thread::Builder::new()
        .name("hear".into())
        .stack_size(STACK)
        .spawn(move || {
            let _thread = thread;
            let (mut nothing, mut damaged) = (0, 0);
            let mut heard = Heard::default();
            while !is_over.load(Relaxed) {
                let before = Instant::now();
                hearing.wait(&heard, WAIT);
                let flow = hear(&hearing, &mut heard, &mut damaged, member, &to);
                let Some((number, _)) = flow.continue_value() else {
                    return;
                };
                if damaged > DAMAGED_MOST {
                    let _ = to.blocking_send(Message::Spoilt(member));
                    return;
                }
                nothing = match number > 0 || before.elapsed() >= WAIT {
                    true => 0,
                    false => nothing + 1,
                };
                if nothing > NOTHING_MOST {
                    thread::sleep(PAUSE);
                }
            }
            // The processes may have ended right after they had told something.
            let end = Instant::now() + LAST;
            while let ControlFlow::Continue((_, false)) =
                hear(&hearing, &mut heard, &mut damaged, member, &to)
                && Instant::now() < end
            {
                thread::sleep(AGAIN);
            }
            let _ = to.blocking_send(Message::Left(member));
        })?;
    Ok(ear)
}

/// Sends on what there is, and returns how much that was, and whether it is all that was owed; breaks if nobody wants it any more.
fn hear(
    hearing: &Hearing,
    heard: &mut Heard,
    damaged: &mut u32,
    member: u64,
    to: &mpsc::Sender<Message>,
) -> ControlFlow<(), (u32, bool)> {
    let mut number = 0;
    let mut is_over = false;
    let is_all = hearing.take(heard, |slot, request| {
        number += 1;
        *damaged += u32::from(matches!(request, OwnedRequest::Damaged));
        let said = Said {
            member,
            slot,
            request,
        };
        is_over |= to.blocking_send(Message::Said(said)).is_err();
    });
    match is_over {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue((number, is_all)),
    }
}
