//! The agent at work: one thread that waits for processes, for the store, for the clock and for signals.

use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{cell, io, thread};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_blocking, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::door;
use super::notify::{self, Manager};
use super::peers::Answered;
use super::schedule::{ROUND, Schedule};
use super::space::{self, Asked, Place};
use super::state::{Pages, Shared, State, log, now};
use super::store::Trouble;
use crate::failure::Failure;
use crate::http;

/// How often mailboxes are asked for that no process has any more.
const SWEEP: Duration = Duration::from_secs(60);

/// Serves until a signal ends it.
pub fn serve(path: &Path) -> Result<ExitCode, Failure> {
    let manager = Manager::of_environment();
    let handed_over = notify::handed_over();
    confine();
    let mut state = State::new(path, manager)?;
    if let Some(address) = state.config.metrics {
        let failed = |error: io::Error| {
            Failure::new(address, error, "set `metrics` to a free port of this host")
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        answer_figures(listener, state.pages());
    }
    let own_path = state.config.socket.clone();
    let handed_over = state.take_over(handed_over);
    let (socket, own) = match handed_over {
        Some(socket) => (socket, None),
        None => {
            let (socket, own) = door::listen(&own_path)?;
            (socket, Some(own))
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("this process", error, "raise its limits"))?;
    let ended = LocalSet::new().block_on(&runtime, run(state, socket));
    // Without waiting for a question that the kernel has not answered yet.
    runtime.shutdown_background();
    drop(own);
    ended
}

/// Keeps the keys of this process out of core dumps and away from debuggers of its user, and lets it have descriptors for all
/// mailboxes.
fn confine() {
    // SAFETY: there is no other thread; SIG_IGN is no function; the limits are places that live during the calls.
    unsafe {
        // A peer that is gone must not end the agent.
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0);
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        let mut files = none;
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut files) == 0 {
            files.rlim_cur = files.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const files);
        }
    }
}

/// Answers those who ask for figures, in a thread that has nothing else.
fn answer_figures(listener: TcpListener, pages: Arc<Mutex<Pages>>) {
    thread::spawn(move || {
        http::serve(&listener, false, move |path| {
            let pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
            match path {
                "/metrics" => Some((http::PROMETHEUS, pages.prometheus.clone())),
                "/status" => Some((http::JSON, pages.json.clone())),
                "/" => Some((
                    http::PLAIN,
                    "sslcache agent: see /metrics and /status\n".to_owned(),
                )),
                _ => None,
            }
        });
    });
}

async fn run(state: State, socket: std::os::fd::OwnedFd) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::new("signals", error, "report this");
    let mut ends = (
        signal(SignalKind::terminate()).map_err(failed)?,
        signal(SignalKind::interrupt()).map_err(failed)?,
    );
    let mut hang_up = signal(SignalKind::hangup()).map_err(failed)?;
    let watchdog = state.manager.watchdog;
    let state = Rc::new(cell::RefCell::new(state));
    let wake = Rc::new(Notify::new());
    spawn_local(door::accept(
        door::listening(socket)?,
        state.clone(),
        wake.clone(),
    ));
    spawn_local(rounds(state.clone(), wake.clone()));
    spawn_local(clock(state.clone()));
    spawn_local(sweeps(state.clone(), wake.clone()));
    if let Some(period) = watchdog {
        let state = state.clone();
        spawn_local(async move {
            loop {
                state.borrow().manager.tell("WATCHDOG=1");
                sleep(period).await;
            }
        });
    }
    state.borrow().manager.tell("READY=1");
    log("at work");
    loop {
        tokio::select! {
            _ = ends.0.recv() => break,
            _ = ends.1.recv() => break,
            _ = hang_up.recv() => {
                let mut state = state.borrow_mut();
                state.manager.tell("RELOADING=1");
                match state.reload() {
                    Ok(()) => log("settings and keyring were read again"),
                    Err(failure) => log(format_args!("all stays as it was: {failure}")),
                }
                state.manager.tell("READY=1");
                wake.notify_one();
            }
        }
    }
    state.borrow().manager.tell("STOPPING=1");
    // What is published stays in the mailboxes until its end: a restart costs nothing.
    log("ended by a signal");
    Ok(ExitCode::SUCCESS)
}

async fn clock(state: Shared) {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        state.borrow_mut().tick(now());
    }
}

/// Gives up what no process has any more, each minute and when there is no room. Whether a process has a mailbox is asked in
/// another thread: the kernel may wait before it answers.
async fn sweeps(state: Shared, wake: Rc<Notify>) {
    let sweep_now = state.borrow().sweep_now.clone();
    loop {
        let _ = timeout(SWEEP, sweep_now.notified()).await;
        let questions = state.borrow().questions();
        let ask = move || -> Vec<Answered> {
            let questions = questions.iter();
            questions
                .map(|(whose, question)| (*whose, question.ask()))
                .collect()
        };
        let Ok(answers) = spawn_blocking(ask).await else {
            continue;
        };
        if state.borrow_mut().sweep(&answers, now()) {
            wake.notify_one();
        }
        // Those who fill the room do not have the question asked all the time.
        sleep(Duration::from_secs(1)).await;
    }
}

/// Rounds at the store, one after the other, for ever.
async fn rounds(state: Shared, wake: Rc<Notify>) {
    loop {
        let names: Vec<_> = state.borrow().spaces.keys().cloned().collect();
        let mut trouble = None;
        for name in names {
            let outcome = round(&state, &name).await;
            let mut state = state.borrow_mut();
            match outcome {
                Ok(refused) => {
                    state.figures.refused_keys += refused.len() as u64;
                    for reason in refused {
                        state.log_of_others(format_args!("not taken from the store: {reason}"));
                    }
                }
                Err(why) => trouble = Some(why),
            }
            state.publish(&name, now());
        }
        let rest = match &trouble {
            None => Duration::from_secs(ROUND),
            Some(_) => {
                let store = state.borrow().store.clone();
                let rest = store.rest().await.unwrap_or_default();
                rest.max(Duration::from_secs(1))
            }
        };
        state.borrow_mut().note(trouble.as_ref());
        let _ = timeout(rest, wake.notified()).await;
    }
}

/// A round for one namespace.
async fn round(state: &Shared, name: &str) -> Result<Vec<String>, Trouble> {
    let (store, keyring) = {
        let state = state.borrow();
        (state.store.clone(), state.keyring.clone())
    };
    let asked = Asked {
        store: &store,
        keyring: &keyring,
        namespace: name,
        answered: &|after| state.borrow_mut().figures.answered(after),
    };
    let place = InState { state, name };
    space::round(&asked, &place, now()).await
}

/// The schedule of a namespace.
struct InState<'a> {
    state: &'a Shared,
    name: &'a str,
}

impl Place for InState<'_> {
    fn with<T>(&self, action: impl FnOnce(&mut Schedule) -> T) -> Option<T> {
        let mut state = self.state.borrow_mut();
        let space = state.spaces.get_mut(self.name)?;
        Some(action(&mut space.schedule))
    }
}
