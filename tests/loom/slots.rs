//! Models of the mailbox's slots, and of what is owed.

use std::time::Duration;

use loom::thread;

use crate::ends::request::{OwnedRequest, Request};
use crate::ends::{AgentEnd, Mailbox};
use crate::lock::explore;
use crate::mailbox::hearing::{Heard, Hearing};
use crate::mailbox::slots::{Reply, Unanswered};
use crate::played::{clock, futex};

pub const MODELS: &[(&str, fn())] = &[
    (
        "mailbox / an asker gets its own answer, whole, or none",
        one_asker,
    ),
    (
        "mailbox / two askers meet in a slot, of which one comes late",
        two_askers,
    ),
    ("mailbox / what is owed arrives once, or is in doubt", owed),
];

/// Longer than it takes until a use of a slot is over.
const PATIENCE: Duration = Duration::from_secs(10);

fn answer_to(name: [u8; 8]) -> [u8; 8] {
    name.map(|byte| !byte)
}

/// The agent looks and answers so often.
fn agent(hearing: &Hearing, looks: usize) -> Vec<[u8; 8]> {
    let mut heard = Heard::default();
    let mut removed = Vec::new();
    for _ in 0..looks {
        let mut asked = Vec::new();
        hearing.take(&mut heard, |slot, request| asked.push((slot, request)));
        for (slot, request) in asked {
            match request {
                OwnedRequest::Look(name) => hearing.answer(slot, Reply::Found, &answer_to(name)),
                OwnedRequest::Remove(name) => {
                    removed.push(name);
                    hearing.settle_owed(slot.owed().expect("it is owed"));
                }
                OwnedRequest::Doubt(_) | OwnedRequest::Damaged => removed.push([0; 8]),
            }
        }
    }
    removed
}

/// Asks; an answer is the one to this request.
fn ask(mailbox: &Mailbox, name: [u8; 8]) {
    let mut record = Vec::new();
    match mailbox.ask(&Request::Look(&name), PATIENCE, &mut record) {
        Ok(true) => assert_eq!(record, answer_to(name), "another's answer"),
        Ok(false) => panic!("the agent has said that there is one"),
        Err(Unanswered::Odd | Unanswered::Late | Unanswered::Full | Unanswered::Rests) => {}
    }
}

fn ends() -> (loom::sync::Arc<Mailbox>, Hearing) {
    let (mailbox, end): (_, AgentEnd) = Mailbox::make();
    (loom::sync::Arc::new(mailbox), end.hear().expect("an ear"))
}

fn with_time(step: Duration) {
    futex::ends(true);
    clock::goes_on_by(step);
}

fn one_asker() {
    with_time(Duration::from_secs(4));
    explore(2, || {
        let (mailbox, hearing) = ends();
        let agent = thread::spawn(move || agent(&hearing, 1));
        ask(&mailbox, [7; 8]);
        agent.join().unwrap();
    });
}

/// So much time passes at each look that the first use of the slot is over when the second asker comes, whatever the first one has
/// come to.
fn two_askers() {
    with_time(Duration::from_millis(3200));
    explore(1, || {
        let (mailbox, hearing) = ends();
        let other = mailbox.clone();
        let agent = thread::spawn(move || agent(&hearing, 1));
        let asker = thread::spawn(move || ask(&other, [7; 8]));
        ask(&mailbox, [9; 8]);
        agent.join().unwrap();
        asker.join().unwrap();
    });
}

fn owed() {
    with_time(Duration::ZERO);
    explore(2, || {
        let (mailbox, hearing) = ends();
        let other = mailbox.clone();
        let agent = thread::spawn(move || {
            let removed = agent(&hearing, 1);
            (hearing, removed)
        });
        let teller = thread::spawn(move || other.tell(&Request::Remove(&[7; 8])));
        mailbox
            .tell(&Request::Remove(&[9; 8]))
            .expect("there is room");
        teller.join().unwrap().expect("there is room");
        let (hearing, mut removed) = agent.join().unwrap();
        // By now both are told: a later agent goes on from what is settled.
        removed.extend(self::agent(&hearing, 1));
        removed.sort_unstable();
        assert_eq!(removed, [[7; 8], [9; 8]]);
    });
}
