//! What has to arrive, and what is in doubt where it cannot.

use super::super::slots::about;
use super::*;

/// A wait for a place has lasted long by now.
fn later(heard: &mut Heard) {
    heard.waiting_for = heard.waiting_for.map(|(end, since)| (end, since - 4000));
}

/// Fills the ring, and tells one more.
fn overflow(mailbox: &Mailbox) {
    for number in 0..OWED_MOST {
        let told = mailbox.tell(&Request::Remove(&name(number as u8)));
        assert_eq!(told, Ok(()), "{number}");
    }
    assert_eq!(mailbox.tell(&Request::Remove(&NAME)), Err(Unanswered::Full));
}

/// What an agent does whose store takes all at once. Returns how many doubts there were.
fn settle(hearing: &Hearing, heard: &mut Heard) -> usize {
    let mut doubts = 0;
    for (slot, request) in taken(hearing, heard) {
        hearing.settle_owed(slot.owed().unwrap());
        if let OwnedRequest::Doubt(number) = request {
            number
                .into_iter()
                .for_each(|number| hearing.clear_doubt(number));
            doubts += 1;
        }
    }
    doubts
}

#[test]
fn a_removal_arrives_however_late() {
    let (mailbox, end) = both_ends();
    mailbox_is_served(&mailbox, &end);
    for number in 0..OWED_MOST {
        assert_eq!(mailbox.tell(&Request::Remove(&name(number as u8))), Ok(()));
    }
    mailbox_is_served(&mailbox, &end);
    // With one more all is in doubt, and nobody asks.
    let remove = Request::Remove(&NAME);
    assert_eq!(mailbox.tell(&remove), Err(Unanswered::Full));
    assert!(!mailbox.is_served());
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    let mut told = taken(&hearing, &mut heard);
    let doubt = told.pop().map(|(_, request)| request);
    assert_eq!(told.len() as u64, OWED_MOST);
    for (number, (_, request)) in told.into_iter().enumerate() {
        let expected = name(number as u8);
        assert!(matches!(request, OwnedRequest::Remove(name) if name == expected));
    }
    let Some(OwnedRequest::Doubt(Some(doubt))) = doubt else {
        panic!("no doubt");
    };
    assert!(taken(&hearing, &mut heard).is_empty() && !mailbox.is_served());
    // An agent that begins anew is told again what the last one has not done.
    let mut again = taken(&hearing, &mut Heard::default());
    assert_eq!(again.len() as u64, OWED_MOST + 1);
    let (slot, last) = again.pop().unwrap();
    assert!(matches!(last, OwnedRequest::Doubt(Some(number)) if number == doubt));
    hearing.settle_owed(slot.owed().unwrap());
    assert_eq!(taken(&hearing, &mut Heard::default()).len(), 1);
    hearing.clear_doubt(doubt);
    assert!(taken(&hearing, &mut Heard::default()).is_empty());
    mailbox_is_served(&mailbox, &end);
    assert_eq!(mailbox.tell(&remove), Ok(()));
    assert_eq!(taken(&hearing, &mut heard).len(), 1);
}

#[test]
fn nobody_is_answered_while_a_removal_is_being_told() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    assert_eq!(mailbox.tell(&Request::Remove(&name(1))), Ok(()));
    // A process has reserved the next place, and is stopped.
    mailbox.memory.u64(header::OWED_NEXT).fetch_add(1, Relaxed);
    assert_eq!(mailbox.tell(&Request::Remove(&name(2))), Ok(()));
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let (look, most) = (name(3), Duration::from_millis(100));
            mailbox.ask(&Request::Look(&look), most, &mut Vec::new())
        });
        let mut told = 0;
        while !asker.is_finished() {
            told += taken(&hearing, &mut heard).len();
        }
        assert_eq!((told, asker.join().unwrap()), (1, Err(Unanswered::Late)));
    });
    // It is given up: what it was about to tell is unknown, and what was told after it is taken then.
    later(&mut heard);
    let told = taken(&hearing, &mut heard);
    let [
        (_, OwnedRequest::Doubt(None)),
        (_, OwnedRequest::Remove(told)),
    ] = &told[..]
    else {
        panic!("{} were taken", told.len());
    };
    assert!(*told == name(2));
}

