//! A namespace: its schedule, the rounds at the store for it, and the keys as processes get them.

use std::time::Duration;

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use sslcache::mailbox::{FleetKey, FleetKeys};
use zeroize::{Zeroize, Zeroizing};

use super::keyring::{Keyring, MasterKey};
use super::schedule::{Schedule, Secret};
use super::seal::{self, Kind, Unopened};
use super::store::{Store, Trouble};

const KIND: Kind = Kind::TICKET_KEY;

/// What stands in the store for an epoch, or why it is no key.
type Opened = Result<Secret, String>;

/// A place in the store, and how it is asked.
pub struct Asked<'a> {
    pub store: &'a Store,
    pub keyring: &'a Keyring,
    pub namespace: &'a str,
    /// Is told how long each answer took.
    pub answered: &'a dyn Fn(Duration),
}

/// What the store has of an epoch.
#[derive(Default)]
pub struct There {
    /// The keys that open, the one that counts first.
    pub keys: Vec<Secret>,
    /// What is there and does not open.
    pub unopened: Vec<String>,
    /// False if nothing stands under the name of the sealing key.
    is_under_first: bool,
}

impl Asked<'_> {
    fn name(&self, key: &MasterKey, epoch: u64) -> String {
        let id = epoch.to_be_bytes();
        seal::name(key, KIND, self.namespace.as_bytes(), &[&id])
    }

    /// Looks for the key of an epoch under the names of all master keys. While these are being changed, two hosts may have put
    /// one each at the same moment: for all of them, that of the smaller id counts.
    pub async fn look(&self, epoch: u64, now: u64) -> Result<There, Trouble> {
        let mut there = There::default();
        let sealing = self.keyring.sealing().id();
        let mut keys: Vec<_> = self.keyring.all().iter().collect();
        keys.sort_by_key(|key| key.id());
        for key in keys {
            let name = self.name(key, epoch);
            let value = self.timed(self.store.get(&name)).await?;
            let Some(value) = value else {
                continue;
            };
            there.is_under_first |= key.id() == sealing;
            match self.open(&name, &value, now) {
                Ok(secret) => there.keys.push(secret),
                Err(reason) => there.unopened.push(reason),
            }
        }
        Ok(there)
    }

    /// Puts a key unless there is one; what stands there then.
    async fn put(
        &self,
        epoch: u64,
        secret: &Secret,
        end: u64,
        now: u64,
    ) -> Result<Opened, Trouble> {
        let name = self.name(self.keyring.sealing(), epoch);
        let namespace = self.namespace.as_bytes();
        let value = match seal::seal(
            self.keyring.sealing(),
            KIND,
            namespace,
            &name,
            end,
            secret.bytes(),
        ) {
            Ok(value) => value,
            Err(failure) => return Ok(Err(failure.to_string())),
        };
        let ttl = Duration::from_secs(end.saturating_sub(now).max(1));
        let there = self
            .timed(self.store.put_if_absent(&name, &value, ttl))
            .await?;
        Ok(self.open(&name, &there, now))
    }

    async fn timed<T>(
        &self,
        asked: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        let start = std::time::Instant::now();
        let answer = asked.await?;
        (self.answered)(start.elapsed());
        Ok(answer)
    }

    fn open(&self, name: &str, value: &[u8], now: u64) -> Opened {
        let namespace = self.namespace.as_bytes();
        let body = seal::open(self.keyring, KIND, namespace, name, value, now)
            .map_err(|reason: Unopened| reason.to_string())?;
        let mut bytes = Zeroizing::new([0; 32]);
        if body.len() != bytes.len() {
            return Err("has not the length of a key".into());
        }
        bytes.copy_from_slice(&body);
        Ok(Secret::taken_from(&mut bytes))
    }
}

/// Where a schedule is. It is not held while the store is waited for, and may be gone then.
pub trait Place {
    /// Does something with it; `None` if it is gone.
    fn with<T>(&self, action: impl FnOnce(&mut Schedule) -> T) -> Option<T>;
}

/// A round of a schedule at the store: what is there is taken, what is not is put. The keys that were not taken, and why.
pub async fn round(
    asked: &Asked<'_>,
    schedule: &impl Place,
    now: u64,
) -> Result<Vec<String>, Trouble> {
    let mut refused = Vec::new();
    let wanted = schedule.with(|schedule| {
        schedule.turn(now);
        schedule.wanted(now)
    });
    let mut outcome = Ok(());
    for epoch in wanted.unwrap_or_default() {
        outcome = round_of(asked, schedule, epoch, now, &mut refused).await;
        if outcome.is_err() {
            break;
        }
    }
    schedule.with(|schedule| match outcome {
        Ok(()) => schedule.succeeded(now),
        Err(_) => schedule.failed(),
    });
    outcome.map(|()| refused)
}

