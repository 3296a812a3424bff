//! Names and sealed values: the format itself, and all the ways in which a value does not open.

use std::path::Path;

use crate::agent::keyring::{Keyring, new_line};
use crate::agent::seal::{Kind, Unopened, name, open, seal};
use crate::golden::{GOLDEN, Golden};
use crate::{Case, Outcome, ensure};

pub const CASES: &[Case] = &[
    (
        "seal / golden values have their names and open",
        &[],
        golden_values,
    ),
    (
        "seal / what is sealed opens, and never looks the same",
        &[],
        sealed_opens,
    ),
    (
        "seal / a flipped bit at any byte does not open",
        &[],
        flipped_bits,
    ),
    (
        "seal / a value cut or extended anywhere does not open",
        &[],
        cut_values,
    ),
    (
        "seal / a value that was moved does not open",
        &[],
        moved_values,
    ),
    (
        "seal / under another key a value does not open, under a second one it does",
        &[],
        other_keys,
    ),
    ("seal / a value opens until its end", &[], expiry),
    ("seal / random bytes do not open", &[], random_bytes),
    (
        "seal / fields of a name do not run into each other",
        &[],
        fields_of_names,
    ),
];

const NOW: u64 = 1_789_000_000;
const END: u64 = NOW + 3600;
const PLACE: &str = "sslc:1:k:AAAA";

fn keyring(lines: &[&str]) -> Result<Keyring, Box<dyn std::error::Error>> {
    let text = lines.join("\n");
    Keyring::parse(text.as_bytes(), Path::new("keyring"))
        .map_err(|failure| failure.to_string().into())
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let pairs = (0..hexadecimal.len()).step_by(2);
    let digits = pairs.map(|at| u8::from_str_radix(&hexadecimal[at..at + 2], 16));
    digits.map(|byte| byte.expect("hexadecimal")).collect()
}

/// A keyring of one key, and a value that it sealed.
fn sealed() -> Result<(Keyring, Vec<u8>), Box<dyn std::error::Error>> {
    let keyring = keyring(&[GOLDEN[0].line])?;
    let value = seal(
        keyring.sealing(),
        Kind::TICKET_KEY,
        b"web",
        PLACE,
        END,
        b"secret",
    );
    Ok((keyring, value.map_err(|failure| failure.to_string())?))
}

fn opened(keyring: &Keyring, value: &[u8]) -> Result<Vec<u8>, Unopened> {
    open(keyring, Kind::TICKET_KEY, b"web", PLACE, value, NOW).map(|body| body.to_vec())
}

fn golden_values() -> Outcome {
    for Golden {
        line,
        kind,
        namespace,
        id,
        name: place,
        expiry,
        body,
        value,
    } in GOLDEN
    {
        let keyring = keyring(&[line])?;
        let named = name(keyring.sealing(), Kind(kind), namespace, id);
        ensure!(named == place, "named {named}, not {place}");
        let now = expiry - 1;
        let found = open(&keyring, Kind(kind), namespace, place, &bytes(value), now);
        ensure!(
            found.as_ref().is_ok_and(|found| **found == body),
            "{place}: {found:?}"
        );
    }
    Ok(())
}

fn sealed_opens() -> Outcome {
    let (keyring, value) = sealed()?;
    ensure!(
        opened(&keyring, &value) == Ok(b"secret".to_vec()),
        "it does not open"
    );
    ensure!(
        value[0] == 1 && value[1..5] == keyring.sealing().id(),
        "head {:?}",
        &value[..5]
    );
    ensure!(
        !value.windows(6).any(|part| part == b"secret"),
        "the body is in clear"
    );
    let (_, again) = sealed()?;
    ensure!(
        value.len() == again.len(),
        "lengths {} and {}",
        value.len(),
        again.len()
    );
    for (what, from, to) in [
        ("salt", 5, 21),
        ("nonce", 21, 33),
        ("body", 33, value.len()),
    ] {
        ensure!(
            value[from..to] != again[from..to],
            "{what} is the same twice"
        );
    }
    Ok(())
}

fn flipped_bits() -> Outcome {
    let (keyring, value) = sealed()?;
    for at in 0..value.len() {
        for bit in 0..8 {
            let mut flipped = value.clone();
            flipped[at] ^= 1 << bit;
            let outcome = opened(&keyring, &flipped);
            let expected = match at {
                0 => Unopened::Version(flipped[0]),
                1..5 => Unopened::UnknownKey([flipped[1], flipped[2], flipped[3], flipped[4]]),
                _ => Unopened::Forged,
            };
            ensure!(
                outcome == Err(expected),
                "byte {at}, bit {bit}: {outcome:?}"
            );
        }
    }
    Ok(())
}

