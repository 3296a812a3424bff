//! What comes out of a store: sealed values, and what is in them.
//!
//! An input is a value. It is opened as it is; as the body of a value that is sealed with the fleet's key, as each kind; and as a
//! change of a value that is whole, which then is not opened.

#![cfg_attr(feature = "libfuzzer", no_main)]
#![allow(dead_code)] // what only the agent uses

use std::path::Path;
use std::sync::OnceLock;

use sslcache::mailbox::SessionName;

#[path = "../../src/bin/sslcache/failure.rs"]
pub mod failure;
#[path = "../../src/bin/sslcache/hexadecimal.rs"]
pub mod hexadecimal;

#[path = "../../src/bin/sslcache/agent"]
pub mod agent {
    pub mod keyring;
    pub mod seal;
    pub mod secret;
    pub mod sessions {
        pub mod form;
    }
    pub mod store {
        use std::time::Duration;

        /// A value on its way, as the store's client takes it.
        pub struct Put {
            pub name: String,
            pub value: Vec<u8>,
            pub ttl: Duration,
        }
    }
}

use agent::keyring::Keyring;
use agent::seal::{self, Kind};
use agent::sessions::form::{Change, Entry, Form, MOST_CHANGES, Session};

const SPACE: &str = "fuzz";
const NOW: i64 = 1_000;

fn keyring() -> &'static Keyring {
    static KEYS: OnceLock<Keyring> = OnceLock::new();
    KEYS.get_or_init(|| {
        let line = agent::keyring::new_line().expect("random bytes");
        Keyring::parse(line.as_bytes(), Path::new("a keyring")).expect("a key")
    })
}

fn sealed(kind: u8, name: &str, body: &[u8]) -> Vec<u8> {
    seal::seal(
        keyring().sealing(),
        Kind(kind),
        SPACE.as_bytes(),
        name,
        2 * NOW as u64,
        body,
    )
    .expect("sealed")
}

sslcache_fuzz::target!(|bytes: &[u8]| {
    let form = Form {
        keyring: keyring(),
        namespace: SPACE,
    };
    let session = SessionName::new([7; 32], 0x0304, &[9; 32]).expect("a name");
    let name = form.put_name(1, &[Some(2)], &session).expect("a name");

    // As it is.
    assert!(form.open_session(&name, bytes, true, NOW).is_none());
    assert!(form.open_entry(&name, bytes, NOW).is_none());
    assert!(form.open_realm(&name, bytes, NOW).is_none());
    assert!(form.open_generation(&name, bytes, NOW).is_none());

    // As what another agent has sealed.
    let value = sealed(b's', &name, bytes);
    match form.open_session(&name, &value, false, NOW) {
        Some(Session::Stands(record)) => {
            assert!(bytes.split_first() == Some((&b'S', &record[..])));
            let again = form
                .session(&name, 2 * NOW, false, &record)
                .expect("sealed");
            assert!(form.open_session(&name, &again, false, NOW) == Some(Session::Stands(record)));
        }
        Some(Session::Gone) => assert!(bytes == b"T"),
        None => assert!(!bytes.starts_with(b"S") && bytes != b"T"),
    }
    assert!(
        form.open_session(&name, &sealed(b'e', &name, bytes), false, NOW)
            .is_none()
    );
    assert!(
        form.open_session(&name, &value, false, 2 * NOW).is_none(),
        "past its end"
    );
    let value = sealed(b'n', &name, bytes);
    if let Some(Entry { origin, changes }) = form.open_entry(&name, &value, NOW) {
        assert!(bytes.starts_with(&origin));
        let is_short = changes.len() <= MOST_CHANGES;
        let entry = Entry { origin, changes };
        let again = form.entry(&name, &entry, 2 * NOW).expect("sealed");
        let again = form.open_entry(&name, &again, NOW).expect("opened");
        assert!(again == entry || !is_short);
        for change in &entry.changes {
            if let Change::Removed(session) = change {
                assert!((1..=32).contains(&session.id().len()));
            }
        }
    }
    assert_eq!(
        form.open_realm(&name, &sealed(b'r', &name, bytes), NOW)
            .is_some(),
        bytes.len() == 8
    );
    assert_eq!(
        form.open_generation(&name, &sealed(b'g', &name, bytes), NOW)
            .is_some(),
        bytes.len() == 8
    );

    // As a change of one that is whole.
    let whole = sealed(b's', &name, b"Sa record");
    let mut changed = whole.clone();
    for (at, byte) in bytes
        .chunks_exact(2)
        .map(|two| (usize::from(two[0]), two[1]))
    {
        let len = changed.len();
        changed[at % len] ^= byte;
    }
    if changed != whole {
        assert!(
            form.open_session(&name, &changed, true, NOW).is_none(),
            "a changed value is opened"
        );
    }
    if let Some((&cut, _)) = bytes.split_first() {
        let cut = usize::from(cut) % whole.len();
        assert!(form.open_session(&name, &whole[..cut], true, NOW).is_none());
    }
});
