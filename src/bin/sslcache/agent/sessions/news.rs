//! What other hosts tell: the counters and the generation of a namespace are asked for five times a second, and each piece of news
//! once. Where some is missed, nobody can tell what was removed: processes hear that, and ask for flushes anew.

use std::time::{Duration, Instant};

use sslcache::mailbox::News;
use tokio::time::sleep;

use super::engine::Engine;
use super::form::{Change, Entry, Form};
use super::mark::Mark;
use super::place::{Place, Step, step};
use super::space::Space;
use super::times::seconds;
use super::told::{Heard, Point};
use crate::agent::store::Trouble;

/// How often the counters are asked for.
const EACH: Duration = Duration::from_millis(200);
/// Who has counted has put the news by then, or never will.
const PATIENCE: Duration = Duration::from_secs(1);
/// How soon they are asked for again where a new connection gave trouble.
const AFTER_TROUBLE: Duration = Duration::from_millis(50);
/// So much news is asked for at once, as an answer has to come in time.
const PIECE: usize = 16;

/// What the store says of a counter.
struct Counted {
    /// `None` if it is not there.
    number: Option<u64>,
    /// False if the store has forgotten some of what is known to have been told to it.
    is_as_told: bool,
    /// News that stands there, if it is later than what was known to.
    latest: Option<Mark>,
}

impl Counted {
    fn new(value: &Option<Vec<u8>>) -> Self {
        let number = value.as_ref().map(|value| {
            let text = str::from_utf8(value).unwrap_or_default();
            // One that is no number is as one that has gone back.
            text.trim().parse().unwrap_or(0)
        });
        Self {
            number,
            is_as_told: true,
            latest: None,
        }
    }
}

/// The latest generation among these values.
pub fn latest_generation(
    form: &Form<'_>,
    names: &[String],
    values: &[Option<Vec<u8>>],
    now: i64,
) -> Option<u64> {
    let opened = names.iter().zip(values).filter_map(|(name, value)| {
        let value = value.as_ref()?;
        form.open_generation(name, value, now)
    });
    opened.max()
}

impl Engine {
    /// Hears the news of a namespace, for ever.
    pub async fn hear_news(&self, space: &Space, mut places: Vec<Place>) {
        if space.is_as_told.get() {
            // The mailboxes that come back join first.
            sleep(EACH).await;
        }
        loop {
            if let Err(trouble) = self.hear_once(space, &mut places).await {
                self.figures.trouble(&trouble);
                // A store that takes connections and answers nothing gets no more of them than this.
                sleep(AFTER_TROUBLE).await;
            }
            self.note_told(space, &places);
            // Nothing is asked over a new connection until the store behind it is known.
            let is_new = self.setup.traffic.connection() > 0 && !self.is_known(space);
            tokio::select! {
                () = sleep(if is_new { AFTER_TROUBLE } else { EACH }) => {}
                () = self.setup.traffic.connects() => {}
            }
        }
    }

    async fn hear_once(&self, space: &Space, places: &mut [Place]) -> Result<(), Trouble> {
        let connection = self.setup.traffic.connection();
        let (there, counters) = self.ask_counters(space, places).await?;
        let known = space.generation.get();
        match there {
            Some(there) if there > known => self.begin_generation(space, there).await,
            _ => {}
        }
        let is_first = places[0] == Place::Unknown;
        let mut asked = Vec::new();
        for (counter, counted) in counters.iter().enumerate() {
            let (step, place) = match counted.is_as_told {
                true => step(places[counter], counted.number),
                false => (Step::Back, Place::since(counted.number)),
            };
            places[counter] = place;
            match step {
                Step::Nothing => {}
                Step::Lost => self.lost(space).await,
                Step::Back => {
                    // Sessions that were removed or flushed may be there again.
                    self.lost(space).await;
                    space.begin_anew();
                }
                Step::Ask(seen, number) => asked.push((counter, seen, number)),
            }
            if counted.is_as_told
                && connection == self.setup.traffic.connection()
                && let Some(latest) = &counted.latest
            {
                space.note_mark(counter, latest.clone());
            }
        }
        if connection == self.setup.traffic.connection() {
            space.known_over.set(Some(connection));
        }
        if there.unwrap_or(0) < known {
            // It was lost, or somebody has put an old one back.
            self.put_generation(space, known).await?;
        }
        for (counter, seen, number) in asked {
            let place = &mut places[counter];
            self.catch_up(space, counter, seen, number, place).await?;
        }
        if places[0] == Place::Gone {
            let number = self.tell_news(space, Vec::new(), seconds()).await?;
            if is_first {
                // Nobody was served before that.
                places[0] = Place::At(number, None);
            }
        }
        if !space.is_current.replace(true) {
            self.serve(space);
        }
        Ok(())
    }

