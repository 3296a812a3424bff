//! The mailbox, as the processes and the agent see it: requests and answers, what is owed, news and keys, and changes of its words by
//! either side.
//!
//! Without changes each answer is the agent's for this request, whatever is owed arrives once and in its order, and news and keys
//! arrive as they were told. With changes nothing ends either side, and the work of a look is bounded.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use sslcache::mailbox::{
    AgentEnd, FleetKey, FleetKeys, Heard, Hearing, MAILBOX_BYTES, Mailbox, News, OwnedRequest,
    Reply, Request, Serving, SessionName, Unanswered,
};
use sslcache::sys::played;
use sslcache_fuzz::Input;

/// Requests that one look finds, at most: the slots, what is owed, and a doubt.
const MOST: usize = 64 + 4096 + 1;

/// The reply of the first slot.
const REPLY_AT: usize = 28672 + 8192;

/// The agent, and what the test knows of what it does.
struct Agent {
    hearing: Hearing,
    heard: Heard,
    mailbox: Rc<Mailbox>,
    /// How it answers the next requests.
    answers: Vec<u8>,
    /// Whether it, or somebody else, has changed an answer.
    is_hostile: bool,
    /// The ids of removals that have arrived.
    removed: Vec<u8>,
    doubts: usize,
    latest: Option<u64>,
}

fn name(number: u8) -> SessionName {
    SessionName::new([number % 2; 32], 0x0304, &[number; 32]).expect("a name")
}

/// What the agent has of a session.
fn record(number: u8) -> Vec<u8> {
    vec![number; usize::from(number) * 30]
}

impl Agent {
    fn look(&mut self) {
        let mut found = Vec::new();
        let mut number = 0;
        self.hearing.take(&mut self.heard, |slot, request| {
            number += 1;
            assert!(number <= MOST, "more requests than there are places");
            found.push((slot, request));
        });
        for (slot, request) in found {
            match request {
                OwnedRequest::Look(name) | OwnedRequest::Take(name) => {
                    let id = name.id()[0];
                    match self.answers.pop().unwrap_or(0) % 4 {
                        0 => {}
                        1 => self.hearing.answer(slot, Reply::None, &[]),
                        2 => self.hearing.answer(slot, Reply::Found, &record(id)),
                        _ => {
                            self.hearing.answer(slot, Reply::Found, &record(id));
                            let (word, change) = (self.answers.pop(), self.answers.pop());
                            let at = REPLY_AT + 8 * usize::from(word.unwrap_or(0) % 8);
                            let change = u64::from(change.unwrap_or(0));
                            self.mailbox
                                .scribble(at, |word| word ^ change << (change % 40));
                            self.is_hostile = true;
                        }
                    }
                }
                OwnedRequest::Remove(name) => self.removed.push(name.id()[0]),
                OwnedRequest::Doubt(number) => {
                    self.doubts += 1;
                    if let Some(number) = number {
                        self.hearing.clear_doubt(number);
                    }
                }
                OwnedRequest::Damaged => self.doubts += 1,
                OwnedRequest::Put { .. } | OwnedRequest::Flush { .. } => {}
            }
            if let Some(owed) = slot.owed() {
                self.latest = Some(owed);
            }
        }
        if let Some(latest) = self.latest.take() {
            self.hearing.settle_owed(latest);
        }
    }
}

fn keys(number: u8) -> FleetKeys {
    let mut keys = FleetKeys::default();
    for at in 0..number % 5 {
        keys.push(&FleetKey {
            epoch: at.into(),
            until: 1000,
            name: [number; 16],
            secret: [number | 1; 32],
            makes: at == 0,
        });
    }
    keys
}

