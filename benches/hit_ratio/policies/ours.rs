//! The cache itself, with one shard: which shard a key falls into is up to chance.

use sslcache::cache::{self, Cache, ClientHistory, Evicted, Expiry, Key};

use super::{Arrival, Policy};
use crate::random::scramble;

/// TLS1_3_VERSION
const VERSION: i32 = 0x0304;

pub struct Ours {
    cache: Cache<u32>,
    /// The session that was last offered in vain, and the history of its client: a handshake asks once, for all the sessions
    /// that it brings.
    asked: Option<(u32, ClientHistory)>,
}

impl Ours {
    pub fn new(capacity: usize) -> Ours {
        Ours {
            cache: Cache::new(capacity, 1),
            asked: None,
        }
    }

    fn history_of(&mut self, offered: u32) -> ClientHistory {
        match self.asked {
            Some((same, history)) if same == offered => history,
            _ => {
                let history = self.cache.history_of(&key(offered));
                self.asked = Some((offered, history));
                history
            }
        }
    }
}

fn key(session: u32) -> Key {
    let mut id = [0; 32];
    for (word, bytes) in id.chunks_exact_mut(8).enumerate() {
        bytes.copy_from_slice(&scramble(u64::from(session) * 4 + word as u64).to_le_bytes());
    }
    Key::new(&id, VERSION).expect("32 bytes are an id")
}

impl Policy for Ours {
    fn find(&mut self, session: u32, _next_use: u32) -> bool {
        self.cache.get(&key(session)).is_some()
    }

    fn find_once(&mut self, session: u32) -> bool {
        self.cache.get_once(&key(session)).is_some()
    }

    fn insert(&mut self, arrival: Arrival) {
        let history = match arrival.offered {
            _ if arrival.resumed => ClientHistory::Proven,
            Some(offered) => self.history_of(offered),
            None => ClientHistory::New,
        };
        let expiry = Expiry::at(arrival.expiry);
        let key = key(arrival.session);
        let arrived = cache::Arrival {
            key: &key,
            value: &arrival.session,
            expiry,
            history,
            now: arrival.now,
        };
        drop(self.cache.insert(&arrived, &mut Evicted::none()));
    }

    fn remove(&mut self, session: u32) -> bool {
        self.cache.take(&key(session)).is_some()
    }
}
