//! What the cache promises, one sentence each.

use super::*;
use crate::cache::slab::{Entry, Hook};
use crate::cache::{Counters, Outcome};

#[test]
fn one_means_one() {
    let cache = Cache::new(1, 8);
    for number in 0..100 {
        let evicted = listed(add(&cache, number, 100).evicted);
        assert_eq!(evicted.len(), usize::from(number > 0));
        assert_eq!(cache.len(), 1);
        assert!(cache.contains(&key(number)), "the latest is the one");
    }
}

#[test]
fn a_small_cache_of_ten_holds_ten_and_those_who_return_outlive_those_who_do_not() {
    let cache = Cache::new(10, 8);
    for number in 0..10 {
        assert!(listed(add(&cache, number, 100).evicted).is_empty());
    }
    assert!(cache.get(&key(3)).is_some() && cache.get(&key(4)).is_some());
    for number in 10..200 {
        assert_eq!(listed(add(&cache, number, 100).evicted).len(), 1);
        assert_eq!(cache.len(), 10);
    }
    assert!(cache.contains(&key(3)) && cache.contains(&key(4)));
    assert!(
        cache.contains(&key(199)) && cache.contains(&key(198)),
        "both tickets of the last handshake are there"
    );
}

#[test]
fn a_flood_of_strangers_does_not_push_out_those_who_return() {
    const CAPACITY: u64 = 4_096;
    const REGULARS: u64 = 2_000;
    let cache = Cache::new(CAPACITY as usize, 8);
    for number in 0..REGULARS {
        let _ = add(&cache, number, 1_000);
        assert!(
            cache.get(&key(number)).is_some(),
            "a client that resumes its first session at once"
        );
    }
    let (mut hits, mut visits) = (0, 0);
    for stranger in 0..40 * CAPACITY {
        let _ = add(&cache, 1_000_000 + stranger, 1_000);
        if stranger % 32 == 0 {
            visits += 1;
            hits += u64::from(cache.get(&key(visits % REGULARS)).is_some());
        }
    }
    assert_eq!(cache.len() as u64, CAPACITY);
    assert!(
        hits * 100 >= visits * 99,
        "{hits} of {visits} visits found their session"
    );
}

#[test]
fn a_session_made_in_a_resumed_handshake_outlives_a_flood_before_its_first_use() {
    let cache = Cache::new(1_000, 1);
    for number in 0..100 {
        let _ = add_proven(&cache, number, 100);
    }
    for number in 1_000..10_000 {
        let _ = add(&cache, number, 100);
    }
    assert!((0..100).all(|number| cache.contains(&key(number))));
}

#[test]
fn a_session_that_has_expired_makes_room_before_a_good_one_however_much_it_was_used() {
    for (now, first_to_leave) in [(50, 1), (51, 0)] {
        let cache = Cache::new(10, 1);
        for number in 0..10 {
            let expiry = Expiry::at(if number == 0 { 50 } else { 100 });
            let _ = insert(
                &cache,
                key(number),
                Session::new(number),
                expiry,
                ClientHistory::Proven,
                0,
            );
        }
        let _ = (cache.get(&key(0)), cache.get(&key(0)));
        let inserted = insert(
            &cache,
            key(10),
            Session::new(10),
            Expiry::at(100),
            ClientHistory::New,
            now,
        );
        let gone = listed(inserted.evicted);
        assert_eq!(*gone[0].0, first_to_leave, "in its last second it is good");
    }
}

#[test]
fn a_proven_session_that_has_expired_does_not_outlive_good_newcomers() {
    let cache = Cache::new(40, 1);
    let _ = add_proven(&cache, 0, 50);
    for number in 1..40 {
        let _ = add(&cache, number, 100);
    }
    let gone = insert(
        &cache,
        key(40),
        Session::new(40),
        Expiry::at(100),
        ClientHistory::New,
        51,
    )
    .evicted;
    assert_eq!(*listed(gone)[0].0, 0);
}

#[test]
fn the_tickets_of_two_new_clients_find_room_in_a_cache_of_ten_that_proven_ones_fill() {
    let cache = Cache::new(10, 1);
    for number in 0..10 {
        let _ = add_proven(&cache, number, 100);
    }
    for number in 10..14 {
        let _ = add(&cache, number, 100);
    }
    assert!((10..14).all(|number| cache.contains(&key(number))));
}

#[test]
fn an_expired_session_is_found_until_it_is_flushed_and_flushed_only_after_its_last_second() {
    let cache = Cache::new(0, 1);
    let _ = add(&cache, 1, 100);
    assert_eq!(numbers(cache.flush(Flush::ExpiredBefore(100))), []);
    assert!(cache.get(&key(1)).is_some());
    assert_eq!(numbers(cache.flush(Flush::ExpiredBefore(101))), [1]);
    assert!(cache.get(&key(1)).is_none());
}

