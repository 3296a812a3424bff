//! One row of the measurement: clients of one protocol come, and come back.
//!
//! Some clients come once each; then one of them by chance comes back, with what it last got, and another, and so on. One
//! client alone would meet the same worker again and again: the kernel wakes the one that waits, and nginx lets a worker keep
//! its turn for sixteen connections. Of four workers with a cache each, such a client would see nine returns of ten resumed,
//! which is true of no server with work to do. Clients in turns would meet those turns of nginx's in step.

use super::libssl::Libssl;
use super::peer::Peer;
use super::session::{KeyName, Kind, Session};
use super::visit::{Client, Protocol, Trouble, Visit};

/// How a client returns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// With a session id of TLS 1.2; the client says that it takes no tickets.
    Id,
    /// With a ticket.
    Ticket,
}

/// A return: what was offered, and what became of it.
pub struct Return {
    /// The visit that the offered session is from.
    pub made_at: usize,
    /// This visit, counted over all of the row.
    pub at: usize,
    pub resumed: bool,
    /// True if it was not resumed, and got a ticket of the same key as the one that it had offered.
    pub same_key: bool,
}

/// The returns after the wait.
pub struct AfterWait {
    pub returns: Vec<Return>,
    /// The names of ticket keys that came with them, and not before.
    pub new_keys: usize,
}

/// The results of a row.
pub struct Row<'a> {
    pub protocol: Protocol,
    pub by: By,
    /// The kinds of sessions that were offered: stateful and stateless tickets may come from one server.
    pub kinds: Vec<Kind>,
    pub returns: Vec<Return>,
    /// The names of the keys of the stateless tickets that came, in their order.
    pub key_names: Vec<KeyName>,
    /// The stateless tickets that came.
    pub tickets: usize,
    pub lifetime_secs: Option<u64>,
    pub max_early_data: u32,
    /// The returns after the wait, if there was one.
    pub after_wait: Option<AfterWait>,
    clients: Vec<Option<Kept<'a>>>,
    tls: Client<'a>,
    visits: usize,
}

/// What a client has, and the visit in which it got it.
struct Kept<'a> {
    session: Session<'a>,
    made_at: usize,
}

/// The clients that make so many returns: each makes two, on average.
pub fn clients(returns: usize) -> usize {
    returns.div_ceil(2)
}

/// Visits that bring nothing to return with, after which no more are made.
const ENOUGH_FOR_NOTHING: usize = 3;

impl<'a> Row<'a> {
    /// Makes the first visits and the returns.
    pub fn measure(
        libssl: &'a Libssl,
        peer: &Peer,
        (protocol, by): (Protocol, By),
        returns: usize,
    ) -> Result<Self, (usize, Trouble)> {
        let tls = Client::new(libssl, protocol, by == By::Ticket)
            .map_err(|reason| (0, Trouble::NoHandshake(reason)))?;
        let mut row = Self {
            protocol,
            by,
            kinds: Vec::new(),
            returns: Vec::new(),
            key_names: Vec::new(),
            tickets: 0,
            lifetime_secs: None,
            max_early_data: 0,
            after_wait: None,
            clients: Vec::new(),
            tls,
            visits: 0,
        };
        match row.come(peer, returns) {
            Ok(()) => Ok(row),
            Err(trouble) => Err((row.visits, trouble)),
        }
    }

    fn come(&mut self, peer: &Peer, returns: usize) -> Result<(), Trouble> {
        for _ in 0..clients(returns) {
            let visit = self.tls.visit(peer, None, &[])?;
            let kept = self.keep(visit, None);
            self.clients.push(kept);
            let is_nothing = self.clients.iter().all(Option::is_none);
            if is_nothing && self.clients.len() >= ENOUGH_FOR_NOTHING {
                return Ok(());
            }
        }
        let mut order = Order::default();
        while self.returns.len() < returns {
            let holders: Vec<_> = (0..self.clients.len())
                .filter(|client| self.clients[*client].is_some())
                .collect();
            if holders.is_empty() {
                break;
            }
            let client = holders[order.below(holders.len())];
            let returned = self.come_back(peer, client)?;
            self.returns.extend(returned);
        }
        Ok(())
    }

    /// Each client that has something offers it once more.
    pub fn come_after_wait(&mut self, peer: &Peer) -> Result<(), Trouble> {
        let known_before = self.key_names.len();
        let mut returns = Vec::new();
        for client in 0..self.clients.len() {
            returns.extend(self.come_back(peer, client)?);
        }
        self.after_wait = Some(AfterWait {
            returns,
            new_keys: self.key_names.len() - known_before,
        });
        Ok(())
    }

    /// The connections that were made.
    pub fn connections(&self) -> usize {
        self.visits
    }

    fn come_back(&mut self, peer: &Peer, client: usize) -> Result<Option<Return>, Trouble> {
        let Some(offered) = self.clients[client].take() else {
            return Ok(None);
        };
        if let Some(kind) = offered.session.kind()
            && !self.kinds.contains(&kind)
        {
            self.kinds.push(kind);
        }
        let offered_key = offered.session.key_name();
        let visit = self.tls.visit(peer, Some(&offered.session), &[])?;
        let (made_at, at, resumed) = (offered.made_at, self.visits, visit.resumed);
        self.clients[client] = self.keep(visit, Some(offered));
        let got = self.clients[client].as_ref();
        let got_key = got.and_then(|kept| kept.session.key_name());
        let returned = Return {
            made_at,
            at,
            resumed,
            same_key: !resumed && offered_key.is_some() && offered_key == got_key,
        };
        Ok(Some(returned))
    }

    /// Keeps what a visit has brought, if it can be offered in this row: something new, or what was offered.
    fn keep(&mut self, visit: Visit<'a>, offered: Option<Kept<'a>>) -> Option<Kept<'a>> {
        let made_at = self.visits;
        self.visits += 1;
        let session = visit.session?;
        if let Some(same) = offered.filter(|it| it.session.as_ptr() == session.as_ptr()) {
            return same.session.kind().is_some().then_some(same);
        }
        let is_id = session.kind()? == Kind::Id;
        if is_id != (self.by == By::Id) {
            return None;
        }
        self.lifetime_secs = session.lifetime_secs().or(self.lifetime_secs);
        self.max_early_data = self.max_early_data.max(session.max_early_data());
        if let Some(name) = session.key_name() {
            self.tickets += 1;
            if !self.key_names.contains(&name) {
                self.key_names.push(name);
            }
        }
        Some(Kept { session, made_at })
    }

    /// Offers one session twice, each time with this early data: was it accepted?
    pub fn offer_early_data(&mut self, peer: &Peer, data: &[u8]) -> Result<[bool; 2], Trouble> {
        let mut accepted = [false; 2];
        let visit = self.tls.visit(peer, None, &[])?;
        self.visits += 1;
        if let Some(session) = visit.session.filter(|it| it.max_early_data() > 0) {
            for accepted in &mut accepted {
                let visit = self.tls.visit(peer, Some(&session), data)?;
                self.visits += 1;
                *accepted = visit.early_data_accepted;
            }
        }
        Ok(accepted)
    }
}

/// The order in which clients return: by chance, and the same in every run (xorshift).
struct Order(u32);

impl Default for Order {
    fn default() -> Self {
        Self(1)
    }
}

impl Order {
    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % limit
    }
}
