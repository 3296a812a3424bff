//! A redis-server, the agents of hosts, and servers that take part: as the tests have them.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use sslcache::mailbox::{self, FleetKeys, Mailbox};

use crate::tool::{Folder, Outcome, Tool, is_root, wait_for};

/// A redis-server on a socket in the folder; it ends on drop.
pub struct Redis {
    child: Child,
}

impl Redis {
    /// Whether there is one on this machine.
    pub fn is_here() -> bool {
        let folders = ["/usr/bin", "/usr/local/bin"];
        let is_here = folders
            .iter()
            .any(|folder| Path::new(folder).join("redis-server").exists());
        if !is_here {
            eprintln!("agent: left out: there is no redis-server here");
        }
        is_here
    }

    pub fn start(folder: &Folder) -> Result<Self, Box<dyn Error>> {
        let socket = folder.file("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--dir"])
            .arg(&folder.0)
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()?;
        let redis = Self { child };
        wait_for("a redis-server", || UnixStream::connect(&socket).is_ok())?;
        Ok(redis)
    }
}

impl Redis {
    /// Kills it, and starts it with what it has saved.
    pub fn restart(&mut self, folder: &Folder) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        *self = Self::start(folder)?;
        Ok(())
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the child has not been waited for, so that the number is its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The files of a host: its settings and its keyring.
pub struct Host {
    pub settings: PathBuf,
    pub socket: PathBuf,
    pub ring: PathBuf,
    /// The address of its store.
    pub store: String,
}

impl Host {
    /// A host of this name with the store in the folder, the keyring that is there, and more settings.
    pub fn new(
        folder: &Folder,
        name: &str,
        first: &str,
        last: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let host = Self {
            settings: folder.file(&format!("{name}.toml")),
            socket: folder.file(&format!("{name}.sock")),
            ring: folder.file("keyring"),
            store: format!("unix://{}", folder.file("redis.sock").display()),
        };
        host.write(first, last)?;
        Ok(host)
    }

    /// Writes its settings, those at the top and those at the end.
    pub fn write(&self, first: &str, last: &str) -> Result<(), Box<dyn Error>> {
        let mut text = String::new();
        writeln!(text, "socket = {:?}\n{first}", self.socket)?;
        writeln!(text, "[store]\nurl = {:?}", self.store)?;
        writeln!(text, "[keys]\nring = {:?}\n{last}", self.ring)?;
        Ok(fs::write(&self.settings, text)?)
    }

    /// The same with the settings that are there, which `sslcache agent` is started with.
    pub fn start(&self, tool: &Tool) -> Result<Agent, Box<dyn Error>> {
        let agent = Agent::start(self.command(tool))?;
        wait_for("the agent", || agent.has_said("at work"))?;
        Ok(agent)
    }

    pub fn command(&self, tool: &Tool) -> Command {
        // Not by timeout(1), so that the child is the agent itself.
        let mut command = Command::new(tool.stage.join("bin/sslcache"));
        command
            .env_clear()
            .arg("agent")
            .arg("--config")
            .arg(&self.settings);
        command
    }
}

/// A folder that other users can enter, with a Redis and a keyring for the hosts that are made in it.
pub struct Site {
    pub redis: Redis,
    pub folder: Folder,
}

impl Site {
    /// `None` if the Redis is not installed, or if the test `needs_root` and is not root's: there is nothing to be seen then.
    pub fn new(tool: &Tool, needs_root: bool) -> Result<Option<Self>, Box<dyn Error>> {
        if !Redis::is_here() || needs_root && !is_root() {
            return Ok(None);
        }
        let folder = Folder::new()?;
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755))?;
        let redis = Redis::start(&folder)?;
        make_keyring(tool, &folder)?;
        Ok(Some(Self { folder, redis }))
    }

    /// A host of this name, with more settings at the end.
    pub fn host(&self, name: &str, last: &str) -> Result<Host, Box<dyn Error>> {
        Host::new(&self.folder, name, "", last)
    }
}

/// Puts a new keyring into the folder.
pub fn make_keyring(tool: &Tool, folder: &Folder) -> Result<(), Box<dyn Error>> {
    let key = tool.say(&folder.0, &["agent", "key", "new"])?;
    let ring = folder.file("keyring");
    File::create(&ring)?.set_permissions(fs::Permissions::from_mode(0o600))?;
    Ok(fs::write(ring, key.out)?)
}

/// An agent at work. It is killed on drop.
pub struct Agent {
    pub child: Child,
    log: Arc<Mutex<String>>,
}

impl Agent {
    pub fn start(mut command: Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let lines = BufReader::new(child.stderr.take().ok_or("no stderr")?).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let written = log.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                *written.lock().unwrap() += &(line + "\n");
            }
        });
        Ok(Self { child, log })
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn has_said(&self, what: &str) -> bool {
        self.log().contains(what)
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: the child has not been waited for, so that the number is its own.
        unsafe { libc::kill(self.child.id() as i32, signal) };
    }

    /// How many descriptors it has.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        fs::read_dir(folder).map_or(0, Iterator::count)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A key as a server sees it: its epoch, its name, its secret, whether it makes tickets.
pub type Seen = (u64, [u8; 16], [u8; 32], bool);

/// A server that takes part.
pub struct Server(pub Mailbox);

impl Server {
    /// A server of this process's user.
    pub fn join(socket: &Path) -> Result<Self, Box<dyn Error>> {
        let (mailbox, file) = Mailbox::make()?;
        mailbox::send(socket, file.as_fd())?;
        Ok(Self(mailbox))
    }

    /// A server of another user, for which this process has to be root.
    pub fn join_as(socket: &Path, uid: u32) -> Result<Self, Box<dyn Error>> {
        as_user(uid, || {
            Self::join(socket).map_err(|error| error.to_string())
        })?
        .map_err(Into::into)
    }

    /// The keys that are in its mailbox now.
    pub fn keys(&self) -> Vec<Seen> {
        let mut keys = FleetKeys::default();
        self.0.read_keys(&mut keys);
        let seen = keys
            .iter()
            .map(|key| (key.epoch, key.name, key.secret, key.makes));
        seen.collect()
    }

    /// Waits for the keys of three epochs.
    pub fn wait(&self) -> Result<Vec<Seen>, Box<dyn Error>> {
        wait_for("keys", || {
            self.keys().iter().filter(|key| key.3).count() >= 3
        })?;
        Ok(self.keys())
    }
}

/// Runs something as another user, in a thread: the kernel's call changes the user of a thread only, unlike that of the C
/// library.
pub fn as_user<T: Send>(uid: u32, action: impl FnOnce() -> T + Send) -> Result<T, Box<dyn Error>> {
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            // SAFETY: the call takes no pointer, and this thread ends with the action.
            let set = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
            assert_eq!(set, 0);
            action()
        });
        thread
            .join()
            .map_err(|_| "the user cannot be changed".into())
    })
}
