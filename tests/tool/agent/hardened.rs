//! An agent as its unit runs it: another user than the servers', without any capability, and its memory closed to others.

use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{fs, io};

use sslcache::mailbox::{self, Request};

use super::server::{Agent, Host, Site};
use super::sessions::{REALM, SETTINGS, look, name, put, served};
use crate::tool::{Outcome, Tool, wait_for};

const NOBODY: u32 = 65534;

pub fn other_user(tool: &Tool) -> Outcome {
    let Some(site) = Site::new(tool, true)? else {
        return Ok(());
    };
    // A folder of its own for the socket, and a keyring that only it can read.
    let own = site.folder.file("own");
    fs::create_dir(&own)?;
    let ring = own.join("keyring");
    fs::copy(site.folder.file("keyring"), &ring)?;
    for path in [&own, &ring] {
        chown(path, Some(NOBODY), Some(NOBODY))?;
    }
    fs::set_permissions(
        site.folder.file("redis.sock"),
        fs::Permissions::from_mode(0o777),
    )?;
    let users = "[[namespace]]\nname = \"web\"\nusers = [0]\n";
    let last = format!("{users}{SETTINGS}");
    let mut host = Host::new(&site.folder, "a", "", &last)?;
    (host.socket, host.ring) = (own.join("a.sock"), ring);
    host.write("", &last)?;
    fs::set_permissions(&host.settings, fs::Permissions::from_mode(0o644))?;
    let agent = host.command(tool);
    let mut command = Command::new("/bin/sh");
    // The agent has to have the id that the variable names.
    command.args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh", "setpriv"]);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args(["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]);
    command.arg(agent.get_program()).args(agent.get_args());
    command.env_clear();
    command
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDNAMES", "mailboxes");
    // Root listens, as a service manager does: servers trust nobody else but their own user.
    let socket = mailbox::listen(&host.socket)?;
    let listens = socket.as_raw_fd();
    // SAFETY: only calls that are allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            // Out of the way first: the number may be the same, and dup2 then leaves it to be closed.
            let away = libc::fcntl(listens, libc::F_DUPFD_CLOEXEC, 10);
            match libc::dup2(away, 3) {
                3 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            }
        });
    }
    let agent = Agent::start(command)?;
    wait_for("the agent", || agent.has_said("at work"))?;
    let status = fs::read_to_string(format!("/proc/{}/status", agent.child.id()))?;
    assert!(status.contains("Uid:\t65534\t65534\t65534\t65534"));
    // The mailbox was made by root.
    let mailbox = served(&host)?;
    let session = name(REALM, "session")?;
    put(&mailbox, &session, false, b"record")?;
    wait_for("the session", || look(&mailbox, &session).is_some())?;
    mailbox
        .tell(&Request::Remove(&session))
        .map_err(|why| format!("{why:?}"))?;
    wait_for("the removal", || look(&mailbox, &session).is_none())?;
    assert!(!agent.has_said("panicked"), "{}", agent.log());
    Ok(())
}
