//! Sessions and what is said of them, as they stand in the store.

use std::time::Duration;

use sslcache::mailbox::SessionName;

use crate::agent::keyring::Keyring;
use crate::agent::sessions::form::{Change, Entry, Form, Session};
use crate::agent::sessions::puts::{BATCH, Puts};
use crate::agent::store::Put;
use crate::{Case, Outcome, ensure};

pub const CASES: &[Case] = &[
    (
        "sessions / what is sealed opens, and only for who may have it",
        &[],
        opens,
    ),
    (
        "sessions / a flipped bit at any byte does not open",
        &[],
        flipped,
    ),
    (
        "sessions / a value that was moved does not open",
        &[],
        moved,
    ),
    (
        "sessions / names differ in each of their parts, and tell nothing",
        &[],
        names,
    ),
    ("sessions / news comes as it was sealed", &[], news),
    (
        "sessions / as much waits as there is room for",
        &[],
        waiting,
    ),
];

/// A realm's generation under both master keys.
const OF_REALM: &[Option<u64>] = &[Some(1), Some(2)];
const NOW: i64 = 1_800_000_000;
const KEYS: &str = "sslc-key-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n\
                    sslc-key-1:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\n";

fn keyring() -> Result<Keyring, Box<dyn std::error::Error>> {
    Keyring::parse(KEYS.as_bytes(), "keys".as_ref()).map_err(|failure| failure.to_string().into())
}

fn name(realm: u8, version: u16, id: &[u8]) -> Result<SessionName, Box<dyn std::error::Error>> {
    SessionName::new([realm; 32], version, id).ok_or_else(|| "no name of a session".into())
}

/// The form of a namespace, and a session's name.
macro_rules! form {
    ($keyring:expr, $namespace:expr) => {
        Form {
            keyring: &$keyring,
            namespace: $namespace,
        }
    };
}

fn put_name(form: &Form<'_>, generation: u64, session: &SessionName) -> String {
    let name = form.put_name(generation, OF_REALM, session);
    name.unwrap_or_default()
}

fn record(session: Option<Session>) -> Option<Vec<u8>> {
    match session? {
        Session::Stands(record) => Some(record.to_vec()),
        Session::Gone => None,
    }
}

fn opens() -> Outcome {
    let keyring = keyring()?;
    let form = form!(keyring, "web");
    let stands = put_name(&form, 1, &name(1, 0x304, b"id")?);
    for is_used_once in [false, true] {
        let value = form.session(&stands, NOW + 10, is_used_once, b"record");
        let value = value.ok_or("not sealed")?;
        for takes in [false, true] {
            let opened = form.open_session(&stands, &value, takes, NOW + 9);
            let expected = (takes || !is_used_once).then(|| b"record".to_vec());
            ensure!(record(opened) == expected, "{is_used_once} {takes}");
        }
        let after = form.open_session(&stands, &value, true, NOW + 10);
        ensure!(after.is_none(), "it opens after its end");
    }
    let value = form.tombstone(&stands, NOW + 10).ok_or("not sealed")?;
    for takes in [false, true] {
        let opened = form.open_session(&stands, &value, takes, NOW);
        ensure!(opened == Some(Session::Gone), "{opened:?}");
    }
    Ok(())
}

fn flipped() -> Outcome {
    let keyring = keyring()?;
    let form = form!(keyring, "web");
    let stands = put_name(&form, 1, &name(1, 0x304, b"id")?);
    for is_used_once in [false, true] {
        let value = form.session(&stands, NOW + 10, is_used_once, b"record");
        let value = value.ok_or("not sealed")?;
        for at in 0..value.len() {
            for bit in 0..8 {
                let mut other = value.clone();
                other[at] ^= 1 << bit;
                let opened = form.open_session(&stands, &other, true, NOW);
                ensure!(opened.is_none(), "bit {bit} of byte {at}: {opened:?}");
            }
        }
        for length in 0..value.len() {
            let opened = form.open_session(&stands, &value[..length], true, NOW);
            ensure!(opened.is_none(), "{length} bytes: {opened:?}");
        }
    }
    Ok(())
}

fn moved() -> Outcome {
    let keyring = keyring()?;
    let (web, mail) = (form!(keyring, "web"), form!(keyring, "mail"));
    let session = name(1, 0x304, b"id")?;
    let stands = put_name(&web, 1, &session);
    let value = web.session(&stands, NOW + 10, false, b"record");
    let value = value.ok_or("not sealed")?;
    ensure!(
        web.open_session(&stands, &value, false, NOW).is_some(),
        "it does not open where it was put"
    );
    ensure!(
        mail.open_session(&stands, &value, true, NOW).is_none(),
        "it opens in another namespace"
    );
    let others = [
        put_name(&web, 1, &name(1, 0x304, b"ie")?),
        put_name(&web, 1, &name(1, 0x303, b"id")?),
        put_name(&web, 1, &name(2, 0x304, b"id")?),
        put_name(&web, 2, &session),
        web.session_names(1, OF_REALM, &session)[1].clone(),
    ];
    for other in others {
        ensure!(
            web.open_session(&other, &value, true, NOW).is_none(),
            "it opens under {other}"
        );
    }
    // What is of one kind is not taken for another, even under its name.
    let kinds = [
        (stands.clone(), value),
        web.new_realm(&[1; 32], NOW + 10).ok_or("not sealed")?[0].clone(),
        web.generation(7, NOW + 10).ok_or("not sealed")?[0].clone(),
    ];
    for (of, (_, value)) in kinds.iter().enumerate() {
        for (place, (name, _)) in kinds.iter().enumerate() {
            let opened = [
                web.open_session(name, value, true, NOW).is_some(),
                web.open_realm(name, value, NOW).is_some(),
                web.open_generation(name, value, NOW).is_some(),
                web.open_entry(name, value, NOW).is_some(),
            ];
            let mut expected = [false; 4];
            expected[of] = of == place;
            ensure!(opened == expected, "{of} at {place}: {opened:?}");
        }
    }
    Ok(())
}

