//! The way of this process tree to the other hosts of its fleet: the mailbox, behind which the agent is.
//!
//! * `keys`: the fleet's ticket keys.
//! * `ids`: session ids that the fleet has made, by which a session of another host is told from a number that a client has
//!   made up.
//!
//! What is asked and told about sessions is in `sharing::abroad`.
//!
//! The mailbox is made and sent to the agent with the first context, while the program is likely to have its full rights. It is
//! not tried again later: a socket that is opened in the middle of a handshake may end a program that has confined itself by
//! seccomp.

pub mod ids;
pub mod keys;

use std::os::fd::AsFd;
use std::path::Path;

use once_cell::race::OnceBox;

use crate::config::{Agent, Settings, TicketKeys};
use crate::mailbox::{self, Mailbox};
use crate::sys::guard::attempt;
use crate::sys::say::{self, Topic};

static MAILBOX: OnceBox<Option<Mailbox>> = OnceBox::new();

/// Makes a mailbox and sends it to the agent, in the first call, if the settings ask for the fleet's keys or for sessions that
/// hosts share, and the agent is there.
pub fn join(settings: &Settings) {
    MAILBOX.get_or_init(|| {
        let is_wanted = settings.ticket_keys == TicketKeys::Fleet || settings.share_with_hosts();
        let socket = settings.agent.socket().filter(|_| is_wanted);
        Box::new(socket.and_then(|path| attempt(|| send_to(path, &settings.agent))))
    });
}

/// Makes a mailbox and sends it. That there is no agent is said only where the settings say that there is one.
fn send_to(path: &Path, agent: &Agent) -> Option<Mailbox> {
    let sent = Mailbox::make().and_then(|(mailbox, file)| {
        mailbox::send(path, file.as_fd())?;
        Ok(mailbox)
    });
    if let (Err(error), Agent::At(_)) = (&sent, agent) {
        say::once(
            Topic::Agent,
            format_args!(
                "nothing is shared with other hosts: the agent at {} is not to be reached: {error}",
                path.display()
            ),
        );
    }
    sent.ok()
}

/// The mailbox of this process tree, if the agent has it.
pub fn mailbox() -> Option<&'static Mailbox> {
    MAILBOX.get()?.as_ref()
}