sslcache_fuzz::target!(|bytes: &[u8]| {
    played::begin();
    let mut input = Input(bytes);
    let (mailbox, file) = Mailbox::make().expect("a mailbox");
    let end = AgentEnd::of_peer(file).expect("it is one");
    let mailbox = Rc::new(mailbox);
    let agent = Rc::new(RefCell::new(Agent {
        hearing: end.hear().expect("an ear"),
        heard: Heard::default(),
        mailbox: mailbox.clone(),
        answers: Vec::new(),
        is_hostile: false,
        removed: Vec::new(),
        doubts: 0,
        latest: None,
    }));
    let other = agent.clone();
    played::meanwhile(Some(Box::new(move || {
        if let Ok(mut agent) = other.try_borrow_mut() {
            agent.look();
        }
    })));
    let mut is_hostile = false;
    let mut told: Vec<u8> = Vec::new();
    let mut news: VecDeque<News> = VecDeque::new();
    let (mut seen, mut latest) = (0, 0);
    let mut published: Option<u8> = None;
    for _ in 0..200 {
        if input.is_over() {
            break;
        }
        let (operation, number) = (input.below(14), input.u8());
        match operation {
            0..3 => {
                agent.borrow_mut().answers = input.bytes(6).to_vec();
                let mut record_of = Vec::new();
                let name = name(number);
                let request = match input.flip() {
                    true => Request::Look(&name),
                    false => Request::Take(&name),
                };
                let found = mailbox.ask(
                    &request,
                    Duration::from_millis(u64::from(input.below(8))),
                    &mut record_of,
                );
                is_hostile |= agent.borrow().is_hostile;
                match found {
                    Ok(true) => assert!(
                        is_hostile || record_of == record(number),
                        "another's answer"
                    ),
                    Ok(false) => assert!(is_hostile || record_of.is_empty()),
                    Err(Unanswered::Odd) => assert!(is_hostile),
                    Err(_) => {}
                }
            }
            3 | 4 => {
                let name = name(number);
                if mailbox.tell(&Request::Remove(&name)).is_ok() {
                    told.push(number);
                }
            }
            5 => {
                let record = vec![number; usize::from(input.u16() % 9000)];
                let name = name(number);
                let put = Request::Put {
                    name: &name,
                    made: 1,
                    expiry: input.odd() as i64,
                    is_used_once: input.flip(),
                    record: &record,
                };
                let _ = mailbox.tell(&put);
            }
            6 => {
                let _ = mailbox.tell(&Request::Flush {
                    realm: &[number; 32],
                    until: 7,
                });
            }
            7 => agent.borrow_mut().look(),
            8 => {
                let one = match number % 3 {
                    0 => News::Removed(name(number)),
                    1 => News::Flushed([number; 32]),
                    _ => News::Lost,
                };
                end.tell_news(latest, &one);
                latest += 1;
                news.push_back(one);
                let serving = Serving {
                    sessions: input.flip(),
                    early_data: true,
                    rests: Duration::from_millis(u64::from(number % 3)),
                };
                end.serve(serving);
                mailbox.is_served();
            }
            9 => {
                let mut number = 0;
                mailbox.news(&mut seen, |one| {
                    number += 1;
                    assert!(number <= 1024, "more news than there is room for");
                    assert!(is_hostile || news.pop_front() == Some(one), "other news");
                });
                mailbox.note_applied(seen);
            }
            10 => {
                end.open().expect("it is in use").publish(&keys(number));
                published = Some(number);
            }
            11 => {
                let mut read = FleetKeys::default();
                let found = mailbox.read_keys(&mut read);
                if !is_hostile {
                    assert_eq!(found.is_some(), published.is_some());
                    assert!(published.is_none_or(|number| read.iter().eq(keys(number).iter())));
                }
                (read.making(7), read.opening(&[number; 16], 7));
            }
            12 => played::pass(Duration::from_millis(input.odd() % 100_000)),
            _ => {
                let at = match input.below(4) {
                    0 => 8 * usize::from(number),
                    1 => 4096 + 8 * usize::from(input.u16()),
                    2 => MAILBOX_BYTES - 8 * (1 + usize::from(input.u16())),
                    _ => input.u64() as usize,
                };
                mailbox.scribble(at % MAILBOX_BYTES, input.change());
                is_hostile = true;
            }
        }
    }
    played::pass(Duration::from_secs(4));
    agent.borrow_mut().look();
    agent.borrow_mut().look();
    if !is_hostile {
        let agent = agent.borrow();
        assert_eq!(agent.doubts, 0, "nothing is in doubt");
        assert!(
            agent.removed == told,
            "a removal that was told is lost, or told twice"
        );
    }
    played::meanwhile(None);
});
