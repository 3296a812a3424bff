//! What the cache makes of clients that come back under other ids, one sentence each.

use super::*;

#[test]
fn a_client_whose_session_had_to_leave_is_known_by_offering_it_and_its_next_one_stays() {
    let cache = Cache::new(1_000, 1);
    for number in 0..2_000 {
        let _ = add(&cache, number, 100);
    }
    assert!(cache.get(&key(999)).is_none());
    assert_eq!(cache.history_of(&key(999)), ClientHistory::Proven);
    // Once: who has one such session would otherwise fill the main queue with its next ones.
    assert_eq!(cache.history_of(&key(999)), ClientHistory::Returning);
    let made_up = (1_000_000..1_010_000).map(|number| cache.history_of(&key(number)));
    let believed = made_up.filter(|&standing| standing == ClientHistory::Proven);
    assert!(believed.count() < 25, "one in 1,024 agrees with a memory");
    let _ = add_proven(&cache, 5_000, 100);
    for number in 10_000..20_000 {
        let _ = add(&cache, number, 100);
    }
    assert!(cache.contains(&key(5_000)));
}

#[test]
fn a_client_that_stayed_away_longer_than_the_oldest_was_unused_is_not_proven_by_coming_back() {
    let cache = Cache::new(0, 1);
    let _ = (add(&cache, 0, 100), cache.take(&key(0)));
    for number in 1..21 {
        let _ = add(&cache, number, 100);
    }
    for number in 21..1_021 {
        let _ = add_proven(&cache, number, 100);
    }
    let _ = (add(&cache, 2_000, 100), cache.take(&key(2_000)));
    assert_eq!(cache.history_of(&key(0)), ClientHistory::Returning);
    assert_eq!(cache.history_of(&key(2_000)), ClientHistory::Proven);
}

#[test]
fn a_client_that_would_only_change_places_with_another_is_not_proven() {
    // All come in turn: who left has been away for as long as the oldest was unused.
    let cache = Cache::new(0, 1);
    for number in 0..2_000 {
        let _ = add_proven(&cache, number, 100);
        if number >= 1_000 {
            let _ = cache.take(&key(number - 1_000));
        }
    }
    // An eighth of the turn later than the oldest.
    for number in 1_125..1_175 {
        let _ = cache.take(&key(number));
    }
    for number in 1_125..1_175 {
        assert_ne!(cache.history_of(&key(number)), ClientHistory::Proven);
    }
}

#[test]
fn a_session_that_left_is_remembered_while_the_table_grows() {
    let cache = Cache::new(0, 1);
    let _ = (add(&cache, 0, 100), cache.take(&key(0)));
    for number in 1..1_000 {
        let _ = add(&cache, number, 100);
    }
    assert_eq!(cache.history_of(&key(0)), ClientHistory::Proven);
}

#[test]
fn of_clients_that_return_in_turn_and_do_not_all_fit_some_are_found_every_time() {
    const CAPACITY: u64 = 1_000;
    for clients in [2 * CAPACITY, 20 * CAPACITY] {
        let cache = Cache::new(CAPACITY as usize, 1);
        let mut sessions: Vec<u64> = Vec::new();
        let mut hits = 0;
        for visit in 0..10 * clients {
            let client = (visit % clients) as usize;
            let mut standing = ClientHistory::New;
            if let Some(&offered) = sessions.get(client) {
                if cache.get(&key(offered)).is_some() {
                    hits += 1;
                    continue;
                }
                standing = cache.history_of(&key(offered));
            } else {
                sessions.push(0);
            }
            sessions[client] = visit;
            let session = Session::new(visit);
            let _ = insert(&cache, key(visit), session, Expiry::NEVER, standing, 0);
        }
        assert!(hits > 10 * CAPACITY * 7 / 10, "{hits} of {clients} clients");
    }
}

#[test]
fn a_ticket_that_was_used_leaves_before_those_that_were_not() {
    let cache = Cache::new(100, 1);
    for number in 0..100 {
        let _ = add_proven(&cache, number, 100);
    }
    for number in 0..50 {
        assert!(cache.get_once(&key(number)).is_some());
        assert!(cache.contains(&key(number)), "it stays for now");
    }
    for number in 100..140 {
        let _ = add_proven(&cache, number, 100);
    }
    assert!((50..140).all(|number| cache.contains(&key(number))));
}
