//! The answers to questions for sessions.

use std::time::{Duration, Instant};

use sslcache::mailbox::SessionName;

use super::engine::Engine;
use super::form::{Record, Session, puts};
use super::realms::Generations;
use super::space::Space;
use super::times::{GENERATION_LIFE, LONGER, seconds};
use crate::agent::store::{Cause, Said, Where};

impl Engine {
    /// The session, if the store has it and it counts.
    pub async fn look(&self, space: &Space, session: &SessionName) -> Option<Record> {
        let form = space.form(&self.setup.keyring);
        let generation = space.generation.get();
        let realm = self.realm_in_time(space, session).await?;
        let names = form.session_names(generation, &realm, session);
        let start = Instant::now();
        let values = self.setup.traffic.get_all(&names).await;
        let values = self.timed(start, values)?;
        let mut found = None;
        for (name, value) in names.iter().zip(&values) {
            let Some(value) = value else {
                continue;
            };
            match form.open_session(name, value, false, seconds()) {
                Some(Session::Gone) => return None,
                Some(Session::Stands(record)) => found = Some(record),
                None => self.figures.refuse(),
            }
        }
        let counts = self.counts(space, session, generation, &realm);
        found.filter(|_| counts)
    }

    /// The session, which nobody gets after that.
    pub async fn take(&self, space: &Space, session: &SessionName) -> Option<Record> {
        let form = space.form(&self.setup.keyring);
        let generation = space.generation.get();
        let life = self.longest() + LONGER;
        let expiry = seconds().saturating_add(life.as_secs() as i64);
        let traffic = &self.setup.traffic;
        let realm = self.realm_in_time(space, session).await?;
        let mut found = None;
        for name in form.session_names(generation, &realm, session) {
            let tombstone = form.tombstone(&name, expiry)?;
            let start = Instant::now();
            let taken = traffic.take(&name, &tombstone, life).await;
            if taken.is_err() {
                self.figures.doubt();
            }
            let Some(value) = self.timed(start, taken)? else {
                continue;
            };
            match form.open_session(&name, &value, true, seconds()) {
                Some(Session::Gone) => return None,
                Some(Session::Stands(record)) => found = Some(record),
                None => self.figures.refuse(),
            }
        }
        let counts = self.counts(space, session, generation, &realm);
        found.filter(|_| counts)
    }

    async fn realm_in_time(&self, space: &Space, session: &SessionName) -> Option<Generations> {
        let start = Instant::now();
        match space.realm(session.realm(), start) {
            Some(known) => Some(known),
            None => self.timed(start, self.realm(space, session.realm()).await)?,
        }
    }

    /// The generations of a realm, from the store if need be, which gets some where it has none; `None` while it is being flushed.
    pub async fn realm(&self, space: &Space, realm: &[u8; 32]) -> Said<Option<Generations>> {
        if let Some(known) = space.realm(realm, Instant::now()) {
            return Ok(Some(known));
        }
        if space.is_being_flushed(realm) {
            return Ok(None);
        }
        let asked = space.realms.borrow_mut().ask(realm);
        let form = space.form(&self.setup.keyring);
        let (traffic, names) = (&self.setup.traffic, form.realm_names(realm));
        let mut values = traffic.get_all(&names).await?;
        if values.contains(&None) {
            let expiry = seconds().saturating_add(GENERATION_LIFE.as_secs() as i64);
            let fresh = form.new_realm(realm, expiry);
            let fresh = puts(fresh.ok_or_else(|| self.unsealed())?, GENERATION_LIFE);
            // The first of all hosts wins.
            let said = traffic.put_all(&fresh, Where::NothingIs).await?;
            said.into_iter().collect::<Said<Vec<_>>>()?;
            values = traffic.get_all(&names).await?;
        }
        let opened = names.iter().zip(&values).map(|(name, value)| {
            let opened = form.open_realm(name, value.as_ref()?, seconds());
            if opened.is_none() {
                self.figures.refuse();
            }
            opened
        });
        let (opened, now) = (opened.collect(), Instant::now());
        space.realms.borrow_mut().learn(realm, asked, opened, now);
        Ok(space.realm(realm, now))
    }

    /// Whether a session under a name of these generations counts now, after the store was waited for.
    fn counts(
        &self,
        space: &Space,
        session: &SessionName,
        generation: u64,
        realm: &Generations,
    ) -> bool {
        self.is_known(space)
            && space.generation.get() == generation
            && !space.is_removed(session)
            && space.realm(session.realm(), Instant::now()).as_ref() == Some(realm)
    }

    /// Notes how long the store took; what it said, if that was not too late.
    fn timed<T>(&self, start: Instant, said: Said<T>) -> Option<T> {
        let elapsed = start.elapsed();
        match said {
            Ok(said) => {
                self.figures.answered(elapsed);
                self.judge(elapsed <= self.setup.settings.look_up);
                Some(said)
            }
            Err(trouble) => {
                self.figures.trouble(&trouble);
                let is_answer = matches!(trouble.cause, Cause::Unable | Cause::Short);
                self.judge(is_answer && elapsed <= self.setup.settings.look_up);
                None
            }
        }
    }

    /// The longest life of a session.
    pub fn longest(&self) -> Duration {
        Duration::from_secs(self.setup.longest)
    }
}
