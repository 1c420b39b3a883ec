//! What is written while users' books are stepped: for each thread a sheet of its own, put together at the end of the turn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dwell_core::session::Session;
use dwell_core::time::Timestamp;
use dwell_core::timeline::Stated;
use dwell_store::{Books, Changes, Offset, Value};

use crate::book::{Book, Changed, Fill, Ids, MARGIN, MINUTE, Opened, Paper, Sealed, Stir, Under, linked};
use crate::cache::Fingerprint;
use crate::error::EngineError;
use crate::gaps::GapChanges;
use crate::keys;
use crate::laws::{self, Breach, Breaches};
use crate::link::Link;
use crate::numbers::{Numbers, Series};
use crate::quarter::Measured;
use crate::record::Heading;
use crate::row::SessionRow;
use crate::rules::AppRules;
use crate::shelf::Shelf;
use crate::statement::News;
use crate::turn::written;

/// What all steps of a turn see.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'s> {
    pub books: &'s dyn Books,
    pub apps: &'s [App],
    pub events: &'s [Heading<'s>],
    /// For every event the next one of the same user.
    pub next: &'s [Option<usize>],
    pub fill: Fill,
    /// When the first of the events came in: what is too old for that one is too old for all. Nothing younger is let go of
    /// before it is known who took a device from whom.
    pub began: Timestamp,
}

/// So many users are looked at together before they are stepped.
pub(crate) const LOOKED_AT_TOGETHER: usize = 16;

/// And so many events of each at most: what does not stay near need not come.
const EVENTS_LOOKED_AT: usize = 16;

impl Scene<'_> {
    /// Looks at the books and the events of some users. They lie anywhere in hundreds of MiB, and a processor that asks for one
    /// after the other waits for each; here it asks for many at a time, and they are near when these users are stepped.
    pub fn look_at(&self, slots: &[Slot]) {
        let mut seen = 0;
        let mut places = [None; LOOKED_AT_TOGETHER];
        for (place, slot) in places.iter_mut().zip(slots) {
            *place = slot.waiting.map(|(first, _)| first);
            seen ^= first_of_lines(slot.book.as_deref().unwrap_or_default());
        }
        for _ in 0..EVENTS_LOOKED_AT {
            for place in &mut places {
                let Some(this) = *place else { continue };
                seen ^= first_of_lines(self.events[this].bytes());
                *place = self.next[this];
            }
        }
        // Nobody wants to know, but it has to be looked at.
        std::hint::black_box(seen);
    }
}

/// Says something about each piece of memory that comes as one.
fn first_of_lines(bytes: &[u8]) -> u8 {
    bytes.chunks(64).fold(0, |seen, line| seen ^ line[0])
}

/// An app that occurs in the turn.
pub(crate) struct App {
    pub name: Arc<str>,
    pub rules: Arc<AppRules>,
}

/// A user who occurs in the turn.
pub(crate) struct Slot {
    pub app: usize,
    pub user: Arc<str>,
    /// That of the cache, for the app and the user.
    pub hash: u64,
    /// What stands for its key in the cache.
    pub fingerprint: Fingerprint,
    /// Of all links of the id that were heard of, the one that comes first.
    pub link: Option<Box<Link>>,
    /// Whether that link holds: the id is another one now.
    pub is_moved: bool,
    /// The user's book; of an id that moved, what was settled under it before.
    pub book: Option<Value>,
    pub is_changed: bool,
    /// Something came from or went to another id in this turn.
    pub was_linked: bool,
    /// The first and the last of their events that were not taken yet.
    pub waiting: Option<(usize, usize)>,
    /// The deadlines under which they were found.
    pub rung: Vec<Timestamp>,
}

impl Slot {
    /// Begins with nobody's events, and nothing known.
    pub fn new(app: usize, user: Arc<str>, hash: u64, fingerprint: Fingerprint) -> Self {
        Slot {
            app,
            user,
            hash,
            fingerprint,
            link: None,
            is_moved: false,
            book: None,
            is_changed: false,
            was_linked: false,
            waiting: None,
            rung: Vec::new(),
        }
    }

    /// Takes what lies under the id in the books of the app of this name.
    pub fn find(&mut self, app: &str, bytes: Value) -> Result<(), EngineError> {
        if Under::is_book_value(&bytes) {
            self.book = Some(bytes);
            return Ok(());
        }
        let Under { link, is_moved, book } = Under::read(&bytes).map_err(bad_book(app, &self.user))?;
        (self.link, self.is_moved, self.book) = (link.map(Box::new), is_moved, book.map(Into::into));
        Ok(())
    }

