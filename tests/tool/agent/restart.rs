//! An agent that ends and is started again, by a service manager that keeps its descriptors.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use sslcache::mailbox;
use sslcache::sys::rights;

use super::server::{Agent, Host, Redis, Server, Site, make_keyring};
use crate::tool::{Folder, Outcome, Tool, wait_for};

/// What a service manager does, as far as the agent sees it.
pub struct Manager {
    socket: UnixDatagram,
    kept: BTreeMap<String, OwnedFd>,
    said: String,
}

impl Manager {
    pub fn new(folder: &Folder) -> Result<Self, Box<dyn Error>> {
        let socket = UnixDatagram::bind(folder.file("notify"))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        Ok(Self {
            socket,
            kept: BTreeMap::new(),
            said: String::new(),
        })
    }

    /// Takes what the agent has sent, until there is nothing more.
    pub fn listen(&mut self) {
        while let Some((text, file)) = self.take() {
            let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
            match (name, file) {
                (Some(name), Some(file)) if text.contains("FDSTORE=1") => {
                    self.kept.insert(name.to_owned(), file);
                }
                (Some(name), _) if text.contains("FDSTOREREMOVE=1") => {
                    self.kept.remove(name);
                }
                _ => {}
            }
            self.said += &(text + "\n");
        }
    }

    fn take(&self) -> Option<(String, Option<OwnedFd>)> {
        let mut text = [0_u8; 4096];
        let received = rights::receive(self.socket.as_fd(), &mut text, 0).ok()?;
        let said = String::from_utf8_lossy(&text[..received.bytes]).into_owned();
        Some((said, received.files.into_iter().next()))
    }

    fn waits_for(&mut self, what: &str) -> Outcome {
        wait_for(what, || {
            self.listen();
            self.said.contains(what)
        })
    }

