//! Workers that are killed at any instruction.

use super::*;
use crate::sys::program;

/// How many are killed. Under an emulator of the processor each fork takes long.
fn kills() -> u64 {
    match program::is_emulated() {
        true => 500,
        false => 10_000,
    }
}

const ALIVE: usize = 24;
const KILLED_AT_ONCE: usize = 16;
const NUMBERS: u64 = 400;
// On the board.
const WRONG: usize = 0;
const STOP: usize = 1;
const WORK: usize = 2;
const HITS: usize = 3;

fn work(partition: &Partition<'_>, board: &Board, seed: u64) {
    let mut random = Random(seed);
    let mut copy = Vec::new();
    while board.read(STOP) == 0 {
        let number = random.below(NUMBERS);
        let key = key(number);
        let found = match random.below(8) {
            0..4 => {
                let len = 16 + random.below(500) as usize;
                put(partition, number, &record(number, random.0, len));
                None
            }
            4..6 => partition.get(&key, 0, &mut copy),
            6 => partition.consume(&key, None, 0, Some(&mut copy)),
            _ => {
                let (record, expiry) = (
                    record(number, random.0, 100),
                    Expiry::at(1_000 + random.below(10) as i64),
                );
                partition.put_over(&key, number as u32, &record, expiry, 0);
                None
            }
        };
        if found.is_some() {
            board.add(HITS);
            if !is_of(number, &copy) {
                board.add(WRONG);
            }
        }
        board.add(WORK);
        // Those who sleep now and then are sooner given the processor when they wake.
        if board.read(WORK).is_multiple_of(16) {
            std::thread::sleep(Duration::from_micros(random.below(100)));
        }
        if partition.len() > partition.capacity() {
            board.add(WRONG);
        }
    }
}

/// To fork the process of all tests ten thousand times takes minutes, for the memory that they use, and children would inherit
/// locks that their threads hold.
#[test]
fn killed_workers_neither_stop_the_others_nor_leave_a_wrong_record() {
    let run = program::of_test("shm::tests::murder::workers_that_are_killed").output();
    let run = run.expect("a process");
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}

/// Runs as a process of the test above.
#[test]
#[ignore = "a program, not a test"]
fn workers_that_are_killed() {
    // One shard, so that all meet; room for half of the records, so that they also evict.
    let region = region(96 << 10);
    let partition = partition(&region, 150);
    let board = Board::new();
    let survivors: Vec<_> = (0..2_u64)
        .map(|number| {
            Child::of(|| {
                work(&partition, &board, 1 + number);
                0
            })
        })
        .collect();
    let mut random = Random(99);
    let mut alive = Vec::new();
    let (mut born, mut killed) = (0, 0);
    while killed < kills() {
        while alive.len() < ALIVE {
            born += 1;
            alive.push(Child::of(|| {
                work(&partition, &board, 1000 + born);
                0
            }));
        }
        std::thread::sleep(Duration::from_micros(random.below(2_000)));
        // Some of them: the others get on, or wait for locks of the dead. All at once, as each takes its time to die.
        let first = random.below(1 + (ALIVE - KILLED_AT_ONCE) as u64) as usize;
        let victims: Vec<_> = alive.drain(first..first + KILLED_AT_ONCE).collect();
        victims
            .iter()
            .for_each(|victim| victim.signal(libc::SIGKILL));
        killed += victims
            .into_iter()
            .map(|victim| u64::from(victim.kill()))
            .sum::<u64>();
        if killed % 512 < KILLED_AT_ONCE as u64 {
            let before = board.read(WORK);
            until("others get on", || board.read(WORK) > before);
        }
    }
    drop(alive);
    board.add(STOP);
    for survivor in survivors {
        assert_eq!(survivor.wait(), 0);
    }
    assert_eq!(
        board.read(WRONG),
        0,
        "wrong records, or more than there may be"
    );
    region.validate().expect("whole");
    let figures = region.stats();
    assert!(
        figures.recovered > kills() / 200,
        "hardly any were killed under a lock: {figures:?}"
    );
    assert!(
        board.read(HITS) > kills() && figures.rebuilt == 0,
        "{figures:?}"
    );
    println!(
        "{killed} killed, {} calls, {} hits: {figures:?}",
        board.read(WORK),
        board.read(HITS)
    );
}