    /// Returns the bytes that are to lie under the id; `None` where nothing is known of it.
    pub fn into_bytes(self) -> Option<Value> {
        match self.link {
            None => self.book,
            Some(link) => Some(linked(*link, self.is_moved, self.book.as_deref())),
        }
    }

    /// Says whether the id is that of a user of whom anything is known.
    pub fn is_user(&self) -> bool {
        !self.is_moved && self.book.is_some()
    }
}

/// See the module. Numbers are what is added to those that are known.
pub(crate) struct Sheet {
    pub changes: Changes,
    pub tallies: Vec<Tally>,
    pub points: BTreeMap<(usize, Series, i64), i64>,
    pub measured: Measured,
    /// Parts of books that were put on the shelf in this turn.
    pub fresh: HashMap<Vec<u8>, Vec<u8>>,
    /// The earliest deadline under which somebody is listed now and was not before.
    pub first_listed: Option<Timestamp>,
    /// Devices to be looked at when all users have been stepped.
    pub stirred: Vec<Stirred>,
    /// Laws that do not hold for what was stated.
    pub breaches: Breaches,
    paper: Paper,
}

/// On a device something happened that may concern others than this user.
pub(crate) struct Stirred {
    pub app: usize,
    pub user: Arc<str>,
    pub stir: Stir,
}

/// What is added to an app.
#[derive(Default)]
pub(crate) struct Tally {
    pub numbers: Numbers,
    pub gaps: GapChanges,
    /// Of whom, and what, in order; they are numbered at the end of the turn.
    pub news: Vec<(String, News)>,
}

impl Sheet {
    /// Begins with nothing written.
    pub fn new(offset: Offset) -> Self {
        Sheet {
            changes: Changes::up_to(offset),
            tallies: Vec::new(),
            points: BTreeMap::new(),
            measured: Measured::default(),
            fresh: HashMap::new(),
            first_listed: None,
            stirred: Vec::new(),
            breaches: Breaches::default(),
            paper: Paper::default(),
        }
    }

    /// Adds what another sheet says after this one.
    pub fn append(&mut self, other: Sheet) {
        self.changes.append(other.changes);
        for (app, tally) in other.tallies.into_iter().enumerate() {
            let mine = self.tally(app);
            mine.numbers.add(&tally.numbers);
            mine.gaps.merge(tally.gaps);
            mine.news.extend(tally.news);
        }
        for (point, count) in other.points {
            *self.points.entry(point).or_default() += count;
        }
        self.measured.append(other.measured);
        self.fresh.extend(other.fresh);
        self.stirred.extend(other.stirred);
        self.breaches.append(other.breaches);
        self.first_listed = self.first_listed.into_iter().chain(other.first_listed).min();
    }

    /// Opens a user's book, takes the events that wait for it, rings when they are due at `now`, and closes it.
    pub fn step(&mut self, scene: Scene<'_>, slot: &mut Slot, now: Timestamp) -> Result<(), EngineError> {
        let waiting = slot.waiting.take();
        let rung = std::mem::take(&mut slot.rung);
        if waiting.is_none() && rung.is_empty() {
            return Ok(());
        }
        let app = slot.app;
        let user = slot.user.clone();
        let App { name, rules } = &scene.apps[app];
        let before = slot.book.take();
        let bad = bad_book(name, &user);
        let mut sealed = match &before {
            Some(bytes) => Sealed::read(bytes).map_err(&bad)?,
            None if waiting.is_some() => {
                self.tally(app).numbers.users += 1;
                Sealed::new()
            }
            None => {
                // Nobody is there any more.
                for at in rung {
                    self.changes.delete(keys::deadline(at, name, &user));
                }
                return Ok(());
            }
        };
        let mut activities = Vec::new();
        let mut place = waiting.map(|(first, _)| first);
        while let Some(this) = place {
            let event = scene.events[this].record()?;
            let under = if *event.user == *user { 0 } else { sealed.under(event.user) };
            activities.extend(sealed.activity(&event).map(|activity| (event, under, activity)));
            place = scene.next[this];
        }
        let standing = rules.standing_of(&user, sealed.texts());
        let mut book = sealed.open(name, &user, &standing).map_err(&bad)?;
        book.stirs_always = slot.was_linked;
        for (event, under, activity) in &activities {
            let mut shelf = self.shelf(scene, app, &user);
            let (outcome, changed) = book.observe(event, (*under, activity), &rules.zone, &mut shelf)?;
            self.tally(app).numbers.count(outcome);
            self.say(scene, app, &user, &book, changed);
        }
        if !rung.is_empty() {
            let changed = book.advance(now);
            self.say(scene, app, &user, &book, changed);
        }
        if waiting.is_some() {
            let mut shelf = self.shelf(scene, app, &user);
            book.tidy(scene.began, scene.fill, &mut shelf);
        }
        self.note_stirred(app, &user, &mut book);
        self.list(name, &user, &mut book, &rung);
        self.put(slot, book);
        Ok(())
    }