#[test]
fn a_removal_that_is_damaged_was_one_all_the_same() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    assert_eq!(mailbox.tell(&Request::Remove(&NAME)), Ok(()));
    mailbox.memory.u64(OWED_AT + 40).fetch_xor(1, Relaxed);
    let told = taken(&hearing, &mut heard);
    assert!(matches!(&told[..], [(_, OwnedRequest::Damaged)]));
}

#[test]
fn two_overflows_within_a_moment_are_two_doubts() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    mailbox_is_served(&mailbox, &end);
    for _ in 0..2 {
        overflow(&mailbox);
        assert!(!mailbox.is_served());
        assert_eq!(settle(&hearing, &mut heard), 1);
        mailbox_is_served(&mailbox, &end);
    }
}

#[test]
fn a_doubt_that_comes_while_another_is_seen_to_is_not_cleared_with_it() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    mailbox_is_served(&mailbox, &end);
    overflow(&mailbox);
    let told = taken(&hearing, &mut heard);
    let Some((_, OwnedRequest::Doubt(Some(first)))) = told.last() else {
        panic!("no doubt");
    };
    assert_eq!(mailbox.tell(&Request::Remove(&NAME)), Err(Unanswered::Full));
    hearing.clear_doubt(*first);
    assert!(!mailbox.is_served());
    assert_eq!(settle(&hearing, &mut heard), 1);
    mailbox_is_served(&mailbox, &end);
}

/// [`Mailbox::owe`], cut after the reservation of a place.
fn reserve(mailbox: &Mailbox) -> u64 {
    mailbox.memory.u64(header::OWED_NEXT).fetch_add(1, Relaxed)
}

/// What such a process writes when it goes on, if it had looked at the place before.
fn go_on(mailbox: &Mailbox, number: u64) {
    Request::Remove(&name(1)).with_bytes(|bytes, _| {
        let at = OWED_AT + (number % OWED_MOST) as usize * OWED_BYTES;
        let about = about(Request::Remove(&NAME).kind(), bytes.len());
        mailbox.memory.u64(at + 8).store(about, Relaxed);
        mailbox
            .memory
            .u64(at + 16)
            .store(Sum::of(number as u32, about).over(bytes), Relaxed);
        mailbox.memory.write(at + 24, bytes);
    });
}

#[test]
fn a_process_that_was_stopped_for_long_leaves_a_doubt() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    mailbox_is_served(&mailbox, &end);
    reserve(&mailbox);
    assert!(taken(&hearing, &mut heard).is_empty());
    later(&mut heard);
    assert_eq!(settle(&hearing, &mut heard), 1);
    // And none for a later agent to wait for.
    assert!(taken(&hearing, &mut Heard::default()).is_empty());
    assert_eq!(mailbox.tell(&Request::Remove(&name(2))), Ok(()));
    assert_eq!(taken(&hearing, &mut Heard::default()).len(), 1);
}

#[test]
fn a_process_that_was_stopped_for_a_lap_ends_no_other_s_removal_unseen() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    mailbox_is_served(&mailbox, &end);
    let number = reserve(&mailbox);
    taken(&hearing, &mut heard);
    later(&mut heard);
    for _ in 1..OWED_MOST {
        assert_eq!(mailbox.tell(&Request::Remove(&name(3))), Ok(()));
    }
    assert_eq!(settle(&hearing, &mut heard), 1);
    // The place of `number` is used anew.
    assert_eq!(mailbox.tell(&Request::Remove(&name(4))), Ok(()));
    go_on(&mailbox, number);
    let told = taken(&hearing, &mut heard);
    assert!(matches!(&told[..], [(_, OwnedRequest::Damaged)]));
}

#[test]
fn several_processes_that_were_killed_are_waited_for_together() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    for _ in 0..4 {
        reserve(&mailbox);
    }
    assert_eq!(mailbox.tell(&Request::Remove(&name(2))), Ok(()));
    assert!(taken(&hearing, &mut heard).is_empty());
    later(&mut heard);
    assert_eq!(taken(&hearing, &mut heard).len(), 5);
}
