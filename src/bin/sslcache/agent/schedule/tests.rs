//! One host: which keys it has, and which it refuses.

use super::secret::ratchet;
use super::*;

const DAY: u64 = 24 * 3600;
const START: u64 = 500_000 * EPOCH_SECONDS;
const PRESENT: u64 = 500_000;

fn secret(byte: u8) -> Secret {
    Secret::taken_from(&mut [byte; 32])
}

fn schedule() -> Schedule {
    Schedule::new("web", DAY)
}

/// A schedule that has found the keys of the present epoch and of the two that follow.
fn with_three() -> Schedule {
    let mut schedule = schedule();
    for ahead in 0..=2 {
        schedule
            .found(PRESENT + ahead, secret(1 + ahead as u8), START)
            .unwrap();
    }
    schedule.succeeded(START);
    schedule
}

fn making(schedule: &Schedule, now: u64) -> Option<[u8; 32]> {
    let keys = schedule.publish(now);
    let present = epoch_of(now);
    for epoch in keys.iter().map(|key| key.epoch) {
        let of_epoch = keys.iter().filter(|key| key.epoch == epoch);
        let number = of_epoch.filter(|key| key.makes).count();
        assert_eq!(number, usize::from(epoch >= present), "{epoch}");
    }
    let mut making = keys.iter().filter(|key| key.makes && key.epoch == present);
    making.next().map(|key| *key.secret.bytes())
}

fn opens(schedule: &Schedule, now: u64, bytes: &[u8; 32]) -> bool {
    schedule
        .publish(now)
        .iter()
        .any(|key| key.secret.bytes() == bytes)
}

#[test]
fn secret_is_taken_and_its_source_wiped() {
    let mut bytes = [7; 32];
    assert_eq!(Secret::taken_from(&mut bytes).bytes(), &[7; 32]);
    assert_eq!(bytes, [0; 32]);
}

#[test]
fn first_round_looks_up_every_epoch_and_the_next_one_the_near_ones() {
    let mut schedule = schedule();
    let wanted = schedule.wanted(START);
    assert_eq!(wanted[0], PRESENT);
    // The epochs that have not ended: those of the lifetime, one for the hour of skew, one that has just ended.
    let past = wanted.iter().filter(|&&epoch| epoch < PRESENT).count();
    assert_eq!((past, wanted.iter().max()), (25, Some(&(PRESENT + 3))));
    schedule.succeeded(START);
    assert_eq!(schedule.wanted(START + 60).len(), 5);
    assert_eq!(schedule.wanted(START + WHOLE).len(), wanted.len());
    schedule.failed();
    assert_eq!(schedule.wanted(START + 120).len(), wanted.len());
}

#[test]
fn new_keys_are_offered_for_the_present_epoch_and_two_more() {
    let schedule = schedule();
    let offered = |epoch| schedule.offer(epoch, START, || Some(secret(9))).is_some();
    assert!(!offered(PRESENT - 1));
    assert!((0..=2).all(|ahead| offered(PRESENT + ahead)));
    assert!(!offered(PRESENT + 3));
}

#[test]
fn key_that_the_store_has_lost_is_offered_again() {
    let schedule = with_three();
    let offered = schedule.offer(PRESENT + 2, START + 60, || None).unwrap();
    assert_eq!(offered.bytes(), &[3; 32]);
}

#[test]
fn key_in_the_store_supersedes_another_which_still_opens() {
    let mut schedule = with_three();
    schedule.found(PRESENT, secret(8), START + 60).unwrap();
    assert_eq!(making(&schedule, START + 60), Some([8; 32]));
    assert!(opens(&schedule, START + 60, &[1; 32]));
}

#[test]
fn key_of_zeros_is_refused() {
    let refused = schedule().found(PRESENT, secret(0), START);
    assert_eq!(refused, Err(Refused::Zero));
}

#[test]
fn key_of_another_epoch_is_refused() {
    let mut schedule = with_three();
    let refused = schedule.found(PRESENT - 1, secret(1), START);
    assert_eq!(refused, Err(Refused::Repeated));
    assert!(schedule.found(PRESENT, secret(1), START).is_ok());
}

#[test]
fn key_out_of_its_time_is_refused() {
    let mut schedule = schedule();
    for epoch in [PRESENT - 27, PRESENT + 4, u64::MAX] {
        let refused = schedule.found(epoch, secret(1), START);
        assert_eq!(refused, Err(Refused::OutOfTime), "{epoch}");
    }
}