    /// Takes what is not settled of some ids out of one book and into another. No event may wait for the one it leaves.
    pub fn move_over(
        &mut self,
        scene: Scene<'_>,
        from: &mut Slot,
        to: &mut Slot,
        ids: &Ids,
    ) -> Result<(), EngineError> {
        if from.book.is_none() {
            return Ok(());
        }
        let rules = scene.apps[from.app].rules.clone();
        // What is settled in one of them stays where it is, and so does what is as old.
        let lateness = rules.standing_of("", &[]).rules_at(scene.began).allowed_lateness;
        let mut before = scene.began.minus(lateness).minus(MARGIN);
        if to.book.is_some() {
            let settled = self.open(scene, to, &[], |book, shelf| {
                // Where a part lies on the shelf, what lies before the rest is only put aside.
                book.recall_all(shelf)?;
                Ok((book.timeline.settled_until(), Changed::default()))
            })?;
            before = before.max(settled.unwrap_or(Timestamp::MIN));
        }
        let (mut parcel, is_left) = self.open(scene, from, &[], |book, shelf| {
            book.recall_all(shelf)?;
            book.settle_before(before);
            let (parcel, changed) = book.take_out(ids, &rules.zone);
            let is_left = matches!(ids, Ids::These(_)) || !book.has_nothing_settled();
            Ok(((parcel, is_left), changed))
        })?;
        match ids {
            Ids::All if is_left => parcel.add_past(&from.user),
            Ids::All => from.book = None,
            Ids::These(_) => {}
        }
        if to.book.is_none() && parcel.is_empty() {
            return Ok(());
        }
        let texts = parcel.texts().to_vec();
        self.open(scene, to, &texts, |book, _| {
            book.settle_before(before);
            Ok(((), book.take_in(parcel, &rules.zone)))
        })
    }

    /// Opens a user's book once more, when all events have been taken, and says what comes of it; `None` for somebody of
    /// whom there is none.
    pub fn reopen<T>(
        &mut self,
        scene: Scene<'_>,
        slot: &mut Slot,
        act: impl FnOnce(&mut Book<'_>, &mut Shelf<'_>) -> Result<(T, Changed), EngineError>,
    ) -> Result<Option<T>, EngineError> {
        if !slot.is_user() {
            return Ok(None);
        }
        self.open(scene, slot, &[], act).map(Some)
    }

    /// Opens the book under an id, a new one where there is none, and says what comes of what is done with it. Some texts have
    /// keys before the rules are asked.
    fn open<T>(
        &mut self,
        scene: Scene<'_>,
        slot: &mut Slot,
        texts: &[String],
        act: impl FnOnce(&mut Book<'_>, &mut Shelf<'_>) -> Result<(T, Changed), EngineError>,
    ) -> Result<T, EngineError> {
        let (app, user) = (slot.app, slot.user.clone());
        let App { name, rules } = &scene.apps[app];
        let bad = bad_book(name, &user);
        let before = slot.book.take();
        let mut sealed = before.as_deref().map_or_else(|| Ok(Sealed::new()), Sealed::read).map_err(&bad)?;
        sealed.add_texts(texts);
        let standing = rules.standing_of(&user, sealed.texts());
        let mut book = sealed.open(name, &user, &standing).map_err(&bad)?;
        let (found, changed) = act(&mut book, &mut self.shelf(scene, app, &user))?;
        self.say(scene, app, &user, &book, changed);
        self.note_stirred(app, &user, &mut book);
        self.list(name, &user, &mut book, &[]);
        self.put(slot, book);
        Ok(found)
    }

    fn note_stirred(&mut self, app: usize, user: &Arc<str>, book: &mut Book<'_>) {
        let stirred = book.stirred().into_iter();
        self.stirred.extend(stirred.map(|stir| Stirred { app, user: user.clone(), stir }));
    }

    /// Closes a book.
    fn put(&mut self, slot: &mut Slot, book: Book<'_>) {
        let (bytes, gaps) = book.close(&mut self.paper);
        self.tally(slot.app).gaps.merge(gaps);
        slot.book = Some(bytes);
        slot.is_changed = true;
    }

