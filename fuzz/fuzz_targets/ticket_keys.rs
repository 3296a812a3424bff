//! The page of ticket keys: whatever stands there, and whatever the clock says.
//!
//! An input is a page and what is done with it. Where it begins with 1, the page is made valid first, with the input's numbers in its
//! keys.

#![cfg_attr(feature = "libfuzzer", no_main)]

use sslcache::shm::{FreshKey, KEY_PAGE_BYTES, LONGEST_LIFETIME, TicketKeys};
use sslcache_fuzz::Input;

fn fresh(number: u8) -> FreshKey {
    FreshKey {
        name: [number; 16],
        secret: [number | 1; 32],
    }
}

/// FNV-1a, as the page has it.
fn sum_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

sslcache_fuzz::target!(|bytes: &[u8]| {
    let mut input = Input(bytes);
    let is_sealed = input.flip();
    let mut page = vec![0; KEY_PAGE_BYTES];
    if is_sealed {
        let number = input.u8();
        page[..8].copy_from_slice(b"tickets2");
        page[8] = number;
        for key in page[16..].chunks_exact_mut(64).take(number.into()) {
            key[..48].fill(input.u8());
            key[48..56].copy_from_slice(&input.odd().to_ne_bytes());
            key[56..].copy_from_slice(&input.odd().to_ne_bytes());
        }
        let (keys, sum) = page.split_last_chunk_mut().expect("a sum");
        *sum = sum_of(keys).to_ne_bytes();
    } else {
        let given = input.bytes(KEY_PAGE_BYTES);
        page[..given.len()].copy_from_slice(given);
    }
    let mut keys = TicketKeys::default();
    // A clock that shows a time before 1970, or the end of time, leaves each process with keys of its own.
    let mut now = (input.odd() >> 20) as i64;
    let mut serial = 1;
    for _ in 0..32 {
        if input.is_over() {
            break;
        }
        let lifetime = input.odd() as u32;
        serial += 1;
        match input.below(6) {
            0 => keys.follow(&mut page, now, lifetime, None),
            1 | 2 => {
                keys.follow(&mut page, now, lifetime, Some(&fresh(serial)));
                // Whoever has just followed has a key to make tickets with, and opens them.
                let making = keys.making(now, lifetime).expect("a key");
                assert!(making.secret != [0; 32]);
                let (opening, _) = keys.opening(&making.name, now).expect("it opens");
                assert!(opening.name == making.name);
                let mut others = TicketKeys::default();
                others.follow(&mut page, now, lifetime, Some(&fresh(serial ^ 0x80)));
                let theirs = others.making(now, lifetime).expect("a key");
                assert!(
                    *theirs == *keys.making(now, lifetime).expect("a key"),
                    "two keys have the turn"
                );
            }
            3 => keys.turn(&mut page, now, &[fresh(serial), fresh(serial ^ 0x40)]),
            4 => now = now.saturating_add(input.u16().into()),
            _ => {
                now = now.saturating_add(input.odd() as i64 % 1_000_000).max(0);
                keys.go_on(now, lifetime, None);
            }
        }
        let summary = keys.summary();
        assert!(summary.number <= 64);
        for lifetime in [0, lifetime, LONGEST_LIFETIME] {
            keys.making_late(now, lifetime);
        }
        keys.opening(&[serial; 16], now);
        // A key of zeros is one that a page has and nobody has made.
        let zeros = keys.opening(&[0; 16], now);
        assert!(
            zeros.is_none_or(|(key, _)| key.secret != [0; 32]),
            "anybody has this key"
        );
    }
});
