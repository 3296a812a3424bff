//! The mailboxes of this host's processes: whose they are, what is published in them, and how many there may be.
//!
//! What a process sends may be anything. `AgentEnd` takes only a memfd whose size is sealed; here are the bounds, and the
//! judgement of whose keys go into it, by the user that the kernel names.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use sslcache::mailbox::{AgentEnd, Answer, FleetKeys, Question};

use super::notify::Manager;
use super::sessions::{Before, Membership, Sessions};
use crate::hexadecimal::hexadecimal;

/// The most mailboxes, each of which costs a descriptor here and one at the service manager.
const MOST: usize = 4000;
/// The most of all users that the settings do not name and that are not root: a process may have many users of its own, as in
/// a user namespace, and they keep nobody else out.
const MOST_OF_UNNAMED: usize = 2000;
/// The most of one user that is not root.
const MOST_OF_USER: usize = 500;
/// The most namespaces of users that the settings do not name.
const UNNAMED_NAMESPACES: usize = 64;
/// A mailbox is given up if the kernel has waited so often, one time after the other, for the answer whether it is in use.
const LATE_MOST: u8 = 3;

/// How the names of what the service manager keeps begin.
const KEPT: &str = "mailbox-";

struct Peer {
    end: Arc<AgentEnd>,
    /// For as long as its sessions are served.
    member: Membership,
    uid: u32,
    namespace: String,
    /// True if the settings name the user, or if it is root.
    is_named: bool,
    identity: (u64, u64),
    /// How often the last answers were late.
    late: u8,
}

/// Why a mailbox is not taken.
pub enum Refused {
    /// There are as many as may be. Some may be abandoned, so the descriptor may be tried again.
    Full(OwnedFd),
    /// For another reason.
    For(String),
}

/// Whose a mailbox is.
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The namespace whose keys it gets.
    pub namespace: String,
    /// True if the settings name the user, or if it is root.
    pub is_named: bool,
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
    hexadecimal(&digest(&SHA256, namespace.as_bytes()).as_ref()[..8])
}

/// A mailbox, and the question whether any process still has it.
pub type Asked = ((u64, u64), Question);
/// A mailbox, and the answer to that.
pub type Answered = ((u64, u64), Answer);

/// The mailboxes.
#[derive(Default)]
pub struct Peers(Vec<Peer>);

impl Peers {
    /// Takes what a process of this owner has sent.
    pub fn attach(
        &mut self,
        file: OwnedFd,
        owner: &Owner,
        manager: &Manager,
        sessions: &Sessions,
    ) -> Result<(), Refused> {
        let refused = |reason: &str| Refused::For(reason.to_owned());
        if self.is_full_for(owner) {
            return Err(Refused::Full(file));
        }
        let end = AgentEnd::of_peer(file).map_err(|refusal| refused(&refusal.to_string()))?;
        let identity = end
            .identity()
            .ok_or(refused("its descriptor tells nothing"))?;
        if self.0.iter().any(|peer| peer.identity == identity) {
            return Err(refused("it is there already"));
        }
        let end = Arc::new(end);
        let peer = Peer {
            member: sessions.join(
                &owner.namespace,
                end.clone(),
                owner.is_named,
                Before::Nothing,
            ),
            end,
            uid: owner.uid,
            namespace: owner.namespace.clone(),
            is_named: owner.is_named,
            identity,
            late: 0,
        };
        manager.keep(&peer.kept_as(), peer.end.file());
        self.0.push(peer);
        Ok(())
    }

    fn is_full_for(&self, owner: &Owner) -> bool {
        let of = |is_one: &dyn Fn(&Peer) -> bool| self.0.iter().filter(|peer| is_one(peer)).count();
        if self.0.len() >= MOST
            || owner.uid != 0 && of(&|peer| peer.uid == owner.uid) >= MOST_OF_USER
        {
            return true;
        }
        if owner.is_named {
            return false;
        }
        let mut namespaces: Vec<_> = self.0.iter().filter(|peer| !peer.is_named).collect();
        namespaces.sort_unstable_by_key(|peer| &peer.namespace);
        namespaces.dedup_by_key(|peer| &peer.namespace);
        let is_new = namespaces
            .iter()
            .all(|peer| peer.namespace != owner.namespace);
        of(&|peer| !peer.is_named) >= MOST_OF_UNNAMED
            || is_new && namespaces.len() >= UNNAMED_NAMESPACES
    }

