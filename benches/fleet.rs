//! What a session of another host costs: a look-up through the agent beside the store's own round trip, idle and with busy
//! processors; puts a second; look-ups while the store or the agent does not answer; early data at four hosts at once.
//!
//! `make bench-fleet` gives it the staged tree. The hosts are four agents with one Redis; this process plays their servers.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};
use std::{env, process, thread};

use sslcache::mailbox::{self, Mailbox, Request, SessionName};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const HOSTS: usize = 4;
const ROUNDS: u32 = 1000;
const LOOK_UPS: u32 = 5000;
const PUTS: u32 = 100_000;
/// About what a session takes as DER, with the tag of its connections.
const RECORD: [u8; 232] = [0x30; 232];
/// The usual wait of a handshake.
const WAIT: Duration = Duration::from_millis(2);

/// A process that ends with the measurement.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Ended {
    fn signal(&self, signal: i32) {
        // SAFETY: kill takes two numbers; the child has not been waited for, so that the number is its own.
        unsafe { libc::kill(self.0.id() as i32, signal) };
    }
}

/// The folder of all files, removed on drop.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left is in the folder for temporary files.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) -> Outcome {
    let start = Instant::now();
    while !is_there() {
        if start.elapsed() > Duration::from_secs(20) {
            return Err(format!("{what} does not come").into());
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn now() -> Outcome<i64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(since.as_secs().try_into()?)
}

fn name(what: &str, number: u32) -> Outcome<SessionName> {
    let id = format!("{what}{number}");
    SessionName::new([7; 32], 0x304, id.as_bytes()).ok_or_else(|| "no name".into())
}

/// Puts a session, waiting for room while there is none.
fn put(mailbox: &Mailbox, name: &SessionName, is_used_once: bool) -> Outcome {
    let made = now()?;
    let put = Request::Put {
        name,
        made,
        expiry: made + 600,
        is_used_once,
        record: &RECORD,
    };
    let start = Instant::now();
    while mailbox.tell(&put).is_err() {
        if start.elapsed() > Duration::from_secs(20) {
            return Err("the agent takes no session".into());
        }
        // The agent and the store have the processors meanwhile.
        thread::sleep(Duration::from_micros(50));
    }
    Ok(())
}

fn look(mailbox: &Mailbox, name: &SessionName, most: Duration) -> bool {
    let mut record = Vec::new();
    mailbox
        .ask(&Request::Look(name), most, &mut record)
        .is_ok_and(|found| found)
}

/// The median, the 99th percentile and the longest.
fn times(what: &str, mut once: impl FnMut() -> Outcome) -> Outcome {
    let mut taken = Vec::new();
    for _ in 0..LOOK_UPS {
        let start = Instant::now();
        once()?;
        taken.push(start.elapsed());
    }
    taken.sort();
    let at = |part: usize| taken[(taken.len() - 1) * part / 100].as_secs_f64() * 1e6;
    println!(
        "  {what:<44} {:>9.1} {:>9.1} {:>9.1}",
        at(50),
        at(99),
        at(100)
    );
    Ok(())
}

/// A GET at the Redis itself, of a value about as long as a sealed session.
fn raw(store: &mut UnixStream) -> Outcome {
    store.write_all(b"*2\r\n$3\r\nGET\r\n$5\r\nbench\r\n")?;
    let mut answer = [0; 1024];
    match store.read(&mut answer)? {
        0 => Err("the Redis is gone".into()),
        _ => Ok(()),
    }
}

/// How many values the Redis has.
fn sessions_in(store: &mut UnixStream) -> Outcome<u32> {
    store.write_all(b"*1\r\n$6\r\nDBSIZE\r\n")?;
    let mut answer = [0; 64];
    let len = store.read(&mut answer)?;
    let answer = str::from_utf8(&answer[..len])?;
    let number = answer.trim().strip_prefix(':');
    Ok(number
        .ok_or("the Redis does not say how much it has")?
        .parse()?)
}

fn both(mailbox: &Mailbox, store: &mut UnixStream, how: &str) -> Outcome {
    let session = name("look", 0)?;
    times(&format!("{how}: GET at the Redis"), || raw(store))?;
    let mut missed = 0;
    times(&format!("{how}: look-up through the agent"), || {
        missed += u32::from(!look(mailbox, &session, Duration::from_secs(1)));
        Ok(())
    })?;
    println!("    not found: {missed} of {LOOK_UPS}");
    Ok(())
}

/// Look-ups with something that does not answer: how many were asked late, and what the rest took.
fn without(mailbox: &Mailbox, what: &str) -> Outcome {
    let session = name("look", 0)?;
    let start = Instant::now();
    let mut taken = Vec::new();
    while start.elapsed() < Duration::from_secs(5) {
        let one = Instant::now();
        // As the library does it.
        if mailbox.is_served() {
            look(mailbox, &session, WAIT);
        }
        taken.push(one.elapsed());
        thread::sleep(Duration::from_micros(200));
    }
    let late = taken.iter().filter(|&&one| one > WAIT / 2).count();
    taken.sort();
    let micros = |one: Duration| one.as_secs_f64() * 1e6;
    println!(
        "  {what:<44} {:>9.2} {:>9.1} {late:>6} of {}",
        micros(taken[taken.len() / 2]),
        micros(taken[taken.len() - 1]),
        taken.len()
    );
    Ok(())
}

fn early_data(mailboxes: &[Mailbox]) -> Outcome {
    let (mut once, mut never, mut twice) = (0, 0, 0);
    for round in 0..ROUNDS {
        let session = name("once", round)?;
        put(&mailboxes[0], &session, true)?;
        // The put is on its way: half of the rounds meet it there.
        thread::sleep(Duration::from_micros(u64::from(round % 2) * 5000));
        let start = Barrier::new(mailboxes.len());
        let take = |mailbox: &Mailbox| {
            start.wait();
            let mut record = Vec::new();
            let answer = mailbox.ask(
                &Request::Take(&session),
                Duration::from_secs(1),
                &mut record,
            );
            answer.is_ok_and(|found| found)
        };
        let taken = thread::scope(|scope| {
            let asked: Vec<_> = mailboxes
                .iter()
                .map(|mailbox| scope.spawn(|| take(mailbox)))
                .collect();
            asked
                .into_iter()
                .map(|one| one.join().unwrap_or(false))
                .filter(|&taken| taken)
                .count()
        });
        match taken {
            0 => never += 1,
            1 => once += 1,
            _ => twice += 1,
        }
    }
    println!(
        "  early data at {HOSTS} hosts at once, {ROUNDS} rounds: once {once}, never {never}, twice or more {twice}"
    );
    match twice {
        0 if once > 0 => Ok(()),
        _ => Err("early data was not taken once".into()),
    }
}

/// The way to the Redis, on which each answer takes so long.
fn slow_way(folder: &Path, delay: Duration) -> Outcome {
    let (at, store) = (folder.join("slow.sock"), folder.join("store.sock"));
    let listener = UnixListener::bind(at)?;
    thread::spawn(move || {
        for asker in listener.incoming().flatten() {
            let Ok(store) = UnixStream::connect(&store) else {
                return;
            };
            let (Ok(back), Ok(answers)) = (asker.try_clone(), store.try_clone()) else {
                return;
            };
            thread::spawn(move || pass_on(asker, store, Duration::ZERO));
            thread::spawn(move || pass_on(answers, back, delay));
        }
    });
    Ok(())
}

/// Passes bytes on until one side ends, which ends the other.
fn pass_on(mut from: UnixStream, mut to: UnixStream, delay: Duration) {
    let mut bytes = [0; 4096];
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        thread::sleep(delay);
        if to.write_all(&bytes[..len]).is_err() {
            return;
        }
    }
    // It may be closed already, which is as good.
    let _ = to.shutdown(Shutdown::Both);
}

