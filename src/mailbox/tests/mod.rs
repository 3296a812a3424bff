//! Requests and news between both ends of a mailbox, whoever ends or goes wrong in between.

use core::sync::atomic::Ordering::Relaxed;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::{Duration, Instant};

use super::layout::{
    ANSWERED_AT, BYTES, LINE_BYTES, NEWS_AT, NEWS_BYTES, NEWS_MOST, OWED_AT, OWED_BYTES, OWED_MOST,
    SLOTS, WORDS_AT, header, slot as place,
};
use super::memory::Answer;
use super::slots::{Step, Sum, Word, line_of, milliseconds, place_of};
use super::*;
use crate::sys::random::Random;

mod owed;

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

fn name(number: u8) -> SessionName {
    SessionName::new([number; 32], 0x303, &[number; 32]).unwrap()
}

fn both_ends() -> (Mailbox, AgentEnd) {
    let (mailbox, file) = Mailbox::make().unwrap();
    (mailbox, AgentEnd::of_peer(file).unwrap())
}

/// What the agent takes now.
fn taken(hearing: &Hearing, heard: &mut Heard) -> Vec<(Slot, OwnedRequest)> {
    let mut taken = Vec::new();
    hearing.take(heard, |slot, request| taken.push((slot, request)));
    taken
}

/// An agent that answers until it is told to end: with the realm of the session that is asked for, or with nothing for realm 0.
fn answering(end: &AgentEnd, is_over: Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let hearing = end.hear().unwrap();
    thread::spawn(move || {
        let mut heard = Heard::default();
        while !is_over.load(Relaxed) {
            hearing.wait(&heard, Duration::from_millis(20));
            for (slot, request) in taken(&hearing, &mut heard) {
                match request {
                    OwnedRequest::Look(name) | OwnedRequest::Take(name) => match name.realm()[0] {
                        0 => hearing.answer(slot, Reply::None, &[]),
                        _ => hearing.answer(slot, Reply::Found, name.realm()),
                    },
                    _ => {}
                }
            }
        }
    })
}

#[test]
fn each_asker_gets_its_own_answer() {
    let (mailbox, end) = both_ends();
    let is_over = Arc::new(AtomicBool::new(false));
    let agent = answering(&end, is_over.clone());
    let answered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..40_u8 {
            let (mailbox, answered) = (&mailbox, &answered);
            scope.spawn(move || {
                for _ in 0..25 {
                    let mut record = Vec::new();
                    let found = mailbox.ask(&Request::Look(&name(number)), LONG, &mut record);
                    assert_eq!(found, Ok(number != 0));
                    assert_eq!(record, &[number; 32][..if number == 0 { 0 } else { 32 }]);
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
    });
    is_over.store(true, Relaxed);
    agent.join().unwrap();
    assert_eq!(answered.load(Relaxed), 1000);
}

#[test]
fn nothing_of_a_session_stays_in_the_mailbox() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    let secret = [0xA5; 64];
    let has_secret = || {
        let words = (0..BYTES).step_by(8);
        words
            .map(|at| mailbox.memory.u64(at).load(Relaxed))
            .any(|word| word == u64::from_ne_bytes([0xA5; 8]))
    };
    let put = Request::Put {
        name: &name(1),
        made: 1,
        expiry: 2,
        is_used_once: false,
        record: &secret,
    };
    assert_eq!(mailbox.tell(&put), Ok(()));
    assert!(has_secret());
    assert_eq!(taken(&hearing, &mut heard).len(), 1);
    assert!(!has_secret());
    thread::scope(|scope| {
        let asker = scope.spawn(|| {
            let mut record = Vec::new();
            let found = mailbox.ask(&Request::Look(&name(1)), LONG, &mut record);
            (found, record)
        });
        let slot = loop {
            if let Some((slot, _)) = taken(&hearing, &mut heard).pop() {
                break slot;
            }
        };
        hearing.answer(slot, Reply::Found, &secret);
        assert_eq!(asker.join().unwrap(), (Ok(true), secret.to_vec()));
    });
    taken(&hearing, &mut heard);
    assert!(!has_secret());
}

#[test]
fn a_late_answer_does_not_reach_the_next_asker() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    let mut record = Vec::new();
    let begun = Instant::now();
    let late = mailbox.ask(
        &Request::Look(&name(1)),
        Duration::from_millis(2),
        &mut record,
    );
    assert_eq!(late, Err(Unanswered::Late));
    assert!(begun.elapsed() < SOON);
    // What was given up before it was taken is not taken at all.
    assert!(taken(&hearing, &mut heard).is_empty());
    for _ in 0..3 * SLOTS {
        thread::scope(|scope| {
            let asker = scope.spawn(|| {
                let mut record = Vec::new();
                let most = Duration::from_millis(1);
                mailbox.ask(&Request::Look(&name(1)), most, &mut record)
            });
            let slot = taken(&hearing, &mut heard).pop();
            let _ = asker.join().unwrap();
            if let Some((slot, _)) = slot {
                hearing.answer(slot, Reply::Found, b"late");
            }
        });
        mailbox.memory.u64(header::BREAKER).store(0, Relaxed);
        let mut record = Vec::new();
        let most = Duration::from_millis(1);
        let answer = mailbox.ask(&Request::Look(&name(2)), most, &mut record);
        assert!(
            matches!(answer, Err(Unanswered::Late | Unanswered::Odd)),
            "{answer:?}"
        );
        mailbox.memory.u64(header::BREAKER).store(0, Relaxed);
    }
}

