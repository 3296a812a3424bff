//! The sessions that are to be put into the store: as many as fit wait, and go there many at a time. One that was not put is not
//! tried again, because the first attempt may have been the one that counts, and the session be used up by now.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use tokio::sync::Notify;

use super::super::store::Put;

/// What an entry costs besides its name and value.
const ENTRY: usize = 128;
/// The most that go to the store at once.
pub const BATCH: usize = 512;

/// The queue.
pub struct Puts {
    waiting: RefCell<VecDeque<Put>>,
    bytes: Cell<usize>,
    most: usize,
    wake: Notify,
}

fn cost(put: &Put) -> usize {
    put.name.len() + put.value.len() + ENTRY
}

impl Puts {
    /// A queue for so many bytes.
    pub fn new(most: usize) -> Self {
        Self {
            waiting: RefCell::default(),
            bytes: Cell::new(0),
            most,
            wake: Notify::new(),
        }
    }

    /// Whether there is room for anything.
    pub fn has_room(&self) -> bool {
        self.bytes.get() < self.most
    }

    /// Puts it as soon as may be; false if there is no room.
    pub fn push(&self, put: Put) -> bool {
        let bytes = self.bytes.get() + cost(&put);
        if bytes > self.most {
            return false;
        }
        self.bytes.set(bytes);
        self.waiting.borrow_mut().push_back(put);
        self.wake.notify_one();
        true
    }

    /// Waits until there is something.
    pub async fn wait(&self) {
        while self.waiting.borrow().is_empty() {
            self.wake.notified().await;
        }
    }

    /// What goes to the store next.
    pub fn batch(&self) -> Vec<Put> {
        let mut waiting = self.waiting.borrow_mut();
        let number = waiting.len().min(BATCH);
        let batch: Vec<_> = waiting.drain(..number).collect();
        let bytes: usize = batch.iter().map(cost).sum();
        self.bytes.set(self.bytes.get() - bytes);
        batch
    }
}
