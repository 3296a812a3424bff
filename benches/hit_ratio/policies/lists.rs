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

/// Several queues, of which a session is in one at most. `P` numbers them: its default is none of them, and the next is the
/// first queue.
pub struct Queues<P, const N: usize> {
    links: Links,
    queues: [Queue; N],
    place: BySession<P>,
}

impl<P: Copy + Default + PartialEq + Into<usize>, const N: usize> Queues<P, N> {
    pub fn new() -> Self {
        Queues {
            links: Links::default(),
            queues: [const { Queue::new() }; N],
            place: BySession::default(),
        }
    }

    pub fn place(&self, session: u32) -> P {
        self.place.get(session)
    }

    pub fn len(&self, place: P) -> usize {
        self.queues[place.into() - 1].len()
    }

    pub fn front(&self, place: P) -> Option<u32> {
        self.queues[place.into() - 1].front()
    }

    /// Moves a session to the back of a queue, which may be its own, or out of all.
    pub fn put(&mut self, session: u32, place: P) {
        let from = self.place.get(session);
        if from != P::default() {
            self.queues[from.into() - 1].remove(&mut self.links, session);
        }
        if place != P::default() {
            self.queues[place.into() - 1].push_back(&mut self.links, session);
        }
        self.place.set(session, place);
    }
}