#[test]
fn a_late_answer_does_not_take_the_place_of_the_next_asker_s() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    let ask = |number, most| {
        let mut record = Vec::new();
        let answer = mailbox.ask(&Request::Look(&name(number)), most, &mut record);
        (answer, record)
    };
    let mut take = || {
        loop {
            if let Some((slot, _)) = taken(&hearing, &mut heard).pop() {
                return slot;
            }
        }
    };
    thread::scope(|scope| {
        let asker = scope.spawn(|| ask(1, Duration::from_millis(20)));
        let late = take();
        assert_eq!(asker.join().unwrap().0, Err(Unanswered::Late));
        // The next asker comes round to the same slot.
        mailbox.memory.u32(header::BELL).fetch_sub(1, Relaxed);
        let asker = scope.spawn(|| ask(2, Duration::from_secs(5)));
        let slot = take();
        hearing.answer(late, Reply::Found, b"late");
        let word = mailbox.memory.u32(ANSWERED_AT + late.index() * LINE_BYTES);
        assert_eq!((late.index(), word.load(Relaxed)), (slot.index(), 0));
        hearing.answer(slot, Reply::Found, b"own");
        assert_eq!(asker.join().unwrap(), (Ok(true), b"own".to_vec()));
    });
}

/// Leaves every slot in a step that began `ago` milliseconds ago, as an asker does that was killed then.
fn leave_all(mailbox: &Mailbox, step: Step, ago: u64) {
    for slot in 0..SLOTS {
        let since = (milliseconds() - ago) & ((1 << 30) - 1);
        let word = 7 << 32 | since << 2 | step as u64;
        mailbox
            .memory
            .u64(line_of(WORDS_AT, place_of(slot)))
            .store(word, Relaxed);
    }
}

const PUT: Request<'static> = Request::Put {
    name: &NAME,
    made: 1,
    expiry: 2,
    is_used_once: false,
    record: b"a record",
};
static NAME: SessionName = SessionName::NONE;

#[test]
fn slots_come_back_from_askers_that_were_killed() {
    let (mailbox, _end) = both_ends();
    for step in [Step::Claimed, Step::Asked] {
        leave_all(&mailbox, step, 2000);
        assert_eq!(mailbox.tell(&PUT), Err(Unanswered::Full), "{step:?}");
        leave_all(&mailbox, step, 4000);
        assert_eq!(mailbox.tell(&PUT), Ok(()), "{step:?}");
    }
    // What was told is the agent's to end, which may be held up.
    leave_all(&mailbox, Step::Told, 60_000);
    assert_eq!(mailbox.tell(&PUT), Err(Unanswered::Full));
    // One that began a moment after the clock was read is not over.
    let word = Word((1000 << 2) | Step::Asked as u64);
    assert_eq!((word.age(999), word.age(1000), word.age(1001)), (0, 0, 1));
    let word = Word(((1 << 30) - 1) << 2);
    assert_eq!(word.age(1 << 30), 1);
}

/// The agent serves, and the mailbox with it. An agent says so all the time: a slow machine may need longer for a test's next
/// step than it is believed.
fn mailbox_is_served(mailbox: &Mailbox, end: &AgentEnd) {
    end.serve(Serving {
        sessions: true,
        ..Serving::default()
    });
    assert!(mailbox.is_served());
}