#[test]
fn a_session_that_never_expires_stays_through_every_flush_of_the_expired() {
    let cache = Cache::new(0, 1);
    let _ = insert(
        &cache,
        key(1),
        Session::new(1),
        Expiry::NEVER,
        ClientHistory::New,
        0,
    );
    let _ = add(&cache, 2, i64::MAX - 1);
    assert_eq!(numbers(cache.flush(Flush::ExpiredBefore(i64::MAX))), [2]);
    assert_eq!(numbers(cache.flush(Flush::Everything)), [1]);
}

#[test]
fn a_session_whose_expiry_was_changed_goes_by_the_new_one() {
    let cache = Cache::new(0, 1);
    let session = Session::new(1);
    let _ = insert(
        &cache,
        key(1),
        session.clone(),
        Expiry::at(100),
        ClientHistory::New,
        0,
    );
    assert!(cache.set_expiry_if_same(&key(1), &session, Expiry::at(100_000)));
    assert!(!cache.set_expiry_if_same(&key(1), &Session::new(1), Expiry::at(0)));
    assert_eq!(numbers(cache.flush(Flush::ExpiredBefore(101))), []);
    let again = insert(
        &cache,
        key(1),
        session,
        Expiry::at(10),
        ClientHistory::New,
        0,
    );
    assert!(matches!(again.outcome, Outcome::AlreadyCached));
    assert_eq!(numbers(cache.flush(Flush::ExpiredBefore(11))), [1]);
}

#[test]
fn ids_that_share_a_prefix_or_differ_in_length_or_version_are_different_sessions() {
    let cache = Cache::new(0, 8);
    let ids = [
        &b"\0"[..],
        b"\0\0",
        b"abcd",
        b"abcd\0",
        b"abcde",
        &[0; 31],
        &[0; 32],
        &[255; 32],
    ];
    let keys: Vec<Key> = ids
        .iter()
        .flat_map(|id| [771, 772, 0xfeff].map(|version| Key::new(id, version).unwrap()))
        .collect();
    for (number, key) in keys.iter().enumerate() {
        let session = Session::new(number as u64);
        assert!(matches!(
            insert(
                &cache,
                key.clone(),
                session,
                Expiry::NEVER,
                ClientHistory::New,
                0
            )
            .outcome,
            Outcome::Added
        ));
    }
    for (number, key) in keys.iter().enumerate() {
        assert_eq!(
            cache.take(key).map(|session| *session.0),
            Some(number as u64)
        );
    }
    assert!(Key::new(&[0; 33], 771).is_none() && Key::new(b"", 771).is_none());
    assert!(Key::new(b"a", -1).is_none() && Key::new(b"a", 0x1_0000).is_none());
}

#[test]
fn a_lowered_capacity_takes_effect_at_the_next_insert_and_a_raised_one_at_once() {
    let cache = Cache::new(0, 8);
    for number in 0..1_000 {
        let _ = add(&cache, number, 100);
    }
    cache.set_capacity(3);
    assert_eq!(cache.len(), 1_000);
    assert_eq!(listed(add(&cache, 1_000, 100).evicted).len(), 998);
    assert_eq!(cache.len(), 3);
    assert!(cache.contains(&key(1_000)));
    cache.set_capacity(4);
    assert!(listed(add(&cache, 1_001, 100).evicted).is_empty());
    cache.validate();
}

#[test]
fn a_full_cache_whose_own_shard_is_empty_makes_room_in_another() {
    let cache = Cache::new(0, 64);
    let _ = add(&cache, 0, 100); // With the capacity of now come all 64 shards.
    cache.set_capacity(1);
    for number in 1..200 {
        assert!(matches!(add(&cache, number, 100).outcome, Outcome::Added));
        assert_eq!(cache.len(), 1);
        assert!(cache.contains(&key(number)));
    }
}

#[test]
fn two_flushes_that_come_between_each_other_leave_nothing_to_be_missed_later() {
    let cache = Cache::new(0, 1);
    // One slot: seconds 0 to 15, and the same seconds a lap later.
    for number in 0..4_000 {
        let _ = add(
            &cache,
            number,
            (number % 16) as i64 + if number % 2 == 0 { 4_096 } else { 0 },
        );
    }
    let mut early = cache.flush(Flush::ExpiredBefore(2));
    let mut late = cache.flush(Flush::ExpiredBefore(9));
    while early.next().is_some() | late.next().is_some() {
        cache.validate();
    }
    cache.flush(Flush::ExpiredBefore(9)).for_each(drop);
    let mut left = cache.iter().flatten();
    assert!(left.all(|session| *session.0 % 2 == 0 || *session.0 % 16 >= 9));
    // Odd numbers from 9 to 15 in each sixteen, and after that the even ones, a lap later.
    assert_eq!(
        cache.flush(Flush::ExpiredBefore(4_096)).flatten().count(),
        1_000
    );
    assert_eq!(
        cache.flush(Flush::ExpiredBefore(4_112)).flatten().count(),
        2_000
    );
}

