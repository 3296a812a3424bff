//! The way of this process tree to the fleet: the mailbox, from which the fleet's ticket keys are read.
//!
//! The mailbox is made and sent to the agent with the first context, while the program is likely to have its full rights. It is
//! not tried again later: a socket that is opened in the middle of a handshake may end a program that has confined itself by
//! seccomp.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::os::fd::AsFd;
use std::path::Path;

use once_cell::race::OnceBox;

use crate::config::{Agent, Settings, TicketKeys};
use crate::mailbox::{self, EPOCHS_AHEAD, FleetKeys, Mailbox, epoch_of};
use crate::sys::guard::attempt;
use crate::sys::say::{self, Topic};

static MAILBOX: OnceBox<Option<Mailbox>> = OnceBox::new();

/// The first epoch whose keys may be used: an administrator has ended the earlier ones on this host.
static FIRST_EPOCH: AtomicU64 = AtomicU64::new(0);

/// Makes a mailbox and sends it to the agent, in the first call, if the settings ask for the fleet's keys and the agent is
/// there.
pub fn join(settings: &Settings) {
    MAILBOX.get_or_init(|| {
        let is_wanted = settings.ticket_keys == TicketKeys::Fleet;
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
                "no keys of the fleet: the agent at {} is not to be reached: {error}; ticket keys are shared on this host",
                path.display()
            ),
        );
    }
    sent.ok()
}

/// The mailbox of this process tree, if the agent has it.
fn mailbox() -> Option<&'static Mailbox> {
    MAILBOX.get()?.as_ref()
}

/// The fleet's keys as this process knows them.
#[derive(Default)]
pub struct Known {
    keys: FleetKeys,
    /// The number of the publication that they are of; 0 for none.
    published: u64,
}

impl Known {
    /// The keys as they are published now.
    pub fn up_to_date(&mut self) -> &FleetKeys {
        if let Some(mailbox) = mailbox()
            && mailbox.published() != self.published
        {
            self.published = mailbox.read_keys(&mut self.keys).unwrap_or(0);
        }
        let first = FIRST_EPOCH.load(Relaxed);
        self.keys.drop_where(|key| key.epoch < first);
        &self.keys
    }
}

/// The first epoch whose keys cannot have been published by now.
pub fn first_after(now: i64) -> u64 {
    epoch_of(now) + EPOCHS_AHEAD + 1
}

/// Lets no key of an epoch before `first` be used. Another process has written that number, so it is believed only as far as an
/// order that is carried out now would go.
pub fn begin_at(first: u64, now: i64) {
    FIRST_EPOCH.fetch_max(first.min(first_after(now)), Relaxed);
}

/// The first epoch whose keys are used.
#[cfg(test)]
pub fn first_epoch() -> u64 {
    FIRST_EPOCH.load(Relaxed)
}
