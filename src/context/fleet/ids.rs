//! Session ids that the fleet has made.
//!
//! A client may offer any id, and in TLS 1.3 every client that brings no ticket offers a random one. Only an id that some host
//! of the fleet has made is worth a question to the agent. It tells that by itself:
//!
//! | bytes | |
//! |---|---|
//! | 1 | the epoch of the fleet's key, modulo 256 |
//! | 19 | random |
//! | 12 | of the HMAC-SHA256 of these 20, under a key that is derived from the fleet's key of that epoch |
//!
//! Whoever lacks the key can make no such id, but whoever has seen one can offer it: it says who has made it, and not that the
//! session may be had.

use hmac::{Hmac, Mac};
use once_cell::race::OnceBox;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::keys::Known;
use super::mailbox;
use crate::sys::lock::Lock;
use crate::sys::no_dump::NoDump;

/// The bytes of an id.
pub const BYTES: usize = 32;
/// The bytes before the code: the epoch, and random ones.
const MADE: usize = 20;

const LABEL: &[u8] = b"sslcache fleet session ids 1";

type Secret = Zeroizing<[u8; 32]>;

/// This process's copy of the keys, kept out of core dumps.
static KEYS: OnceBox<Option<Lock<NoDump<Known>>>> = OnceBox::new();

/// What `choose` finds among the keys.
fn with_keys<T>(choose: impl FnOnce(&mut Known) -> Option<T>) -> Option<T> {
    mailbox()?;
    let make = || Box::new(NoDump::new(Known::default()).ok().map(Lock::new));
    choose(&mut **KEYS.get_or_init(make).as_ref()?.lock()?)
}

/// Makes `id`, whose bytes are random, an id of the fleet. False, and nothing changed, if there is no key.
pub fn sign(id: &mut [u8; BYTES], now: i64) -> bool {
    let key = with_keys(|known| {
        let making = known.up_to_date().making(now)?;
        Some((making.epoch as u8, Zeroizing::new(making.secret)))
    });
    let Some((epoch, secret)) = key else {
        return false;
    };
    id[0] = epoch;
    let (made, code) = id.split_at_mut(MADE);
    let whole = code_of(&secret, made).finalize().into_bytes();
    code.copy_from_slice(&whole[..BYTES - MADE]);
    true
}

/// Whether a host of the fleet has made this id. Costs nothing where this process tree has no agent.
pub fn is_of_fleet(id: &[u8], now: i64) -> bool {
    let Ok(id) = <&[u8; BYTES]>::try_from(id) else {
        return false;
    };
    let (made, code) = id.split_at(MADE);
    // Two keys may be there for one epoch.
    let mut secrets: [Option<Secret>; 4] = Default::default();
    with_keys(|known| {
        let of_epoch = known.up_to_date().iter();
        let of_epoch = of_epoch.filter(|key| key.epoch as u8 == id[0] && now <= key.until);
        for (place, key) in secrets.iter_mut().zip(of_epoch) {
            *place = Some(Zeroizing::new(key.secret));
        }
        Some(())
    });
    let mut secrets = secrets.iter().flatten();
    secrets.any(|secret| code_of(secret, made).verify_truncated_left(code).is_ok())
}

/// Whether another host may take the id for one of the fleet: this host need not have the key that it was made with, or not any
/// more.
pub fn may_be_of_fleet(id: &[u8]) -> bool {
    id.len() == BYTES && mailbox().is_some()
}

fn code_of(secret: &[u8; 32], made: &[u8]) -> Hmac<Sha256> {
    let key = hmac(secret, LABEL).finalize().into_bytes();
    hmac(&Zeroizing::new(key.into()), made)
}

fn hmac(key: &[u8; 32], data: &[u8]) -> Hmac<Sha256> {
    let hmac = <Hmac<Sha256> as Mac>::new_from_slice(key);
    hmac.expect("HMAC takes keys of any length")
        .chain_update(data)
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::super::join;
    use super::*;
    use crate::config::{Agent, Group, Settings};
    use crate::mailbox::{EPOCH_SECONDS, FleetKey, FleetKeys, end_of_next};
    use crate::sys::program;

    const NOW: i64 = 1_800_000_000;

    #[test]
    fn an_id_says_who_has_made_it() {
        let output = program::of_test("context::fleet::ids::tests::process_of_a_fleet")
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn key(ahead: i64, secret: u8, makes: bool) -> FleetKey {
        let epoch = NOW / EPOCH_SECONDS + ahead;
        FleetKey {
            epoch: epoch as u64,
            until: (epoch + 25) * EPOCH_SECONDS,
            name: [secret; 16],
            secret: [secret; 32],
            makes,
        }
    }

    #[test]
    #[ignore = "a process of its own, for the test above"]
    fn process_of_a_fleet() {
        let mut id = [7; BYTES];
        assert!(!sign(&mut id, NOW) && id == [7; BYTES]);
        let path = env::temp_dir().join(format!("sslcache-ids-{}", process::id()));
        let socket = crate::mailbox::listen(&path).unwrap();
        join(&Settings {
            group: Group::Named("web".into()),
            agent: Agent::At(path.clone()),
            ..Settings::default()
        });
        let end = end_of_next(&socket);
        fs::remove_file(path).unwrap();
        assert!(!sign(&mut id, NOW) && !is_of_fleet(&id, NOW));

        let publish = |keys: &[FleetKey]| {
            let mut all = FleetKeys::default();
            assert!(keys.iter().all(|key| all.push(key)));
            end.open().unwrap().publish(&all);
        };
        publish(&[key(0, 1, true), key(1, 2, true), key(0, 3, false)]);
        assert!(sign(&mut id, NOW));
        assert_eq!(id[1..MADE], [7; MADE - 1]);
        assert!(is_of_fleet(&id, NOW) && is_of_fleet(&id, NOW + 3 * EPOCH_SECONDS));
        for byte in 0..BYTES {
            let mut other = id;
            other[byte] ^= 1;
            assert!(!is_of_fleet(&other, NOW), "{byte}");
        }
        assert!(!is_of_fleet(&id[..BYTES - 1], NOW) && !is_of_fleet(&[], NOW));
        assert!(!is_of_fleet(&id, NOW + 26 * EPOCH_SECONDS));

        // Another host may have made it with another key of the epoch.
        publish(&[key(0, 3, true)]);
        let mut elsewhere = [8; BYTES];
        assert!(sign(&mut elsewhere, NOW) && !is_of_fleet(&id, NOW));
        publish(&[key(0, 1, true), key(0, 3, false)]);
        assert!(is_of_fleet(&elsewhere, NOW) && is_of_fleet(&id, NOW));
    }
}
