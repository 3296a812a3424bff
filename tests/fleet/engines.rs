//! Starts servers of Redis, Valkey and memcached, and sentinels, on free ports of 127.0.0.1; each ends with its value.

use std::error::Error;
use std::fs;
use std::future::Future;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::agent::store::{Said, Store, StoreConfig};
use crate::keyring::Folder;

/// Longer than any of these servers takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server with a folder of its own.
pub struct Engine {
    command: Vec<String>,
    child: Child,
    pub port: u16,
    pub folder: Folder,
}

impl Engine {
    /// Starts `program`, a redis-server or valkey-server, with these arguments after the usual ones.
    pub fn redis(program: &str, arguments: &[&str]) -> Result<Self, Box<dyn Error>> {
        Self::start(|port, folder| {
            let folder = folder.display().to_string();
            let port = port.to_string();
            let usual = [
                program,
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--dir",
                &folder,
                "--save",
                "",
                "--appendonly",
                "no",
            ];
            // What a test does must not depend on the disk of this machine.
            let more = ["--repl-diskless-sync-delay", "0", "--logfile", "log"];
            let all = usual.iter().chain(&more).chain(arguments);
            all.map(|word| word.to_string()).collect()
        })
    }

    /// Starts a sentinel with these lines of configuration.
    pub fn sentinel(lines: &str) -> Result<Self, Box<dyn Error>> {
        let folder = Folder::new()?;
        let config = folder.file("sentinel.conf", lines.as_bytes())?;
        let mut sentinel = Self::start(|port, own| {
            let config = config.display().to_string();
            let (port, own) = (port.to_string(), own.display().to_string());
            [
                "redis-sentinel",
                &config,
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--dir",
                &own,
                "--logfile",
                "log",
            ]
            .map(String::from)
            .to_vec()
        })?;
        // The sentinel rewrites its file.
        sentinel.folder = folder;
        Ok(sentinel)
    }

    /// Starts a memcached.
    pub fn memcached() -> Result<Self, Box<dyn Error>> {
        Self::start(|port, _| {
            let port = port.to_string();
            [
                "memcached",
                "-l",
                "127.0.0.1",
                "-p",
                &port,
                "-U",
                "0",
                "-u",
                "nobody",
                "-m",
                "64",
            ]
            .map(String::from)
            .to_vec()
        })
    }

    fn start(command: impl Fn(u16, &Path) -> Vec<String>) -> Result<Self, Box<dyn Error>> {
        // Another program may take the port before the server does.
        for _ in 0..5 {
            let folder = Folder::new()?;
            let port = free_port()?;
            let command = command(port, folder.path());
            let child = spawn(&command)?;
            let mut engine = Self {
                command,
                child,
                port,
                folder,
            };
            if engine.is_up()? {
                return Ok(engine);
            }
        }
        Err("no server starts".into())
    }

    /// Waits until the server answers; false if it ended instead.
    fn is_up(&mut self) -> io::Result<bool> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(false);
            }
            if answers(self.port) {
                return Ok(true);
            }
            sleep(Duration::from_millis(10));
        }
        Ok(false)
    }

    /// Kills the server, and waits for its end.
    pub fn end(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Starts the server again, at the same port, after it was ended.
    pub fn again(&mut self) -> Result<(), Box<dyn Error>> {
        self.child = spawn(&self.command)?;
        match self.is_up()? {
            true => Ok(()),
            false => Err("the server does not start again".into()),
        }
    }

    /// Stops the server, all of its threads.
    pub fn stop(&self) -> Result<(), Box<dyn Error>> {
        self.signal(libc::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        wait_until("the server stops", || {
            let threads = fs::read_dir(&tasks).into_iter().flatten().flatten();
            let mut states = threads.map(|thread| fs::read_to_string(thread.path().join("stat")));
            states.all(|state| state.is_ok_and(|state| state.contains(") T ")))
        })
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child is not yet waited for, so the number is its own.
        unsafe { libc::kill(self.child.id().cast_signed(), signal) };
    }

    /// Says a command to a Redis, and returns the answer, lists with spaces between.
    pub fn say(&self, words: &[&str]) -> Result<String, Box<dyn Error>> {
        self.say_all(&[words])
    }

    /// The same after the password.
    pub fn say_as(&self, password: &str, words: &[&str]) -> Result<String, Box<dyn Error>> {
        self.say_all(&[&["AUTH", password], words])
    }

    /// Says one command after another over one connection, and returns the last answer.
    fn say_all(&self, commands: &[&[&str]]) -> Result<String, Box<dyn Error>> {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", self.port))?);
        stream.get_ref().set_read_timeout(Some(PATIENCE))?;
        let mut said = String::new();
        for words in commands {
            let mut command = format!("*{}\r\n", words.len());
            for word in *words {
                command += &format!("${}\r\n{word}\r\n", word.len());
            }
            stream.get_mut().write_all(command.as_bytes())?;
            said = answer(&mut stream)?;
        }
        Ok(said)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.end();
    }
}

/// Whether something at this port answers, and be it that it does not know the command: memcached has no PING.
fn answers(port: u16) -> bool {
    let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"PING\r\n")?;
        stream.read(&mut [0])
    });
    asked.is_ok_and(|read| read > 0)
}

