//! The names by which policies with a memory of what left know a session.
//!
//! As published they are given objects that come back under their own names. A session does not, but its client offers it
//! once more, in vain: the session made instead gets the name of that one, as if it had come back.

use super::Arrival;
use super::lists::BySession;

/// Names, which are sessions themselves.
#[derive(Default)]
pub struct Names {
    of_session: BySession<Option<u32>>,
    /// The session that has the name now.
    holder: BySession<Option<u32>>,
}

impl Names {
    pub fn of(&self, session: u32) -> u32 {
        self.of_session.get(session).unwrap_or(session)
    }

    /// Whether the session still has its name: not if it left, and another one came back for it.
    pub fn holds(&self, session: u32) -> bool {
        self.holder.get(self.of(session)) == Some(session)
    }

    /// Names a session that arrives. `is_cached` says whether a name is that of a cached session.
    pub fn arrive(&mut self, arrival: &Arrival, is_cached: impl Fn(u32) -> bool) -> u32 {
        let offered = arrival.offered.map(|offered| self.of(offered));
        // Of two tickets that are made at once, the first gets the name.
        let name = offered
            .filter(|&name| !is_cached(name))
            .unwrap_or(arrival.session);
        self.of_session.set(arrival.session, Some(name));
        self.holder.set(name, Some(arrival.session));
        name
    }
}