fn cut_values() -> Outcome {
    let (keyring, value) = sealed()?;
    for length in 0..value.len() {
        let outcome = opened(&keyring, &value[..length]);
        let expected = if length < 57 {
            Unopened::Short
        } else {
            Unopened::Forged
        };
        ensure!(outcome == Err(expected), "{length} bytes: {outcome:?}");
    }
    let longer = [&value[..], &[0]].concat();
    ensure!(
        opened(&keyring, &longer) == Err(Unopened::Forged),
        "extended by a byte, it opens"
    );
    Ok(())
}

fn moved_values() -> Outcome {
    let (keyring, value) = sealed()?;
    let moves = [
        (
            "another name",
            Kind::TICKET_KEY,
            &b"web"[..],
            "sslc:1:k:AAAB",
        ),
        ("another namespace", Kind::TICKET_KEY, b"wed", PLACE),
        ("no namespace", Kind::TICKET_KEY, b"", PLACE),
        ("another kind", Kind(b's'), b"web", PLACE),
        ("shifted fields", Kind::TICKET_KEY, b"webs", &PLACE[1..]),
    ];
    for (what, kind, namespace, place) in moves {
        let outcome = open(&keyring, kind, namespace, place, &value, NOW);
        ensure!(outcome == Err(Unopened::Forged), "{what}: {outcome:?}");
    }
    Ok(())
}

fn other_keys() -> Outcome {
    let (first, value) = sealed()?;
    let id = first.sealing().id();
    let other = keyring(&[GOLDEN[1].line])?;
    let outcome = opened(&other, &value);
    ensure!(
        outcome == Err(Unopened::UnknownKey(id)),
        "another keyring: {outcome:?}"
    );
    let both = keyring(&[GOLDEN[1].line, GOLDEN[0].line])?;
    ensure!(
        opened(&both, &value) == Ok(b"secret".to_vec()),
        "the second key does not open it"
    );
    ensure!(
        both.sealing().id() == other.sealing().id(),
        "the first key does not seal"
    );
    let names = both
        .all()
        .iter()
        .map(|key| name(key, Kind::TICKET_KEY, b"web", &[]));
    let names: std::collections::BTreeSet<_> = names.collect();
    ensure!(names.len() == 2, "one name under two keys: {names:?}");
    Ok(())
}

fn expiry() -> Outcome {
    let (keyring, value) = sealed()?;
    for (now, expected) in [(0, true), (END - 1, true), (END, false), (u64::MAX, false)] {
        let outcome = open(&keyring, Kind::TICKET_KEY, b"web", PLACE, &value, now);
        let is_right = match expected {
            true => outcome.is_ok(),
            false => outcome == Err(Unopened::Expired),
        };
        ensure!(is_right, "at {now}: {outcome:?}");
    }
    Ok(())
}

fn random_bytes() -> Outcome {
    let (keyring, value) = sealed()?;
    // xorshift64 from a fixed seed: the same bytes in each run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000 {
        let mut random = vec![0; round % 200];
        for byte in &mut random {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *byte = (state >> 32) as u8;
        }
        ensure!(opened(&keyring, &random).is_err(), "opens: {random:?}");
        // The same behind a head that looks right.
        let behind = [&value[..5], &random].concat();
        ensure!(opened(&keyring, &behind).is_err(), "opens: {behind:?}");
    }
    Ok(())
}

fn fields_of_names() -> Outcome {
    let line = new_line().map_err(|failure| failure.to_string())?;
    let keyring = keyring(&[&line])?;
    let named = |namespace: &[u8], id: &[&[u8]]| name(keyring.sealing(), Kind(b'k'), namespace, id);
    let pairs = [
        (
            (&b"ab"[..], &[&b"c"[..]][..]),
            (&b"a"[..], &[&b"bc"[..]][..]),
        ),
        ((b"a", &[b"bc"]), (b"a", &[b"b", b"c"])),
        ((b"a", &[]), (b"a", &[b""])),
    ];
    for ((namespace, id), (other_namespace, other_id)) in pairs {
        let (one, other) = (named(namespace, id), named(other_namespace, other_id));
        ensure!(
            one != other,
            "{namespace:?} {id:?} and {other_namespace:?} {other_id:?} are both {one}"
        );
        ensure!(one.len() == 41 && one.starts_with("sslc:1:k:"), "{one}");
    }
    Ok(())
}
