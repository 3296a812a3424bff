//! Queues of sessions, any of which can leave from the middle. A session is in at most one queue of its `Links`.

const NIL: u32 = u32::MAX;

/// The neighbours of every session.
#[derive(Default)]
pub struct Links {
    before_and_after: Vec<(u32, u32)>,
}

impl Links {
    /// The next younger session of the same queue.
    pub fn after(&self, session: u32) -> Option<u32> {
        let (_, after) = self.before_and_after[session as usize];
        (after != NIL).then_some(after)
    }
}

pub struct Queue {
    front: u32,
    back: u32,
    len: usize,
}

impl Queue {
    pub const fn new() -> Queue {
        Queue {
            front: NIL,
            back: NIL,
            len: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn front(&self) -> Option<u32> {
        (self.len > 0).then_some(self.front)
    }

    pub fn push_back(&mut self, links: &mut Links, session: u32) {
        let links = &mut links.before_and_after;
        if links.len() <= session as usize {
            links.resize(session as usize + 1, (NIL, NIL));
        }
        links[session as usize] = (self.back, NIL);
        match self.back {
            NIL => self.front = session,
            back => links[back as usize].1 = session,
        }
        self.back = session;
        self.len += 1;
    }

    pub fn remove(&mut self, links: &mut Links, session: u32) {
        let links = &mut links.before_and_after;
        let (before, after) = links[session as usize];
        match before {
            NIL => self.front = after,
            before => links[before as usize].1 = after,
        }
        match after {
            NIL => self.back = before,
            after => links[after as usize].0 = before,
        }
        self.len -= 1;
    }

    pub fn pop_front(&mut self, links: &mut Links) -> Option<u32> {
        let front = self.front()?;
        self.remove(links, front);
        Some(front)
    }
}

/// Something small about every session there ever was; at first its default.
#[derive(Default)]
pub struct BySession<T> {
    values: Vec<T>,
}

impl<T: Copy + Default> BySession<T> {
    pub fn get(&self, session: u32) -> T {
        self.values
            .get(session as usize)
            .copied()
            .unwrap_or_default()
    }

    pub fn set(&mut self, session: u32, value: T) {
        if self.values.len() <= session as usize {
            self.values.resize(session as usize + 1, T::default());
        }
        self.values[session as usize] = value;
    }
}