    /// The generation that stands in the store, and what it says of each counter, whose news is known up to these places.
    async fn ask_counters(
        &self,
        space: &Space,
        places: &[Place],
    ) -> Result<(Option<u64>, Vec<Counted>), Trouble> {
        let form = space.form(&self.setup.keyring);
        // Of what is told while the store is asked, it may not know.
        let marks = space.marks();
        let generations = form.generation_names();
        let counters = form.counter_names();
        // By the mark the store is known again. Where it is behind the place, as after a jump, a later one is looked for.
        let mut wanted = Vec::new();
        for (counter, place) in places.iter().enumerate() {
            let mark = marks.of(counter).map(|mark| mark.number);
            let latest = match place {
                Place::At(number, _) if mark.is_none_or(|mark| mark < *number) => Some(*number),
                _ => None,
            };
            let numbers = mark.into_iter().chain(latest);
            wanted.extend(numbers.map(|number| (counter, number)));
        }
        let news = wanted
            .iter()
            .filter_map(|(counter, number)| form.news_name(*counter, *number));
        let names = [&generations[..], &counters, &news.collect::<Vec<_>>()].concat();
        let values = self.setup.traffic.get_all(&names).await?;
        let (of_generations, values) = values.split_at(generations.len());
        let (of_counters, of_news) = values.split_at(counters.len());
        let there = latest_generation(&form, &generations, of_generations, seconds());
        let mut counted: Vec<_> = of_counters.iter().map(Counted::new).collect();
        for ((counter, number), value) in wanted.iter().zip(of_news) {
            let counted = &mut counted[*counter];
            match marks.of(*counter) {
                Some(mark) if mark.number == *number => {
                    counted.is_as_told = mark.stands(counted.number, value.as_deref());
                }
                _ => counted.latest = value.as_ref().map(|value| Mark::new(*number, value)),
            }
        }
        Ok((there, counted))
    }

    /// Where to go on in the news of a namespace, and whether all was told up to there.
    pub fn places_of(&self, space: &Space) -> Vec<Place> {
        let told = self.told.borrow();
        let point = told.point(&space.name);
        let mut places = Vec::new();
        for (counter, key) in self.setup.keyring.all().iter().enumerate() {
            let heard = point.and_then(|point| point.of(&key.id()));
            places.push(heard.map_or(Place::Unknown, |heard| heard.place));
            if let Some(mark) = heard.and_then(|heard| heard.mark.clone()) {
                space.note_mark(counter, mark);
            }
        }
        if let Some(point) = point {
            let is_as_told = !places.contains(&Place::Unknown);
            space.resume(point.generation, is_as_told);
        }
        places
    }