#[test]
fn a_walk_that_others_add_to_meets_all_that_was_there_and_ends() {
    let cache = Cache::new(0, 2);
    for number in 0..1_000 {
        let _ = add(&cache, number, 100);
    }
    let mut met = Vec::new();
    let mut added = 1_000;
    for batch in cache.iter() {
        met.extend(batch.iter().map(|session| *session.0));
        for _ in 0..2 * batch.len() {
            let _ = add(&cache, added, 100);
            added += 1;
        }
    }
    met.sort_unstable();
    assert!(met.len() < 5_000 && met[..1_000].iter().copied().eq(0..1_000));
}

#[test]
fn the_counters_tell_what_happened() {
    let cache = Cache::new(2, 1);
    assert!(cache.get(&key(1)).is_none());
    let session = Session::new(1);
    for _ in 0..2 {
        let _ = insert(
            &cache,
            key(1),
            session.clone(),
            Expiry::at(10),
            ClientHistory::New,
            0,
        );
    }
    let _ = add(&cache, 1, 10);
    let _ = (add(&cache, 2, 20), add(&cache, 3, 20), add(&cache, 4, 30));
    assert!(cache.get(&key(4)).is_some() && cache.get(&key(1)).is_none());
    assert!(cache.take(&key(4)).is_some());
    cache.flush(Flush::ExpiredBefore(21)).for_each(drop);
    let _ = add(&cache, 5, 50);
    cache.flush(Flush::Everything).for_each(drop);
    let expected = Counters {
        hits: 1,
        misses: 2,
        inserted: 5,
        already_cached: 1,
        replaced: 1,
        refused: 0,
        evicted: 2,
        expired: 1,
        flushed: 1,
        removed: 1,
    };
    assert_eq!(cache.counters(), expected);
}

#[test]
fn an_entry_takes_a_cache_line_and_eight_bytes_in_the_index() {
    assert_eq!(size_of::<Entry<Session>>(), 64);
    assert_eq!(size_of::<Hook>(), 8);
}

#[test]
fn the_memory_told_is_that_of_the_entries_and_little_more() {
    let cache = Cache::new(0, 8);
    assert!(cache.memory() < 1_000);
    for number in 0..100_000 {
        let _ = add(&cache, number, 100);
    }
    let full = cache.memory();
    assert!((78 * 100_000..79 * 100_000).contains(&full), "{full}");
    for number in 0..99_000 {
        let _ = cache.take(&key(number));
    }
    assert_eq!(
        cache.memory(),
        full,
        "a shard that only shrinks keeps its memory"
    );
    cache.flush(Flush::Everything).for_each(drop);
    assert!(cache.memory() < 30_000);
}

#[test]
fn what_prints_a_key_does_not_print_its_id() {
    let printed = format!("{:?}", Key::new(b"AAAA", TLS12).unwrap());
    assert!(!printed.contains("AAAA") && !printed.contains("65"));
}

#[test]
fn expiry_is_exact_however_far_from_now() {
    let cache = Cache::new(0, 1);
    let powers = [31, 38, 39, 40, 47, 62];
    let near = powers.map(|power| [-1, 0, 1].map(|by| (1_i64 << power) + by));
    let seconds: Vec<i64> = near.iter().flatten().flat_map(|&s| [s, -s]).collect();
    for _ in 0..2 {
        for (number, &second) in (0..).zip(&seconds) {
            drop(add(&cache, number, second));
        }
        cache.validate();
        for (number, &second) in (0..).zip(&seconds) {
            let single = Cache::new(0, 1);
            drop(add(&single, number, 0));
            let session = single.get(&key(number)).expect("just added");
            assert!(single.set_expiry_if_same(&key(number), &session, Expiry::at(second)));
            single.validate();
            assert!(numbers(single.flush(Flush::ExpiredBefore(second))).is_empty());
            assert_eq!(
                numbers(single.flush(Flush::ExpiredBefore(second + 1))),
                [number]
            );
            single.validate();
        }
        let mut left: Vec<i64> = seconds.clone();
        left.sort_unstable();
        for &second in &left {
            let gone = numbers(cache.flush(Flush::ExpiredBefore(second + 1)));
            let gone: Vec<i64> = gone.iter().map(|&n| seconds[n as usize]).collect();
            assert_eq!(gone, [second]);
            cache.validate();
        }
        assert!(cache.is_empty());
    }
}
