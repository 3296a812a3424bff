//! The mailboxes of this host's processes: whose they are, what is published in them, and how many there may be.
//!
//! What a process sends may be anything. `AgentEnd` takes only a memfd whose size is sealed; here are the bounds, and the
//! judgement of whose keys go into it, by the user that the kernel names.

use std::os::fd::OwnedFd;

use ring::digest::{SHA256, digest};
use sslcache::mailbox::{AgentEnd, FleetKeys};

use super::notify::Manager;

/// The most mailboxes, each of which costs a descriptor here and one at the service manager.
pub const MOST: usize = 4000;
/// The most of one user that is not root: no user keeps the others out.
pub const MOST_OF_USER: usize = 500;

/// How the names of what the service manager keeps begin.
const KEPT: &str = "mailbox-";

struct Peer {
    end: AgentEnd,
    uid: u32,
    namespace: String,
    identity: (u64, u64),
}

impl Peer {
    /// Its name at the service manager, which only the agent and root can give: it is believed as far as they are. It has the
    /// user, the inode, by which it is the only one, and the namespace whose keys are in it.
    fn kept_as(&self) -> String {
        format!(
            "{KEPT}{}-{}-{}",
            self.uid,
            self.identity.1,
            tag(&self.namespace)
        )
    }
}

/// A few letters for a namespace.
fn tag(namespace: &str) -> String {
    let digest = digest(&SHA256, namespace.as_bytes());
    digest.as_ref()[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The mailboxes.
#[derive(Default)]
pub struct Peers(Vec<Peer>);

impl Peers {
    /// Takes what a process of this user has sent, as one of this namespace. The reason if it is refused.
    pub fn attach(
        &mut self,
        file: OwnedFd,
        uid: u32,
        namespace: &str,
        manager: &Manager,
    ) -> Result<(), String> {
        let end = AgentEnd::of_peer(file).map_err(|refusal| refusal.to_string())?;
        let identity = end.identity().ok_or("its descriptor tells nothing")?;
        if self.0.iter().any(|peer| peer.identity == identity) {
            return Err("it is there already".into());
        }
        let is_full = |peers: &Self| {
            let of_user = peers.0.iter().filter(|peer| peer.uid == uid).count();
            peers.0.len() >= MOST || uid != 0 && of_user >= MOST_OF_USER
        };
        if is_full(self) {
            self.sweep(manager);
        }
        if is_full(self) {
            return Err("there are as many mailboxes as may be".into());
        }
        let peer = Peer {
            end,
            uid,
            namespace: namespace.to_owned(),
            identity,
        };
        manager.keep(&peer.kept_as(), peer.end.file());
        self.0.push(peer);
        Ok(())
    }

    /// Takes back what the service manager has kept. `judge` says to which namespace a user belongs now. Keys of a namespace
    /// that it was in before are wiped.
    pub fn take_back(
        &mut self,
        name: &str,
        file: OwnedFd,
        judge: impl FnOnce(u32) -> Option<String>,
        manager: &Manager,
    ) -> Result<(), String> {
        let kept = parsed(name).and_then(|kept| Some((kept, AgentEnd::of_peer(file).ok()?)));
        let back = kept.and_then(|((uid, before), mut end)| {
            if end.is_abandoned() {
                return None;
            }
            let namespace = judge(uid);
            if namespace.as_deref().map(tag).as_deref() != Some(before)
                && let Some(mailbox) = end.mailbox()
            {
                mailbox.publish(&FleetKeys::default());
            }
            let identity = end.identity()?;
            Some(Peer {
                end,
                uid,
                namespace: namespace?,
                identity,
            })
        });
        let Some(peer) = back else {
            manager.forget(name);
            return Err("it is abandoned, or no mailbox".into());
        };
        if peer.kept_as() != name {
            manager.forget(name);
            manager.keep(&peer.kept_as(), peer.end.file());
        }
        self.0.push(peer);
        Ok(())
    }

    /// Judges all users anew. Keys of a namespace to which a process does not belong any more are wiped.
    pub fn judge(&mut self, judge: impl Fn(u32) -> Option<String>, manager: &Manager) {
        self.0.retain_mut(|peer| {
            let namespace = judge(peer.uid);
            if namespace.as_ref() == Some(&peer.namespace) {
                return true;
            }
            manager.forget(&peer.kept_as());
            if let Some(mailbox) = peer.end.mailbox() {
                mailbox.publish(&FleetKeys::default());
            }
            let Some(namespace) = namespace else {
                return false;
            };
            peer.namespace = namespace;
            manager.keep(&peer.kept_as(), peer.end.file());
            true
        });
    }

    /// Publishes the keys of a namespace in its mailboxes.
    pub fn publish(&self, namespace: &str, keys: &FleetKeys) {
        for peer in self.0.iter().filter(|peer| peer.namespace == namespace) {
            if let Some(mailbox) = peer.end.mailbox() {
                mailbox.publish(keys);
            }
        }
    }

    /// Publishes them in the mailbox that came last.
    pub fn publish_in_last(&self, keys: &FleetKeys) {
        if let Some(mailbox) = self.0.last().and_then(|peer| peer.end.mailbox()) {
            mailbox.publish(keys);
        }
    }

    /// Tells all that the agent is at work.
    pub fn beat(&self, now: i64) {
        for mailbox in self.0.iter().filter_map(|peer| peer.end.mailbox()) {
            mailbox.beat(now);
        }
    }

    /// Gives up the mailboxes that no process has any more.
    pub fn sweep(&mut self, manager: &Manager) {
        self.0.retain_mut(|peer| {
            let is_abandoned = peer.end.is_abandoned();
            if is_abandoned {
                manager.forget(&peer.kept_as());
            }
            !is_abandoned
        });
    }

    /// How many mailboxes there are of a namespace.
    pub fn count(&self, namespace: &str) -> usize {
        self.0
            .iter()
            .filter(|peer| peer.namespace == namespace)
            .count()
    }

    /// The namespaces that have mailboxes, each once.
    pub fn namespaces(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|peer| &*peer.namespace).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The user, and the letters of the namespace, in the name of something kept.
fn parsed(name: &str) -> Option<(u32, &str)> {
    let mut parts = name.strip_prefix(KEPT)?.split('-');
    let (uid, _inode, tag) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some(())?;
    Some((uid.parse().ok()?, tag))
}
