//! How far the processes of each namespace are told what other hosts say: kept over a change of the settings, and, where the service
//! manager keeps it, over a restart, so that what was told need not be in doubt.

use std::collections::BTreeMap;

use super::super::copies::Copies;
use super::mark::Mark;
use super::place::Place;

/// The bytes of a copy; room for some hundreds of namespaces.
pub const COPY: usize = 64 * 1024;
/// The bytes of a master key's id, by which a counter is known.
const ID: usize = 4;
/// In place of the number of a counter that is not there, and of news of which nothing is known.
const NOT_THERE: u64 = u64::MAX;

/// How far it is told in a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The generation.
    pub generation: u64,
    /// How far it is in the news that each counter counts, by the id of the master key that the counter has its name from.
    pub counters: Vec<([u8; ID], Heard)>,
}

/// How far the news of a counter is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    pub place: Place,
    /// The latest that is known to stand in the store.
    pub mark: Option<Mark>,
}

impl Point {
    /// How far the news of a counter is known.
    pub fn of(&self, id: &[u8; ID]) -> Option<&Heard> {
        let mut known = self.counters.iter();
        known.find(|(known, _)| known == id).map(|(_, heard)| heard)
    }
}

/// What is told.
#[derive(Default)]
pub struct Told {
    /// A digest of where the store is: the numbers of one store mean nothing at another.
    store: [u8; 32],
    points: BTreeMap<String, Point>,
    copies: Option<Copies>,
}

impl Told {
    /// Goes on from what is kept, and keeps it there.
    pub fn keep(&mut self, copies: Copies, body: Option<&[u8]>) {
        if let Some((store, points)) = body.and_then(parsed)
            && store == self.store
        {
            self.points = points;
        }
        self.copies = Some(copies);
    }

    /// The store of these settings is asked from now on.
    pub fn set_store(&mut self, store: [u8; 32]) {
        if self.store != store {
            self.store = store;
            self.points.clear();
            self.save();
        }
    }

    /// How far it is told; `None` if all that came from other hosts is in doubt.
    pub fn point(&self, namespace: &str) -> Option<&Point> {
        self.points.get(namespace)
    }

    /// All up to this point is told.
    pub fn set(&mut self, namespace: &str, point: Point) {
        if self.points.get(namespace) != Some(&point) {
            self.points.insert(namespace.to_owned(), point);
            self.save();
        }
    }

    /// The namespace has no mailbox any more.
    pub fn forget(&mut self, namespace: &str) {
        if self.points.remove(namespace).is_some() {
            self.save();
        }
    }

    fn save(&mut self) {
        let Some(copies) = &mut self.copies else {
            return;
        };
        let mut body = self.store.to_vec();
        for (name, point) in &self.points {
            let before = body.len();
            body.extend_from_slice(&(name.len() as u16).to_be_bytes());
            body.extend_from_slice(name.as_bytes());
            body.extend_from_slice(&point.generation.to_be_bytes());
            body.extend_from_slice(&(point.counters.len() as u16).to_be_bytes());
            for (id, heard) in &point.counters {
                let number = match heard.place {
                    Place::At(number, _) => number,
                    Place::Unknown | Place::Gone => NOT_THERE,
                };
                let (last, digest) = match &heard.mark {
                    Some(mark) => (mark.number, mark.digest),
                    None => (NOT_THERE, [0; 32]),
                };
                body.extend_from_slice(id);
                body.extend_from_slice(&number.to_be_bytes());
                body.extend_from_slice(&last.to_be_bytes());
                body.extend_from_slice(&digest);
            }
            if body.len() > copies.room() {
                body.truncate(before);
                break;
            }
        }
        // Without it, all is in doubt after a restart.
        let _ = copies.write(&body);
    }
}

fn parsed(body: &[u8]) -> Option<([u8; 32], BTreeMap<String, Point>)> {
    let (store, mut rest) = body.split_first_chunk()?;
    let mut points = BTreeMap::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk()?;
        let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        let (generation, after) = after.split_first_chunk()?;
        let (count, mut after) = after.split_first_chunk()?;
        let mut point = Point {
            generation: u64::from_be_bytes(*generation),
            counters: Vec::new(),
        };
        for _ in 0..u16::from_be_bytes(*count) {
            let (id, number, last, digest);
            (id, after) = after.split_first_chunk()?;
            (number, after) = after.split_first_chunk()?;
            (last, after) = after.split_first_chunk()?;
            (digest, after) = after.split_first_chunk()?;
            let place = match u64::from_be_bytes(*number) {
                NOT_THERE => Place::Gone,
                number => Place::At(number, None),
            };
            let mark = match u64::from_be_bytes(*last) {
                NOT_THERE => None,
                number => Some(Mark {
                    number,
                    digest: *digest,
                }),
            };
            point.counters.push((*id, Heard { place, mark }));
        }
        points.insert(str::from_utf8(name).ok()?.to_owned(), point);
        rest = after;
    }
    Some((*store, points))
}