    /// Starts the agent with what is kept, and more.
    pub fn start(
        &self,
        host: &Host,
        tool: &Tool,
        folder: &Folder,
        more: Vec<(&str, OwnedFd)>,
    ) -> Result<Agent, Box<dyn Error>> {
        let agent = host.command(tool);
        // The agent has to have the id that the variable names.
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh"])
            .arg(agent.get_program())
            .args(agent.get_args());
        let kept = self
            .kept
            .iter()
            .map(|(name, file)| (name.as_str(), file.as_raw_fd()));
        let more_raw = more.iter().map(|(name, file)| (*name, file.as_raw_fd()));
        let (names, files): (Vec<_>, Vec<_>) = kept.chain(more_raw).unzip();
        command
            .env_clear()
            .env("NOTIFY_SOCKET", folder.file("notify"));
        command
            .env("LISTEN_FDS", files.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"));
        // SAFETY: only calls that are allowed between fork and exec.
        unsafe {
            command.pre_exec(move || {
                // Out of the way first, as the numbers may overlap.
                let mut away = [0; 64];
                for (away, file) in away.iter_mut().zip(&files) {
                    *away = libc::fcntl(*file, libc::F_DUPFD_CLOEXEC, 500);
                }
                for (number, away) in away.iter().take(files.len()).enumerate() {
                    if libc::dup2(*away, 3 + number as i32) < 0 {
                        return Err(io::Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
        Agent::start(command)
    }
}

pub fn kill(agent: &mut Agent) -> Outcome {
    agent.child.kill()?;
    agent.child.wait()?;
    Ok(())
}

pub fn killed(tool: &Tool) -> Outcome {
    if !Redis::is_here() {
        return Ok(());
    }
    let folder = Folder::new()?;
    let mut redis = Some(Redis::start(&folder)?);
    make_keyring(tool, &folder)?;
    let host = Host::new(&folder, "a", "", "")?;
    let mut manager = Manager::new(&folder)?;
    let mut agent = manager.start(&host, tool, &folder, Vec::new())?;
    manager.waits_for("READY=1")?;
    let servers = [Server::join(&host.socket)?, Server::join(&host.socket)?];
    let keys = servers[0].wait()?;
    servers[1].wait()?;
    manager.waits_for("STATUS=2 mailboxes, 1 of 1 namespaces have a key; unix://")?;
    let kept = |manager: &Manager| {
        manager
            .kept
            .keys()
            .filter(|name| name.starts_with("mailbox-"))
            .count()
    };
    assert_eq!(kept(&manager), 2);
    let [stays, goes] = servers;
    // The one that has gone meanwhile is given up.
    drop(goes);
    kill(&mut agent)?;
    // What somebody else has put there is no mailbox.
    let null = || File::open("/dev/null").map(OwnedFd::from);
    let odd = || -> io::Result<_> {
        Ok(vec![
            ("mailbox-0-1-00", null()?),
            ("mailbox-x", null()?),
            ("odd", null()?),
        ])
    };
    manager.said.clear();
    // The store is away: the agent goes on from the keys that it had.
    redis.take();
    let mut agent = manager.start(&host, tool, &folder, odd()?)?;
    manager.waits_for("STATUS=1 mailboxes, 1 of 1 namespaces have a key; unix://")?;
    assert_eq!(kept(&manager), 1);
    assert_eq!(stays.keys(), keys);
    assert_eq!(Server::join(&host.socket)?.wait()?, keys);
    kill(&mut agent)?;
    // Without these, what servers have stays.
    manager.listen();
    manager.kept.insert("keys".into(), null()?);
    let published = stays.0.published();
    manager.said.clear();
    let agent = manager.start(&host, tool, &folder, odd()?)?;
    manager.waits_for("mailboxes, 0 of 1 namespaces have a key")?;
    assert_eq!((stays.0.published(), stays.keys()), (published, keys));
    let beat = stays.0.last_beat();
    wait_for("a beat", || stays.0.last_beat() > beat)?;
    // With the store, which is empty, there are new keys.
    let redis = Redis::start(&folder)?;
    wait_for("new keys", || stays.0.published() > published)?;
    let keys = stays.wait()?;
    // The namespace of the user changes while there is no agent: the keys are wiped at once.
    agent.signal(libc::SIGTERM);
    manager.waits_for("STOPPING=1")?;
    drop((agent, redis));
    assert_eq!(stays.keys(), keys);
    // SAFETY: geteuid has no preconditions.
    let own = unsafe { libc::geteuid() };
    let other = format!("[[namespace]]\nname = \"other\"\nusers = [{own}]\n");
    host.write("", &other)?;
    let _agent = manager.start(&host, tool, &folder, Vec::new())?;
    wait_for("no keys", || stays.keys().is_empty())
}

pub fn sockets(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, false)? else {
        return Ok(());
    };
    let host = site.host("a", "")?;
    // Of a socket unit: it is used, and stays when the agent ends.
    let listening = mailbox::listen(&host.socket)?;
    let mut manager = Manager::new(&site.folder)?;
    let early = Server::join(&host.socket)?;
    let mut agent = manager.start(
        &host,
        tool,
        &site.folder,
        vec![("sslcache-agent.socket", listening)],
    )?;
    early.wait()?;
    manager.listen();
    agent.signal(libc::SIGTERM);
    assert!(agent.child.wait()?.success());
    assert!(host.socket.exists());
    // Nobody listens there any more: it is replaced.
    let mut agent = host.start(tool)?;
    let server = Server::join(&host.socket)?;
    server.wait()?;
    // Two on one socket.
    let second = crate::tool::said(&mut host.command(tool))?;
    assert_eq!(second.code, 2);
    assert!(
        second.err.contains("another agent listens there"),
        "{}",
        second.err
    );
    agent.signal(libc::SIGTERM);
    assert!(agent.child.wait()?.success());
    assert!(!host.socket.exists());
    // What was published stays.
    assert!(!server.keys().is_empty());
    Ok(())
}