    /// Takes back what the service manager has kept. `judge` says to which namespace a user belongs now. Keys of a namespace
    /// that it was in before are wiped.
    pub fn take_back(
        &mut self,
        name: &str,
        file: OwnedFd,
        judge: impl FnOnce(u32) -> Option<Owner>,
        manager: &Manager,
        sessions: &Sessions,
    ) -> Result<(), String> {
        let kept = parsed(name).and_then(|kept| Some((kept, AgentEnd::of_peer(file).ok()?)));
        let back = kept.and_then(|((uid, before), end)| {
            let owner = judge(uid);
            let namespace = owner.as_ref().map(|owner| tag(&owner.namespace));
            let is_same = namespace.as_deref() == Some(before);
            if !is_same && let Some(mailbox) = end.open() {
                mailbox.publish(&FleetKeys::default());
            }
            let before = match is_same {
                true => Before::Same,
                false => Before::Other,
            };
            let (identity, owner, end) = (end.identity()?, owner?, Arc::new(end));
            Some(Peer {
                member: sessions.join(&owner.namespace, end.clone(), owner.is_named, before),
                end,
                uid,
                namespace: owner.namespace,
                is_named: owner.is_named,
                identity,
                late: 0,
            })
        });
        let Some(peer) = back else {
            manager.forget(name);
            return Err("it is no mailbox, or of no namespace".into());
        };
        if peer.kept_as() != name {
            manager.forget(name);
            manager.keep(&peer.kept_as(), peer.end.file());
        }
        self.0.push(peer);
        Ok(())
    }

    /// Judges all users anew. Keys of a namespace to which a process does not belong any more are wiped.
    pub fn judge(
        &mut self,
        judge: impl Fn(u32) -> Option<Owner>,
        manager: &Manager,
        sessions: &Sessions,
    ) {
        self.0.retain_mut(|peer| {
            let owner = judge(peer.uid);
            if let Some(owner) = &owner
                && owner.namespace == peer.namespace
            {
                peer.is_named = owner.is_named;
                return true;
            }
            manager.forget(&peer.kept_as());
            if let Some(mailbox) = peer.end.open() {
                mailbox.publish(&FleetKeys::default());
            }
            let Some(owner) = owner else {
                return false;
            };
            (peer.namespace, peer.is_named) = (owner.namespace, owner.is_named);
            peer.member = sessions.join(
                &peer.namespace,
                peer.end.clone(),
                peer.is_named,
                Before::Other,
            );
            manager.keep(&peer.kept_as(), peer.end.file());
            true
        });
    }

    /// Publishes the keys of a namespace in its mailboxes.
    pub fn publish(&self, namespace: &str, keys: &FleetKeys) {
        for peer in self.0.iter().filter(|peer| peer.namespace == namespace) {
            if let Some(mailbox) = peer.end.open() {
                mailbox.publish(keys);
            }
        }
    }

    /// Publishes them in the mailbox that came last.
    pub fn publish_in_last(&self, keys: &FleetKeys) {
        if let Some(mailbox) = self.0.last().and_then(|peer| peer.end.open()) {
            mailbox.publish(keys);
        }
    }

    /// Tells all that the agent is at work.
    pub fn beat(&self, now: i64) {
        for peer in &self.0 {
            peer.end.beat(now);
        }
    }

    /// The question of each mailbox, whether any process still has it.
    pub fn questions(&self) -> Vec<Asked> {
        let question = |peer: &Peer| Some((peer.identity, peer.end.question().ok()?));
        self.0.iter().filter_map(question).collect()
    }

    /// Gives up the mailboxes that no process has any more.
    pub fn sweep(&mut self, answers: &[Answered], manager: &Manager) {
        let answers: BTreeMap<_, _> = answers.iter().copied().collect();
        self.0.retain_mut(|peer| {
            let is_over = match answers.get(&peer.identity) {
                None => false,
                Some(Answer::Abandoned) => true,
                Some(Answer::InUse) => {
                    peer.late = 0;
                    false
                }
                Some(Answer::Late) => {
                    peer.late += 1;
                    peer.late >= LATE_MOST
                }
            };
            if is_over {
                manager.forget(&peer.kept_as());
            }
            !is_over
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