#[test]
fn a_sum_is_of_the_number_what_is_said_and_all_bytes() {
    let sum = |number, about, bytes: &[u8]| Sum::of(number, about).over(bytes);
    let one = sum(1, 5, b"some bytes");
    assert_eq!(one, sum(1, 5, b"some bytes"));
    let others = [
        sum(2, 5, b"some bytes"),
        sum(1, 6, b"some bytes"),
        sum(1, 5, b"some byteS"),
    ];
    assert!(!others.contains(&one));
}

#[test]
fn a_request_that_a_stale_asker_has_written_into_counts_as_none() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    assert_eq!(mailbox.tell(&PUT), Ok(()));
    let at = (0..SLOTS).map(place_of).find(|at| {
        Word(mailbox.memory.u64(line_of(WORDS_AT, *at)).load(Relaxed)).step() == Step::Told
    });
    let word = mailbox.memory.u64(at.unwrap() + place::REQUEST);
    word.fetch_xor(1, Relaxed);
    assert!(taken(&hearing, &mut heard).is_empty());
    assert_eq!(mailbox.tell(&PUT), Ok(()));
    assert_eq!(taken(&hearing, &mut heard).len(), 1);
}

#[test]
fn who_listens_is_root_or_the_same_user() {
    // SAFETY: geteuid takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return; // it takes another user to listen
    }
    let folder = std::env::temp_dir().join(format!("sslcache-listener-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let socket = folder.join("socket");
    // SAFETY: the child makes system calls, a socket and its exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the calls take numbers; pause waits for the parent's signal.
        unsafe {
            libc::setresuid(65534, 65534, 65534);
            let listening = listen(&socket);
            libc::alarm(20);
            libc::pause();
            libc::_exit(i32::from(listening.is_err()));
        }
    }
    let (_mailbox, file) = Mailbox::make().unwrap();
    let mut sent = send(&socket, file.as_fd());
    for _ in 0..1000 {
        match &sent {
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
        sent = send(&socket, file.as_fd());
    }
    // SAFETY: the child was made above, and is waited for once.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let error = sent.unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::PermissionDenied,
        "{error}"
    );
}

#[test]
fn an_agent_that_begins_anew_goes_on() {
    let (mailbox, end) = both_ends();
    assert_eq!(mailbox.tell(&Request::Remove(&name(1))), Ok(()));
    let question = end.question().unwrap();
    {
        let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
        let told = taken(&hearing, &mut heard);
        assert_eq!(told.len(), 1);
        hearing.settle_owed(told[0].0.owed().unwrap());
        // Its own mapping does not count.
        assert_eq!(question.ask(), Answer::InUse);
    }
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    assert!(taken(&hearing, &mut heard).is_empty());
    drop(mailbox);
    assert_eq!(question.ask(), Answer::Abandoned);
    // Nothing that it does then ends it.
    end.serve(Serving::default());
    end.tell_news(end.latest_news(), &News::Lost);
    assert!(taken(&hearing, &mut heard).is_empty());
}

#[test]
fn nothing_is_asked_where_nobody_serves() {
    let (mailbox, end) = both_ends();
    assert!(!mailbox.is_served());
    let serving = Serving {
        sessions: true,
        ..Serving::default()
    };
    end.serve(serving);
    assert!(mailbox.is_served() && !mailbox.serves_early_data());
    end.serve(Serving {
        early_data: true,
        ..serving
    });
    assert!(mailbox.serves_early_data());
    end.serve(Serving {
        rests: Duration::from_secs(1),
        ..serving
    });
    assert!(!mailbox.is_served());
    end.serve(serving);
    let now = mailbox.last_beat();
    end.beat(now - 10);
    assert!(!mailbox.is_served());
    end.beat(now);
    assert!(mailbox.is_served());
    let mut record = Vec::new();
    for _ in 0..5 {
        let most = Duration::from_micros(10);
        let _ = mailbox.ask(&Request::Look(&name(1)), most, &mut record);
    }
    assert!(!mailbox.is_served());
    let rests = mailbox.ask(&Request::Look(&name(1)), LONG, &mut record);
    assert_eq!(rests, Err(Unanswered::Rests));
}