#[test]
fn key_opens_until_its_end_and_is_gone_then() {
    let mut schedule = with_three();
    let end = schedule.end_of(PRESENT);
    assert_eq!(end, START + EPOCH_SECONDS + DAY + SKEW);
    schedule.turn(end - 1);
    assert!(opens(&schedule, end - 1, &[1; 32]));
    schedule.turn(end);
    assert!(!opens(&schedule, end, &[1; 32]));
    assert!(!schedule.epochs.contains_key(&PRESENT));
}

#[test]
fn key_makes_tickets_in_its_epoch_only_and_opens_before_and_after() {
    let schedule = with_three();
    for (hour, byte) in [(0, 1), (1, 2), (2, 3)] {
        assert_eq!(
            making(&schedule, START + hour * EPOCH_SECONDS),
            Some([byte; 32])
        );
    }
    assert!((1..=3).all(|byte| opens(&schedule, START + EPOCH_SECONDS, &[byte; 32])));
}

#[test]
fn key_of_three_epochs_ahead_is_kept_but_not_published() {
    let mut schedule = with_three();
    schedule.found(PRESENT + 3, secret(4), START).unwrap();
    assert!(!opens(&schedule, START, &[4; 32]));
    assert!(opens(&schedule, START + EPOCH_SECONDS, &[4; 32]));
}

#[test]
fn without_the_store_keys_are_derived_for_a_day_and_no_longer() {
    let mut schedule = with_three();
    let mut seen = std::collections::BTreeSet::new();
    // The last key from the store is that of two epochs ahead.
    for hour in 0..=RATCHET_EPOCHS + 2 {
        let now = START + hour * EPOCH_SECONDS;
        schedule.turn(now);
        assert!(
            seen.insert(making(&schedule, now).unwrap()),
            "repeated at {hour}"
        );
        let origin = if hour <= 2 {
            Origin::Store
        } else {
            Origin::Ratchet
        };
        // The newest one may be known to this host only, so that it goes on from the one before.
        let origin = if hour == 2 { Origin::Ratchet } else { origin };
        assert_eq!(
            schedule.present(now).map(|present| present.origin),
            Some(origin),
            "{hour}"
        );
        if hour == RATCHET_EPOCHS + 1 {
            break;
        }
    }
    let now = START + (RATCHET_EPOCHS + 3) * EPOCH_SECONDS;
    schedule.turn(now);
    assert_eq!(making(&schedule, now), None);
    assert_eq!(schedule.present(now), None);
}

#[test]
fn settled_key_is_the_one_to_go_on_from() {
    let mut schedule = with_three();
    schedule
        .found(PRESENT + 2, secret(3), START + SETTLE)
        .unwrap();
    schedule.succeeded(START + SETTLE);
    let now = START + 2 * EPOCH_SECONDS;
    schedule.turn(now);
    assert_eq!(making(&schedule, now), Some([3; 32]));
    // A host that does not have that key goes on from the one before.
    let other = ratchet(&secret(2), "web", PRESENT + 2);
    assert!(opens(&schedule, now, other.bytes()));
}

#[test]
fn derived_key_depends_on_namespace_and_epoch() {
    let of = |namespace, epoch| *ratchet(&secret(1), namespace, epoch).bytes();
    assert_ne!(of("web", 5), of("mail", 5));
    assert_ne!(of("web", 5), of("web", 6));
    // It is the same on every host and in every version.
    let known = "23c29afe2256af35aeade0d84279148804d845ef161fae0dd2366e13e6afb7c4";
    let hex: String = of("web", 500_000)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(hex, known);
}

#[test]
fn host_that_has_never_reached_the_store_has_no_key() {
    let mut schedule = schedule();
    schedule.failed();
    schedule.turn(START);
    schedule.turn(START + DAY);
    assert!(schedule.publish(START + DAY).is_empty());
}

#[test]
fn derived_keys_are_offered_when_the_store_is_back_and_a_new_one_after_them() {
    let mut schedule = with_three();
    let now = START + 10 * EPOCH_SECONDS;
    schedule.turn(now);
    let present = making(&schedule, now).unwrap();
    let offered = schedule.offer(PRESENT + 10, now, || None).unwrap();
    assert_eq!(offered.bytes(), &present);
    assert!(schedule.offer(PRESENT + 11, now, || None).is_some());
    assert!(schedule.offer(PRESENT + 12, now, || None).is_none());
    assert!(schedule.offer(PRESENT + 5, now, || None).is_some());
}