fn agent(stage: &Path, folder: &Path, host: usize, store: &str) -> Outcome<(Ended, Mailbox)> {
    let socket = folder.join(format!("{host}.sock"));
    let settings = folder.join(format!("{host}.toml"));
    let (socket_name, at) = (socket.display(), folder.display());
    fs::write(
        &settings,
        format!(
            "socket = \"{socket_name}\"\n[store]\nurl = \"unix://{at}/{store}\"\n[keys]\nring = \"{at}/keys\"\n\
             [sessions]\nearly_data = true\n"
        ),
    )?;
    let child = Command::new(stage.join("bin/sslcache"))
        .args(["agent", "--config"])
        .arg(&settings)
        .stderr(Stdio::null())
        .spawn()?;
    let child = Ended(child);
    wait_for("an agent", || socket.exists())?;
    let (mailbox, file) = Mailbox::make()?;
    mailbox::send(&socket, file.as_fd())?;
    wait_for("service of sessions", || mailbox.is_served())?;
    Ok((child, mailbox))
}

fn main() -> Outcome {
    let stage = env::var_os("SSLCACHE_STAGE").ok_or("SSLCACHE_STAGE names the staged tree")?;
    let stage = PathBuf::from(stage);
    let folder = Folder(env::temp_dir().join(format!("sslcache-fleet.{}", process::id())));
    let at = &folder.0;
    fs::create_dir(at)?;
    let store = Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
        .arg(at)
        .arg("--unixsocket")
        .arg(at.join("store.sock"))
        .stdout(Stdio::null())
        .spawn()?;
    let store = Ended(store);
    wait_for("the Redis", || {
        UnixStream::connect(at.join("store.sock")).is_ok()
    })?;
    let key = Command::new(stage.join("bin/sslcache"))
        .args(["agent", "key", "new"])
        .output()?;
    fs::write(at.join("keys"), key.stdout)?;
    fs::set_permissions(at.join("keys"), fs::Permissions::from_mode(0o600))?;
    let mut agents = Vec::new();
    let mut mailboxes = Vec::new();
    for host in 0..HOSTS {
        let (child, mailbox) = agent(&stage, at, host, "store.sock")?;
        agents.push(child);
        mailboxes.push(mailbox);
    }

    let mut raw_store = UnixStream::connect(at.join("store.sock"))?;
    let value = "v".repeat(RECORD.len() + 150);
    raw_store.write_all(format!("SET bench {value}\r\n").as_bytes())?;
    raw_store.read_exact(&mut [0; 5])?;
    let session = name("look", 0)?;
    put(&mailboxes[0], &session, false)?;
    wait_for("the session", || {
        look(&mailboxes[1], &session, Duration::from_secs(1))
    })?;
    println!("  {:<44} {:>9} {:>9} {:>9}", "µs", "p50", "p99", "most");
    both(&mailboxes[1], &mut raw_store, "idle")?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, |count| count.get()) {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let measured = both(&mailboxes[1], &mut raw_store, "busy");
        stop.store(true, Relaxed);
        measured
    })?;

    let before = sessions_in(&mut raw_store)?;
    let start = Instant::now();
    for number in 0..PUTS {
        put(&mailboxes[0], &name("put", number)?, false)?;
    }
    let told = start.elapsed();
    let (mut stored, mut last) = (sessions_in(&mut raw_store)?, 0);
    while stored > last {
        thread::sleep(Duration::from_millis(5));
        (last, stored) = (stored, sessions_in(&mut raw_store)?);
    }
    let stored = stored - before;
    let whole = start.elapsed().as_secs_f64();
    println!(
        "  puts through one agent: {PUTS} told in {:.2} s, {stored} stored in {whole:.2} s: {:.0} a second",
        told.as_secs_f64(),
        f64::from(stored) / whole
    );
    early_data(&mailboxes)?;

    println!("  {:<44} {:>9} {:>9} late", "µs", "p50", "most");
    wait_for("service after the takes", || mailboxes[1].is_served())?;
    without(&mailboxes[1], "nothing the matter")?;
    slow_way(at, Duration::from_millis(50))?;
    let (_slow, behind) = agent(&stage, at, HOSTS, "slow.sock")?;
    without(&behind, "each answer of the Redis 50 ms late")?;
    store.signal(libc::SIGSTOP);
    without(&mailboxes[1], "the Redis stopped")?;
    store.signal(libc::SIGCONT);
    agents[2].signal(libc::SIGSTOP);
    without(&mailboxes[2], "the agent stopped")?;
    agents[2].signal(libc::SIGCONT);
    drop(agents.remove(3));
    without(&mailboxes[3], "the agent killed")?;
    drop(store);
    without(&mailboxes[1], "the Redis killed")
}