fn names() -> Outcome {
    let keyring = keyring()?;
    let form = form!(keyring, "web");
    let mut all = vec![
        put_name(&form, 1, &name(1, 0x304, b"id")?),
        put_name(&form, 2, &name(1, 0x304, b"id")?),
        put_name(&form, 1, &name(2, 0x304, b"id")?),
        put_name(&form, 1, &name(1, 0x303, b"id")?),
        put_name(&form, 1, &name(1, 0x304, b"i")?),
        put_name(&form!(keyring, "mail"), 1, &name(1, 0x304, b"id")?),
    ];
    all.extend(form.realm_names(&[1; 32]));
    all.extend(form.generation_names());
    all.extend(form.counter_names());
    all.extend(form.news_name(0, 1));
    all.extend(form.news_name(1, 1));
    all.extend(form.news_name(0, 2));
    let count = all.len();
    ensure!(
        all.iter()
            .all(|name| name.starts_with("sslc:1:") && name.len() == 41),
        "{all:?}"
    );
    all.sort_unstable();
    all.dedup();
    ensure!(all.len() == count, "two names are the same");
    let names = form.session_names(1, OF_REALM, &name(1, 0x304, b"id")?);
    ensure!(names.len() == 2, "{names:?}");
    // After a flush it has other names; under a master key whose generation is not known it has none.
    let session = name(1, 0x304, b"id")?;
    let after = form.session_names(1, &[Some(3), None], &session);
    ensure!(after.len() == 1 && after[0] != names[0], "{after:?}");
    ensure!(
        form.put_name(1, &[None, Some(2)], &session).is_none(),
        "it is put"
    );
    // What is under a name opens with that name's master key alone.
    let second = Keyring::parse(
        KEYS.lines().nth(1).unwrap_or_default().trim().as_bytes(),
        "keys".as_ref(),
    );
    let second = second.map_err(|failure| failure.to_string())?;
    let alone = form!(second, "web");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let new = form.new_realm(&[1; 32], NOW + 10).ok_or("not sealed")?;
        let opened = alone.open_realm(&new[1].0, &new[1].1, NOW);
        ensure!(new[1].0 == alone.realm_names(&[1; 32])[0], "another name");
        seen.push(opened.ok_or("it does not open")?);
        let all = form.generation(7, NOW + 10).ok_or("not sealed")?;
        ensure!(
            alone.open_generation(&all[1].0, &all[1].1, NOW) == Some(7),
            "it does not open"
        );
    }
    ensure!(seen[0] != seen[1], "{seen:?}");
    Ok(())
}

fn news() -> Outcome {
    let keyring = keyring()?;
    let form = form!(keyring, "web");
    let stands = form.news_name(0, 9).ok_or("no name")?;
    let longest = name(3, 0x303, &[7; 32])?;
    let changes = vec![
        Change::Removed(longest.clone()),
        Change::Flushed([9; 32]),
        Change::Removed(name(4, 0x304, &[0])?),
    ];
    for changes in [Vec::new(), changes, vec![Change::Removed(longest); 256]] {
        let entry = Entry {
            origin: [5; 16],
            changes,
        };
        let value = form.entry(&stands, &entry, NOW + 10).ok_or("not sealed")?;
        ensure!(value.len() < 64 * 1024, "{} bytes", value.len());
        let opened = form.open_entry(&stands, &value, NOW);
        ensure!(opened == Some(entry), "it is another one");
    }
    ensure!(form.news_name(2, 9).is_none(), "a third counter");
    Ok(())
}

fn waiting() -> Outcome {
    let put = || Put {
        name: "n".into(),
        value: vec![0; 871],
        ttl: Duration::from_secs(1),
    };
    let puts = Puts::new(600_500);
    ensure!((0..600).all(|_| puts.push(put())), "no room");
    ensure!(!puts.push(put()), "more than there is room for");
    ensure!(puts.batch().len() == BATCH, "the batch");
    ensure!(
        (0..BATCH).all(|_| puts.push(put())) && !puts.push(put()),
        "the room after a batch"
    );
    let rest = [(); 3].map(|()| puts.batch().len());
    ensure!(rest == [512, 88, 0], "{rest:?}");
    Ok(())
}