    /// Lists a user under the deadline at which they are to be looked at.
    fn list(&mut self, app: &str, user: &str, book: &mut Book<'_>, rung: &[Timestamp]) {
        let (before, now) = book.list_anew(!rung.is_empty());
        for at in rung.iter().copied().chain(before).filter(|at| Some(*at) != now) {
            self.changes.delete(keys::deadline(at, app, user));
        }
        if let Some(at) = now.filter(|at| Some(*at) != before) {
            self.changes.put(keys::deadline(at, app, user), []);
            self.first_listed = Some(self.first_listed.map_or(at, |first| first.min(at)));
        }
    }

    /// Writes down what changed for a user.
    fn say(&mut self, scene: Scene<'_>, app: usize, user: &str, book: &Book<'_>, changed: Changed) {
        laws::check(book.timeline.closed(), &changed, |session, broken| {
            let app = scene.apps[app].name.to_string();
            self.breaches.note(Breach { app, user: user.to_owned(), session, broken });
        });
        for stated in &changed.retracted {
            self.retract(scene, app, user, book, stated);
        }
        for stated in &changed.stated {
            let session = &stated.closed.session;
            self.count(scene, app, book, session, 1);
            let row = SessionRow::of(stated, |key| book.text_of(key));
            self.changes.put(keys::session(&scene.apps[app].name, user, stated), written(&row));
            let news = if 0 < row.amended { News::Amended(row) } else { News::Ended(row) };
            self.tell(app, user, news);
        }
        if changed.opened_before != changed.opened {
            let open = |opened: Option<Opened>| i64::from(opened.is_some());
            self.tally(app).numbers.open += open(changed.opened) - open(changed.opened_before);
            if let Some(before) = changed.opened_before {
                self.start(scene, app, book, before, -1);
            }
            if let Some(now) = changed.opened {
                self.start(scene, app, book, now, 1);
                if changed.opened_before.is_none_or(|before| before.at != now.at) {
                    self.tell(app, user, News::Started(now.at.as_micros()));
                }
            }
        }
        for (series, begin, count) in changed.active {
            self.add(app, series, begin, count);
        }
    }

    fn retract(&mut self, scene: Scene<'_>, app: usize, user: &str, book: &Book<'_>, stated: &Stated) {
        self.count(scene, app, book, &stated.closed.session, -1);
        self.changes.delete(keys::session(&scene.apps[app].name, user, stated));
        self.tell(app, user, News::Retracted(stated.id.to_string()));
    }

    /// Counts a closed session once, or with -1 takes it back.
    fn count(&mut self, scene: Scene<'_>, app: usize, book: &Book<'_>, session: &Session, count: i64) {
        let zone = &scene.apps[app].rules.zone;
        let values = book.values_of(session.platform, session.origin);
        self.add(app, Series::Started, floor(session.started_at, MINUTE), count);
        self.add(app, Series::Ended, floor(session.ended_at, MINUTE), count);
        self.measured.start(app, session.started_at, &values, zone, count);
        self.measured.close(app, session, &values, zone, count);
    }

    /// Counts the beginning of a session that may still grow, or with -1 takes it back.
    fn start(&mut self, scene: Scene<'_>, app: usize, book: &Book<'_>, opened: Opened, count: i64) {
        let Opened { at, platform, origin } = opened;
        self.add(app, Series::Started, floor(at, MINUTE), count);
        self.measured.start(app, at, &book.values_of(platform, origin), &scene.apps[app].rules.zone, count);
    }

    /// Tells something of a user.
    pub fn tell(&mut self, app: usize, user: &str, news: News) {
        self.tally(app).news.push((user.to_owned(), news));
    }

    fn add(&mut self, app: usize, series: Series, at: Timestamp, count: i64) {
        *self.points.entry((app, series, at.as_micros())).or_default() += count;
    }

    /// Returns what is added to an app.
    pub fn tally(&mut self, app: usize) -> &mut Tally {
        while self.tallies.len() <= app {
            self.tallies.push(Tally::default());
        }
        &mut self.tallies[app]
    }

    fn shelf<'a>(&'a mut self, scene: Scene<'a>, app: usize, user: &'a str) -> Shelf<'a> {
        let app = &scene.apps[app].name;
        Shelf { books: scene.books, app, user, fresh: &mut self.fresh, changes: &mut self.changes }
    }
}

pub(crate) fn bad_book<'a>(app: &'a str, user: &'a str) -> impl Fn(String) -> EngineError + 'a {
    move |cause| EngineError::BadBook { app: app.to_owned(), what: format!("user {user}"), cause }
}

fn floor(at: Timestamp, unit: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().div_euclid(unit) * unit)
}