#[test]
fn keys_of_an_epoch_are_bounded() {
    let mut schedule = schedule();
    for byte in 1..=200 {
        schedule.found(PRESENT, secret(byte), START).unwrap();
    }
    assert_eq!(schedule.publish(START).len(), OTHERS_MOST + 1);
    assert_eq!(making(&schedule, START), Some([200; 32]));
}

#[test]
fn short_contact_does_not_end_what_others_may_go_on_from() {
    let mut schedule = with_three();
    let now = START + 3 * EPOCH_SECONDS;
    schedule.failed();
    schedule.turn(now);
    // One round succeeds, in which this host puts what it has derived, and the store is gone again.
    for epoch in PRESENT + 3..=PRESENT + 5 {
        let offered = schedule.offer(epoch, now, || Some(secret(9))).unwrap();
        schedule.found(epoch, offered, now).unwrap();
    }
    schedule.succeeded(now);
    schedule.turn(now + ROUND);
    schedule.failed();
    let later = START + 6 * EPOCH_SECONDS;
    schedule.turn(later);
    let mut other = secret(3);
    for epoch in PRESENT + 3..=PRESENT + 6 {
        other = ratchet(&other, "web", epoch);
    }
    assert!(opens(&schedule, later, other.bytes()));
}

#[test]
fn saved_schedule_goes_on_as_the_first_would() {
    let mut first = with_three();
    first.found(PRESENT, secret(8), START + 60).unwrap();
    let now = START + 4 * EPOCH_SECONDS;
    first.turn(now);
    let mut saved = Vec::with_capacity(1 << 16);
    assert!(first.save(&mut saved));
    saved.push(99);
    let mut second = schedule();
    assert_eq!(second.restore(&saved, now), Some(&[99][..]));
    for hour in 4..=30 {
        let now = START + hour * EPOCH_SECONDS;
        first.turn(now);
        second.turn(now);
        let all = |schedule: &Schedule| -> Vec<_> {
            let keys = schedule.publish(now);
            keys.iter()
                .map(|key| (key.epoch, *key.secret.bytes(), key.makes))
                .collect()
        };
        assert_eq!(all(&first), all(&second), "{hour}");
    }
}

#[test]
fn what_is_no_saved_schedule_is_refused() {
    let mut saved = Vec::with_capacity(1 << 16);
    assert!(with_three().save(&mut saved));
    for length in 0..saved.len() {
        assert_eq!(
            schedule().restore(&saved[..length], START),
            None,
            "{length}"
        );
    }
    saved[12] = 77;
    assert_eq!(schedule().restore(&saved, START), None);
    // A key that is out of its time is left out.
    let mut late = schedule();
    saved[12] = 1;
    late.restore(&saved, START + 1000 * EPOCH_SECONDS).unwrap();
    assert!(late.epochs.is_empty());
    assert!(!with_three().save(&mut Vec::with_capacity(10)));
}

#[test]
fn clock_that_was_ahead_for_a_moment_costs_nothing() {
    let mut schedule = with_three();
    let far = PRESENT + 40;
    schedule.turn(far * EPOCH_SECONDS);
    for ahead in 0..=2 {
        let key = secret(40 + ahead as u8);
        schedule
            .found(far + ahead, key, far * EPOCH_SECONDS)
            .unwrap();
    }
    schedule.succeeded(far * EPOCH_SECONDS);
    let now = START + 60;
    schedule.turn(now);
    // The keys that are over by the wrong clock are looked up at once.
    assert_eq!(schedule.wanted(now).len(), schedule_of_start().len());
    for ahead in 0..=2 {
        let key = secret(1 + ahead as u8);
        schedule.found(PRESENT + ahead, key, now).unwrap();
    }
    schedule.succeeded(now);
    assert_eq!(making(&schedule, now), Some([1; 32]));
    // And the keys of an outage are derived from those of the right time.
    let outage = START + 10 * EPOCH_SECONDS;
    schedule.turn(outage);
    assert!(making(&schedule, outage).is_some());
}

fn schedule_of_start() -> Vec<u64> {
    schedule().wanted(START + 60)
}