#[test]
fn too_long_a_request_or_reply_is_none() {
    let (mailbox, end) = both_ends();
    let record = vec![1; REQUEST_MOST];
    let put = Request::Put {
        name: &name(1),
        made: 1,
        expiry: 2,
        is_used_once: false,
        record: &record,
    };
    for _ in 0..2 * SLOTS {
        assert_eq!(mailbox.tell(&put), Err(Unanswered::Odd));
    }
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    assert!(taken(&hearing, &mut heard).is_empty());
}

#[test]
fn news_arrive_in_order_or_are_said_to_be_lost() {
    let (mailbox, end) = both_ends();
    let mut seen = 0;
    let mut read = |mailbox: &Mailbox| {
        let mut news = Vec::new();
        mailbox.news(&mut seen, |one| {
            news.push(match one {
                News::Removed(name) => name.realm()[0],
                News::Flushed(realm) => 100 + realm[0],
                News::Lost => 255,
            });
        });
        news
    };
    assert!(read(&mailbox).is_empty());
    let tell = |news: &News| end.tell_news(end.latest_news(), news);
    tell(&News::Removed(name(1)));
    tell(&News::Flushed([2; 32]));
    tell(&News::Removed(name(3)));
    assert_eq!(read(&mailbox), [1, 102, 3]);
    assert!(read(&mailbox).is_empty());
    for _ in 0..NEWS_MOST {
        tell(&News::Removed(name(4)));
    }
    assert_eq!(read(&mailbox), [4; NEWS_MOST]);
    for _ in 0..=NEWS_MOST {
        tell(&News::Removed(name(5)));
    }
    assert_eq!(read(&mailbox), [255]);
    tell(&News::Removed(name(6)));
    let at = NEWS_AT + (end.latest_news() as usize % NEWS_MOST) * NEWS_BYTES;
    mailbox.memory.u64(at + 24).fetch_xor(1 << 20, Relaxed);
    assert_eq!(read(&mailbox), [255]);
}

#[test]
fn whatever_stands_in_a_mailbox_nobody_hangs_or_crashes() {
    let (mailbox, end) = both_ends();
    let (hearing, mut heard) = (end.hear().unwrap(), Heard::default());
    let mut random = Random(1);
    for round in 0..60 {
        for at in (64..BYTES).step_by(8) {
            // Whole words at random, and small ones, which are more like numbers that count.
            let word = match round % 3 {
                0 => random.below(u64::MAX),
                1 => random.below(256),
                _ => random.below(8) << 32 | random.below(256),
            };
            mailbox.memory.u64(at).store(word, Relaxed);
        }
        let mut record = Vec::new();
        let most = Duration::from_micros(100);
        let begun = Instant::now();
        let _ = mailbox.is_served();
        let _ = mailbox.ask(&Request::Look(&name(1)), most, &mut record);
        let _ = mailbox.tell(&Request::Remove(&name(1)));
        let mut number = 0;
        mailbox.news(&mut 0, |_| number += 1);
        assert!(number <= NEWS_MOST);
        assert!(taken(&hearing, &mut heard).len() <= SLOTS + OWED_MOST as usize + 1);
        end.tell_news(end.latest_news(), &News::Lost);
        assert!(begun.elapsed() < LONG);
    }
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_round_trip_and_of_asking_whether_it_is_worth_while() {
    let (mailbox, end) = both_ends();
    let cost = || {
        let begun = Instant::now();
        for _ in 0..1_000_000 {
            core::hint::black_box(core::hint::black_box(&mailbox).is_served());
        }
        begun.elapsed() / 1_000_000
    };
    println!("is_served, nobody serves: {:?}", cost());
    end.serve(Serving {
        sessions: true,
        ..Serving::default()
    });
    println!("is_served, served: {:?}", cost());
    let is_over = Arc::new(AtomicBool::new(false));
    let agent = answering(&end, Arc::clone(&is_over));
    let mut record = Vec::new();
    let mut times: Vec<_> = (0..20_000)
        .map(|_| {
            let begun = Instant::now();
            let answer = mailbox.ask(&Request::Look(&name(1)), LONG, &mut record);
            assert_eq!(answer, Ok(true));
            begun.elapsed()
        })
        .collect();
    times.sort();
    println!(
        "round trip: p50 {:?}, p99 {:?}",
        times[10_000], times[19_800]
    );
    is_over.store(true, Relaxed);
    agent.join().unwrap();
}
