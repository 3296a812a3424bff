//! Removals and flushes, on their way to the store and to the other hosts. They are tried again until the store has them. Where
//! there are too many for that, there is a new generation: nobody finds any session that was put before.

use std::time::Duration;

use sslcache::mailbox::SessionName;
use tokio::time::sleep;

use super::engine::Engine;
use super::form::{Change, Entry, MOST_CHANGES, puts};
use super::mark::Mark;
use super::space::Space;
use super::times::{GENERATION_LIFE, LONGER, after, seconds};
use crate::agent::store::{Put, Trouble, Where};

/// News is there for so long: who has not asked for it by then has missed it.
const NEWS_LIFE: Duration = Duration::from_secs(600);
/// How long to wait after trouble.
const AGAIN: Duration = Duration::from_millis(500);
/// How long to wait for the store behind a new connection to be known.
const UNKNOWN: Duration = Duration::from_millis(50);

impl Engine {
    /// Tells the store what is changed in a namespace, for ever.
    pub async fn tell_changes(&self, space: &Space) {
        loop {
            if space.is_idle() {
                space.wake.notified().await;
                continue;
            }
            if !self.is_known(space) {
                // What is told counts the news up, which would hide that the store has gone back.
                sleep(UNKNOWN).await;
                continue;
            }
            let told = match space.first(MOST_CHANGES) {
                Some(changes) => self.tell_some(space, changes).await,
                None => self.tell_generation(space).await,
            };
            if let Err(trouble) = told {
                self.figures.trouble(&trouble);
                sleep(AGAIN).await;
            }
        }
    }

    async fn tell_some(&self, space: &Space, changes: Vec<Change>) -> Result<(), Trouble> {
        let form = space.form(&self.setup.keyring);
        let connection = self.setup.traffic.connection();
        let life = self.longest() + LONGER;
        let now = seconds();
        let mut all = Vec::new();
        for change in &changes {
            let (values, life) = match change {
                Change::Removed(session) => {
                    let names = self.names_now(space, session).await?;
                    let expiry = now.saturating_add(life.as_secs() as i64);
                    let values = names.into_iter().map(|name| {
                        let value = form.tombstone(&name, expiry)?;
                        Some((name, value))
                    });
                    (values.collect::<Option<Vec<_>>>(), life)
                }
                Change::Flushed(realm) => {
                    let expiry = now.saturating_add(GENERATION_LIFE.as_secs() as i64);
                    (form.new_realm(realm, expiry), GENERATION_LIFE)
                }
            };
            all.extend(puts(values.ok_or_else(|| self.unsealed())?, life));
        }
        self.put_everywhere(&all).await?;
        self.tell_news(space, changes.clone(), now).await?;
        // What was told over two connections may be told to two stores. Then it is told again.
        if connection == self.setup.traffic.connection() {
            space.told(&changes);
        }
        Ok(())
    }

    /// The names of a session by now; none if its realm is being flushed, which ends it as well.
    async fn names_now(
        &self,
        space: &Space,
        session: &SessionName,
    ) -> Result<Vec<String>, Trouble> {
        while !space.is_being_flushed(session.realm()) {
            // It may be flushed again and again while the store is asked.
            if let Some(realm) = self.realm(space, session.realm()).await? {
                let form = space.form(&self.setup.keyring);
                return Ok(form.session_names(space.generation.get(), &realm, session));
            }
        }
        Ok(Vec::new())
    }

    /// Puts news under the next number, and returns that. Without any change, it only makes the counter.
    pub async fn tell_news(
        &self,
        space: &Space,
        changes: Vec<Change>,
        now: i64,
    ) -> Result<u64, Trouble> {
        let form = space.form(&self.setup.keyring);
        let counters = form.counter_names();
        let connection = self.setup.traffic.connection();
        let number = self.setup.traffic.count(&counters[0], after(0)).await?;
        let entry = Entry {
            origin: self.origin,
            changes,
        };
        let expiry = now.saturating_add(NEWS_LIFE.as_secs() as i64 + LONGER.as_secs() as i64);
        let sealed = form.news_name(0, number).and_then(|name| {
            let value = form.entry(&name, &entry, expiry)?;
            Some((name, value))
        });
        let sealed = sealed.ok_or_else(|| self.unsealed())?;
        let value = sealed.1.clone();
        self.put_everywhere(&puts(vec![sealed], NEWS_LIFE)).await?;
        if self.is_known(space) && connection == self.setup.traffic.connection() {
            space.note_mark(0, Mark::new(number, &value));
        }
        Ok(number)
    }

    async fn tell_generation(&self, space: &Space) -> Result<(), Trouble> {
        let generation = after(space.generation.get());
        self.put_generation(space, generation).await?;
        space.settled();
        self.begin_generation(space, generation).await;
        Ok(())
    }

    /// Puts a generation into the store.
    pub async fn put_generation(&self, space: &Space, generation: u64) -> Result<(), Trouble> {
        let form = space.form(&self.setup.keyring);
        let expiry = seconds().saturating_add(GENERATION_LIFE.as_secs() as i64);
        let sealed = form.generation(generation, expiry);
        let sealed = sealed.ok_or_else(|| self.unsealed())?;
        self.put_everywhere(&puts(sealed, GENERATION_LIFE)).await
    }

    async fn put_everywhere(&self, puts: &[Put]) -> Result<(), Trouble> {
        let said = self.setup.traffic.put_all(puts, Where::Anything).await?;
        said.into_iter().find_map(Result::err).map_or(Ok(()), Err)
    }

    pub fn unsealed(&self) -> Trouble {
        Trouble::odd(
            &self.setup.traffic.shown(),
            "the kernel gives no random bytes to seal with",
        )
    }
}
