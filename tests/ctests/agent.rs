//! An agent for programs whose processes stand for the hosts of a fleet: it keeps their sessions in memory, in place of a store.

use sslcache::mailbox::{
    self, AgentEnd, EPOCH_SECONDS, FleetKey, FleetKeys, Heard, Hearing, News, OwnedRequest, Reply,
    Serving, SessionName, Slot, epoch_of,
};
use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often it looks for mailboxes and requests.
const TURN: Duration = Duration::from_millis(1);

/// How often it says that it is there, and gives up the mailboxes of processes that are gone.
const SWEEP: Duration = Duration::from_millis(200);

/// The agent, which ends with this value.
pub struct Agent {
    folder: PathBuf,
    is_over: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Agent {
    /// Starts one.
    pub fn start() -> Result<Self, String> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: only the uniqueness of the numbers matters.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ctests-fleet-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).map_err(|error| error.to_string())?;
        let path = folder.join("socket");
        let socket = mailbox::listen(&path).map_err(|error| error.to_string())?;
        let is_over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut fleet = Fleet {
                socket: path,
                ..Fleet::default()
            };
            while !ended.load(Ordering::Relaxed) {
                fleet.turn(&socket);
                thread::sleep(TURN);
            }
        });
        Ok(Self {
            folder,
            is_over,
            thread: Some(thread),
        })
    }

    /// The place of its socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(thread::JoinHandle::join);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What stands under the name of a session.
enum Kept {
    Session {
        is_used_once: bool,
        record: Vec<u8>,
    },
    /// It was removed, or used once.
    Gone,
}

struct Host {
    end: AgentEnd,
    hearing: Hearing,
    heard: Heard,
    news: u64,
}

/// The hosts and their sessions.
#[derive(Default)]
struct Fleet {
    socket: PathBuf,
    hosts: Vec<Host>,
    kept: BTreeMap<SessionName, Kept>,
    swept: Option<Instant>,
    /// How often it was asked for a session, and told of one.
    asked: u64,
    put: u64,
}

impl Fleet {
    fn turn(&mut self, socket: &OwnedFd) {
        self.greet(socket);
        let mut requests = Vec::new();
        for (number, host) in self.hosts.iter_mut().enumerate() {
            host.hearing.take(&mut host.heard, |slot, request| {
                requests.push((number, slot, request))
            });
        }
        // What is told comes first: a host may ask for what another one has told a moment before.
        let is_told = |request: &OwnedRequest| {
            !matches!(request, OwnedRequest::Look(_) | OwnedRequest::Take(_))
        };
        requests.sort_by_key(|(_, _, request)| !is_told(request));
        for (host, slot, request) in requests {
            self.obey(host, slot, request);
        }
        // Afterwards: what a process has told before its end counts.
        if self.swept.is_none_or(|swept| swept.elapsed() > SWEEP) {
            self.hosts.retain(|host| {
                let question = host.end.question();
                question.is_ok_and(|question| question.ask() != mailbox::Answer::Abandoned)
            });
            let now = now();
            self.hosts.iter().for_each(|host| host.end.beat(now));
            self.swept = Some(Instant::now());
        }
    }

    fn greet(&mut self, socket: &OwnedFd) {
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let none = std::ptr::null_mut();
        loop {
            // SAFETY: `socket` is a listening socket, and no address is asked for.
            let got = unsafe { libc::accept4(socket.as_raw_fd(), none, none.cast(), flags) };
            if got < 0 {
                return;
            }
            // SAFETY: the connection was made above and has no other owner.
            let connection = unsafe { OwnedFd::from_raw_fd(got) };
            let sent = loop {
                match mailbox::receive(connection.as_fd()) {
                    Ok(None) => thread::sleep(TURN),
                    Ok(Some((file, peer))) => {
                        break AgentEnd::of_peer(file).ok().map(|end| (end, peer.pid));
                    }
                    Err(_) => break None,
                }
            };
            let heard = sent.and_then(|(end, pid)| Some((end.hear().ok()?, end, pid)));
            if let Some((hearing, end, pid)) = heard {
                end.beat(now());
                publish(&end);
                end.serve(Serving {
                    sessions: true,
                    early_data: true,
                    rests: Duration::ZERO,
                });
                let (heard, news) = (Heard::default(), end.latest_news());
                self.hosts.push(Host {
                    end,
                    hearing,
                    heard,
                    news,
                });
                // The process waits for this.
                let _ = fs::write(self.beside_socket(&format!("met-{pid}")), "");
            }
        }
    }

    fn beside_socket(&self, what: &str) -> PathBuf {
        let mut path = self.socket.clone().into_os_string();
        path.push(format!("-{what}"));
        path.into()
    }

    fn obey(&mut self, host: usize, slot: Slot, request: OwnedRequest) {
        if let Some(number) = slot.owed() {
            self.hosts[host].hearing.settle_owed(number);
        }
        match request {
            OwnedRequest::Look(name) => self.answer(host, slot, &name, false),
            OwnedRequest::Take(name) => self.answer(host, slot, &name, true),
            OwnedRequest::Put {
                name,
                is_used_once,
                record,
                ..
            } => {
                let session = Kept::Session {
                    is_used_once,
                    record: record.to_vec(),
                };
                self.kept.entry(name).or_insert(session);
                self.put += 1;
                let _ = fs::write(self.beside_socket("put"), self.put.to_string());
            }
            OwnedRequest::Remove(name) => {
                self.kept.insert(name.clone(), Kept::Gone);
                self.tell(&News::Removed(name));
            }
            OwnedRequest::Doubt(number) => {
                let hearing = &self.hosts[host].hearing;
                number
                    .into_iter()
                    .for_each(|number| hearing.clear_doubt(number));
            }
            OwnedRequest::Damaged => {}
            OwnedRequest::Flush { realm, .. } => {
                self.kept.retain(|name, _| *name.realm() != realm);
                self.tell(&News::Flushed(realm));
            }
        }
    }

    fn tell(&mut self, news: &News) {
        for host in &mut self.hosts {
            host.end.tell_news(host.news, news);
            host.news += 1;
        }
    }

    fn answer(&mut self, host: usize, slot: Slot, name: &SessionName, takes: bool) {
        self.asked += 1;
        // The program reads how often the agent was asked.
        let _ = fs::write(self.beside_socket("asked"), self.asked.to_string());
        let hearing = &self.hosts[host].hearing;
        match self.kept.get_mut(name) {
            Some(kept) if is_for(kept, takes) => {
                if let Kept::Session { record, .. } = kept {
                    hearing.answer(slot, Reply::Found, record);
                }
                if takes {
                    *kept = Kept::Gone;
                }
            }
            _ => hearing.answer(slot, Reply::None, &[]),
        }
    }
}

fn is_for(kept: &Kept, takes: bool) -> bool {
    matches!(kept, Kept::Session { is_used_once, .. } if *is_used_once == takes)
}

/// The keys of this hour and the next.
fn publish(end: &AgentEnd) {
    let mut keys = FleetKeys::default();
    for ahead in 0..2_u8 {
        let epoch = epoch_of(now()) + u64::from(ahead);
        keys.push(&FleetKey {
            epoch,
            until: (epoch as i64 + 25) * EPOCH_SECONDS,
            name: [ahead; 16],
            secret: [100 + ahead; 32],
            makes: true,
        });
    }
    if let Some(mailbox) = end.open() {
        mailbox.publish(&keys);
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}