fn spawn(command: &[String]) -> io::Result<Child> {
    let mut child = Command::new(&command[0]);
    child
        .args(&command[1..])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
    child.env("PATH", path).spawn()
}

/// A port that is free, as is the one of a cluster's bus beside it.
pub fn free_port() -> io::Result<u16> {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        if port < 55_000 && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return Ok(port);
        }
    }
}

fn answer(stream: &mut impl BufRead) -> Result<String, Box<dyn Error>> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let (kind, rest) = line.trim_end().split_at_checked(1).ok_or("no answer")?;
    match kind {
        "$" if rest == "-1" => Ok(String::new()),
        "$" => {
            let mut value = vec![0; rest.parse::<usize>()? + 2];
            stream.read_exact(&mut value)?;
            value.truncate(value.len() - 2);
            Ok(String::from_utf8_lossy(&value).into_owned())
        }
        "*" => {
            let parts: Result<Vec<_>, _> = (0..rest.parse()?).map(|_| answer(stream)).collect();
            Ok(parts?.join(" "))
        }
        _ => Ok(rest.into()),
    }
}

/// Waits until `holds`, which is asked again and again; fails with `what`.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), Box<dyn Error>> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            return Err(format!("{what}: not within {PATIENCE:?}").into());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The store at this address, with time-outs that are short, but not for a busy machine.
pub fn config(url: &str) -> StoreConfig {
    let mut config = StoreConfig::at(vec![url.into()]);
    config.connect_timeout = Duration::from_secs(5);
    config.timeout = Duration::from_secs(5);
    config
}

/// The same, made.
pub fn store(config: &StoreConfig) -> Result<Store, Box<dyn Error>> {
    Store::new(config).map_err(|failure| failure.to_string().into())
}

/// Runs a test as the agent runs: on one thread.
pub fn run<T>(test: impl Future<Output = T>) -> io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    Ok(runtime.enable_all().build()?.block_on(test))
}

/// What is said if there is no trouble, else the trouble as an error of the test.
pub fn fine<T>(said: Said<T>) -> Result<T, Box<dyn Error>> {
    said.map_err(|trouble| trouble.to_string().into())
}

/// The user that servers are to have in the store, as arguments of its program: it may these commands, and what follows.
pub const USER: [&str; 10] = [
    "--user",
    "shop",
    "on",
    ">hunter2",
    "~sslc:*",
    "resetchannels",
    "-@all",
    "+get",
    "+set",
    "+incr",
];

/// An hour.
pub const HOUR: Duration = Duration::from_secs(3600);

/// What every store does, by one host and by several at once.
pub async fn keeps_the_first(config: &StoreConfig) -> Result<(), Box<dyn Error>> {
    use crate::ensure;
    let (one, other) = (store(config)?, store(config)?);
    let name = "sslc:1:k:first";
    let found = fine(one.get(name).await)?;
    ensure!(
        found.is_none(),
        "there is {found:?} before anything was put"
    );
    // Bytes that end lines, texts and C strings.
    let value: Vec<u8> = (0..=255).chain(*b"\r\nEND\r\n\0").collect();
    for (store, own) in [(&one, &value[..]), (&other, b"another"), (&one, b"")] {
        let stands = fine(store.put_if_absent(name, own, HOUR).await)?;
        ensure!(stands == value, "{stands:?} stands there");
        let found = fine(store.get(name).await)?;
        ensure!(found.as_ref() == Some(&value), "found {found:?}");
    }
    let stores: Result<Vec<_>, _> = (0..20).map(|_| store(config)).collect();
    let mut racing = tokio::task::JoinSet::new();
    for (number, store) in stores?.into_iter().enumerate() {
        let own = format!("value {number}");
        racing.spawn(async move {
            store
                .put_if_absent("sslc:1:k:race", own.as_bytes(), HOUR)
                .await
        });
    }
    let mut stand = std::collections::BTreeSet::new();
    while let Some(stands) = racing.join_next().await {
        stand.insert(fine(stands?)?);
    }
    ensure!(
        stand.len() == 1,
        "{} values stand under one name",
        stand.len()
    );
    Ok(())
}