    fn note_told(&self, space: &Space, places: &[Place]) {
        // A generation that is owed because the store has gone back is owed by the next agent, too, which is to see that again.
        if !space.is_current.get() || space.owes_generation() {
            return;
        }
        let marks = space.marks();
        let keys = self.setup.keyring.all().iter().zip(places).enumerate();
        let counters = keys.map(|(counter, (key, place))| {
            let heard = Heard {
                place: place.without_time(),
                mark: marks.of(counter).cloned(),
            };
            (key.id(), heard)
        });
        let point = Point {
            generation: space.generation.get(),
            counters: counters.collect(),
        };
        self.told.borrow_mut().set(&space.name, point);
    }

    /// Hears the news of a counter after the number `seen`, up to `number`, as far as it is there.
    async fn catch_up(
        &self,
        space: &Space,
        counter: usize,
        seen: u64,
        number: u64,
        place: &mut Place,
    ) -> Result<(), Trouble> {
        let form = space.form(&self.setup.keyring);
        let names: Vec<_> = (seen + 1..=number)
            .filter_map(|number| form.news_name(counter, number))
            .collect();
        let mut last = seen;
        for names in names.chunks(PIECE) {
            let values = self.setup.traffic.get_all(names).await?;
            if !self.is_known(space) {
                // Another store may have answered than the one that has counted.
                return Ok(());
            }
            for (name, value) in names.iter().zip(&values) {
                let Some(value) = value else {
                    return self.miss(space, last, last == seen, place).await;
                };
                last += 1;
                *place = Place::At(last, None);
                match form.open_entry(name, value, seconds()) {
                    Some(entry) => {
                        space.note_mark(counter, Mark::new(last, value));
                        self.hear_entry(space, entry).await;
                    }
                    None => {
                        self.figures.refuse();
                        self.lost(space).await;
                    }
                }
            }
        }
        Ok(())
    }

    /// The news after the number `last` is not there: it is waited for, since now or since earlier.
    async fn miss(
        &self,
        space: &Space,
        last: u64,
        is_no_news: bool,
        place: &mut Place,
    ) -> Result<(), Trouble> {
        let since = match *place {
            Place::At(_, Some(since)) if is_no_news => since,
            _ => Instant::now(),
        };
        if since.elapsed() < PATIENCE {
            *place = Place::At(last, Some(since));
            return Ok(());
        }
        self.lost(space).await;
        *place = Place::At(last + 1, None);
        Ok(())
    }

    async fn hear_entry(&self, space: &Space, entry: Entry) {
        // Its own mailboxes were told at once.
        if entry.origin == self.origin {
            return;
        }
        self.figures.hear(entry.changes.len());
        for change in &entry.changes {
            if let Change::Flushed(realm) = change {
                space.realms.borrow_mut().forget_one(realm);
            }
        }
        self.tell_members(space, &entry.changes).await;
    }

    /// Tells the mailboxes of a namespace of changes.
    pub async fn tell_members(&self, space: &Space, changes: &[Change]) {
        let news: Vec<_> = changes
            .iter()
            .map(|change| match change {
                Change::Removed(session) => News::Removed(session.clone()),
                Change::Flushed(realm) => News::Flushed(*realm),
            })
            .collect();
        space.is_as_told.set(false);
        for member in self.members_of(space) {
            news.iter().for_each(|news| member.tell(news));
            // With many of them, questions get their turns.
            tokio::task::yield_now().await;
        }
    }

    /// News was missed.
    async fn lost(&self, space: &Space) {
        self.figures.lose();
        self.doubt_all(space).await;
    }

    /// From now on, sessions have other names.
    pub async fn begin_generation(&self, space: &Space, generation: u64) {
        space.generation.set(generation);
        // The first one that is seen ends nothing, unless an earlier agent has told of another one.
        if space.is_current.get() || space.is_as_told.get() {
            self.doubt_all(space).await;
        }
    }

    /// All that has come from other hosts is in doubt.
    async fn doubt_all(&self, space: &Space) {
        space.realms.borrow_mut().forget();
        space.is_as_told.set(false);
        for member in self.members_of(space) {
            member.tell(&News::Lost);
            tokio::task::yield_now().await;
        }
    }
}