/// The part of a round that is about one epoch.
async fn round_of(
    asked: &Asked<'_>,
    schedule: &impl Place,
    epoch: u64,
    now: u64,
    refused: &mut Vec<String>,
) -> Result<(), Trouble> {
    let there = asked.look(epoch, now).await?;
    let mut complain = |reason: String| {
        refused.push(format!(
            "the key of epoch {epoch} of {}: {reason}",
            asked.namespace
        ));
    };
    there.unopened.into_iter().for_each(&mut complain);
    let mut is_there = false;
    let mut take = |secret: Secret, complain: &mut dyn FnMut(String)| {
        let taken = schedule.with(|schedule| match is_there {
            false => schedule.found(epoch, secret, now),
            true => schedule.also_found(epoch, secret, now),
        });
        if let Some(Err(why)) = taken {
            complain(why.reason().into());
        }
        is_there = true;
    };
    let is_anywhere = !there.keys.is_empty();
    for secret in there.keys {
        take(secret, &mut complain);
    }
    if there.is_under_first {
        return Ok(());
    }
    // Where it stands under an older master key only, it is put under the first one, too: that one is to go.
    let offered = schedule.with(|schedule| {
        let offered = schedule.offer(epoch, now, || fresh().filter(|_| !is_anywhere));
        offered.map(|offered| (offered, schedule.end_of(epoch)))
    });
    if let Some((offered, end)) = offered.flatten() {
        match asked.put(epoch, &offered, end, now).await? {
            Ok(secret) => take(secret, &mut complain),
            Err(reason) => complain(reason),
        }
    }
    Ok(())
}

/// A new key; `None` if the kernel gives no random bytes.
fn fresh() -> Option<Secret> {
    let mut bytes = Zeroizing::new([0; 32]);
    SystemRandom::new().fill(&mut *bytes).ok()?;
    Some(Secret::taken_from(&mut bytes))
}

/// A namespace, and what was last published.
pub struct Space {
    pub schedule: Schedule,
    /// The epoch, the name and the use of each key; `None` if nothing was.
    published: Option<Vec<(u64, [u8; 16], bool)>>,
    /// Since when there is no mailbox.
    pub unused_since: Option<u64>,
}

impl Space {
    pub fn new(namespace: &str, lifetime: u64) -> Self {
        Self {
            schedule: Schedule::new(namespace, lifetime),
            published: None,
            unused_since: None,
        }
    }

    /// Puts the keys for processes into `keys`; false, and no keys, if there are none.
    pub fn fill(&self, keys: &mut FleetKeys, now: u64) -> bool {
        keys.clear();
        for key in self.schedule.publish(now) {
            let mut fleet_key = FleetKey {
                epoch: key.epoch,
                until: i64::try_from(key.until).unwrap_or(i64::MAX) - 1,
                name: name_of(key.secret),
                secret: *key.secret.bytes(),
                makes: key.makes,
            };
            let has_room = keys.push(&fleet_key);
            fleet_key.secret.zeroize();
            if !has_room {
                break;
            }
        }
        !keys.is_empty()
    }

    /// True if the keys are not those that were published last. Keys that are not known, as after a start while the store is
    /// away, are no news: processes keep what they have until its end.
    pub fn is_news(&mut self, keys: &FleetKeys) -> bool {
        let now: Vec<_> = keys
            .iter()
            .map(|key| (key.epoch, key.name, key.makes))
            .collect();
        if self.published.as_ref() == Some(&now) || self.published.is_none() && now.is_empty() {
            return false;
        }
        self.published = Some(now);
        true
    }

    /// How many keys were published last.
    pub fn keys(&self) -> usize {
        self.published.as_ref().map_or(0, Vec::len)
    }
}

/// The name of a key, which tells nothing of it.
fn name_of(secret: &Secret) -> [u8; 16] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.bytes());
    let tag = hmac::sign(&key, b"sslcache fleet key name 1");
    let mut name = [0; 16];
    name.copy_from_slice(&tag.as_ref()[..16]);
    name
}
