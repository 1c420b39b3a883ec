//! History restated: an app's sessions counted anew under the rules as they are now.
//!
//! All events of the app are told once more, out of the log and of what was kept of it, to books of their own, under the same rules but that no event is
//! late. Then what the books say of the app gives way to what these say, in commits of bounded size, and the difference is
//! told in the feed. Whoever breaks off anywhere begins anew and comes to the same end: it is the difference to what is there
//! that is made and told.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use dwell_core::time::Timestamp;
use dwell_store::{Books, Changes, Log, Offset};

use crate::book::{Sealed, Under};
use crate::erased::Erased;
use crate::error::EngineError;
use crate::keys;
use crate::laws::Breaches;
use crate::numbers::Numbers;
use crate::past::Past;
use crate::row::SessionRow;
use crate::rules::{AppRules, RulesOf};
use crate::sheet::bad_book;
use crate::statement::{News, statement_bytes};
use crate::turn::{read, written};
use crate::worker::{PassedOver, Worker, WorkerOptions};

/// The rules, but that nothing is late.
struct NothingIsLate(Arc<dyn RulesOf>);

impl RulesOf for NothingIsLate {
    fn rules_of(&self, app: &str) -> Arc<AppRules> {
        Arc::new(self.0.rules_of(app).without_lateness())
    }
}

/// One app's history on its way to being restated.
pub struct Restatement {
    app: String,
    rules: Arc<dyn RulesOf>,
    anew: Arc<dyn Books>,
    worker: Worker,
    erased: Arc<Erased>,
    /// How many events were passed over, since they are of people who were erased.
    passed_over: PassedOver,
    stage: Stage,
    /// The last key that was taken over of this stage.
    after: Option<Vec<u8>>,
    /// When what differs is told.
    told_at: Timestamp,
}

/// What is taken over, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Sessions,
    Books,
    Others(usize),
    Deadlines,
    Numbers,
    Done,
}

/// What lies under a key in the books, and in those that were made anew.
type Sides = (Option<Vec<u8>>, Option<Vec<u8>>);

/// One key with both.
type Pair = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

impl Restatement {
    /// Begins for an app. `anew` must be empty, and may be thrown away when all is done.
    ///
    /// `rules` must not change before the end but for times to come. Of people who were `erased`, nothing is told once more; a
    /// restatement that began before another was erased must not be taken over.
    #[must_use]
    pub fn new(
        app: &str,
        log: Arc<dyn Log>,
        anew: Arc<dyn Books>,
        rules: Arc<dyn RulesOf>,
        erased: Arc<Erased>,
        options: WorkerOptions,
    ) -> Self {
        let late = Arc::new(NothingIsLate(rules.clone()));
        let worker = Worker::new(log, anew.clone(), late, options);
        Restatement {
            app: app.to_owned(),
            rules,
            anew,
            worker,
            erased,
            passed_over: PassedOver::default(),
            stage: Stage::Sessions,
            after: None,
            told_at: Timestamp::MIN,
        }
    }

    /// Reads from there what the log has dropped, of this app alone.
    #[must_use]
    pub fn with_past(self, past: Box<dyn Past>) -> Self {
        Restatement { worker: self.worker.with_past(past), ..self }
    }

    /// Reads some more of the log, and says whether all before `until` was read. Where the log no longer holds its first
    /// record, and nothing else has it, the history is not whole, and that is an error.
    pub fn read(&mut self, until: Offset) -> Result<bool, EngineError> {
        if self.worker.offset() < until {
            let PassedOver { here, gone } = self.worker.turn_of(&self.app, until, &self.erased)?;
            self.passed_over.here += here;
            self.passed_over.gone += gone;
        }
        Ok(until <= self.worker.offset())
    }

    /// Returns up to where the log has been read.
    #[must_use]
    pub fn offset(&self) -> Offset {
        self.worker.offset()
    }

    /// Returns the laws that did not hold for what was counted anew.
    pub(crate) fn take_breaches(&mut self) -> Breaches {
        self.worker.take_breaches()
    }

    /// Returns how many events of the app these books counted, and how many were found again: without and with those that are
    /// gone. Books that were themselves made of what was kept have not counted the latter.
    pub(crate) fn events(&self, books: &dyn Books) -> Result<(u64, RangeInclusive<u64>), EngineError> {
        let found = self.numbers(self.anew.as_ref())?.events + self.passed_over.here;
        Ok((self.numbers(books)?.events, found..=found + self.passed_over.gone))
    }

    /// Rings for all who are due at `now`. All of the log must have been read up to where the books are.
    pub fn ring(&mut self, now: Timestamp) -> Result<(), EngineError> {
        while 0 < self.worker.ring(now)? {}
        self.worker.sync().map(drop)
    }

    /// Takes over some more, at most about so many keys, and says whether all is done. The books must not be written by
    /// anybody else until it is, and must be where the reading ended. What differs is told as of `now`.
    pub(crate) fn take_over(&mut self, books: &dyn Books, now: Timestamp, most: usize) -> Result<bool, EngineError> {
        self.told_at = now;
        let mut changes = Changes::up_to(books.offset());
        let mut numbers: Numbers = self.numbers(books)?;
        let tags = keys::OF_AN_APP;
        match self.stage {
            Stage::Sessions => {
                let (pairs, is_end) = self.pairs(books, &keys::all_sessions(&self.app), most)?;
                let (pairs, after) = whole_groups(pairs, is_end);
                self.sessions(&pairs, &mut numbers, &mut changes)?;
                self.go_on(after, Stage::Books);
            }
            Stage::Books => {
                let (pairs, is_end) = self.pairs(books, &keys::books(&self.app), most)?;
                for (key, before, now) in &pairs {
                    if before != now {
                        let user = keys::user_of(key).unwrap_or_default();
                        let was = self.opened(&user, before.as_deref())?;
                        let is = self.opened(&user, now.as_deref())?;
                        if let Some(at) = is.filter(|_| is != was) {
                            self.tell(&user, News::Started(at.as_micros()), &mut numbers, &mut changes);
                        }
                    }
                    put(&mut changes, key, before.as_ref(), now.as_ref());
                }
                self.go_on(last(&pairs, is_end), Stage::Others(0));
            }
            Stage::Others(place) => {
                let (pairs, is_end) = self.pairs(books, &keys::of_app(tags[place], &self.app), most)?;
                pairs.iter().for_each(|(key, before, now)| put(&mut changes, key, before.as_ref(), now.as_ref()));
                let next = if place + 1 < tags.len() { Stage::Others(place + 1) } else { Stage::Deadlines };
                self.go_on(last(&pairs, is_end), next);
            }
            Stage::Deadlines => {
                let (pairs, is_end) = self.pairs(books, &keys::deadlines(), most)?;
                let of_app = |key: &[u8]| keys::read_deadline(key).is_some_and(|(_, app, _)| app == self.app);
                for (key, before, now) in pairs.iter().filter(|(key, ..)| of_app(key)) {
                    put(&mut changes, key, before.as_ref(), now.as_ref());
                }
                self.go_on(last(&pairs, is_end), Stage::Numbers);
            }
            Stage::Numbers => {
                // What became of an event when it came in stays as it was told.
                let anew = self.numbers(self.anew.as_ref())?;
                numbers.open = anew.open;
                numbers.users = anew.users;
                numbers.sessions_always = anew.sessions_always;
                self.stage = Stage::Done;
            }
            Stage::Done => return Ok(true),
        }
        changes.put(keys::numbers(&self.app), written(&numbers));
        books.commit(&changes)?;
        Ok(self.stage == Stage::Done)
    }

    fn go_on(&mut self, after: Option<Vec<u8>>, next: Stage) {
        if after.is_none() {
            self.stage = next;
        }
        self.after = after;
    }

    fn numbers(&self, books: &dyn Books) -> Result<Numbers, EngineError> {
        let value = books.load(&[&keys::numbers(&self.app)])?.pop().flatten();
        Ok(value.map(|bytes| read(&self.app, "its numbers", &bytes)).transpose()?.unwrap_or_default())
    }

    /// Returns what lies under the next keys on both sides, and whether these were the last.
    fn pairs(&self, books: &dyn Books, prefix: &[u8], most: usize) -> Result<(Vec<Pair>, bool), EngineError> {
        let before = books.scan(prefix, self.after.as_deref(), most)?;
        let now = self.anew.scan(prefix, self.after.as_deref(), most)?;
        // Beyond the end of a page that is full nothing is known of its side.
        let ends = [&before, &now].into_iter().filter(|page| page.len() == most);
        let end = ends.filter_map(|page| page.last()).map(|(key, _)| key.clone()).min();
        let is_known = |key: &Vec<u8>| end.as_ref().is_none_or(|end| key <= end);
        let mut pairs: BTreeMap<Vec<u8>, Sides> = BTreeMap::new();
        for (key, value) in before.into_iter().filter(|(key, _)| is_known(key)) {
            pairs.entry(key).or_default().0 = Some(value);
        }
        for (key, value) in now.into_iter().filter(|(key, _)| is_known(key)) {
            pairs.entry(key).or_default().1 = Some(value);
        }
        let pairs = pairs.into_iter().map(|(key, (before, now))| (key, before, now)).collect();
        Ok((pairs, end.is_none()))
    }

    /// Writes sessions and tells what is different. A session whose ordinal alone has changed lies under another key.
    fn sessions(&self, pairs: &[Pair], numbers: &mut Numbers, changes: &mut Changes) -> Result<(), EngineError> {
        for group in pairs.chunk_by(|(one, ..), (other, ..)| keys::start_of(one) == keys::start_of(other)) {
            let row = |bytes: &Vec<u8>| read::<SessionRow>(&self.app, "a session", bytes);
            let rows_before = group.iter().filter_map(|(_, before, _)| before.as_ref()).map(row);
            let rows_before = rows_before.collect::<Result<Vec<_>, _>>()?;
            let mut before: BTreeMap<&str, &SessionRow> = BTreeMap::new();
            before.extend(rows_before.iter().map(|row| (row.session_id.as_str(), row)));
            let user = group.first().and_then(|(key, ..)| keys::user_of_session(key)).unwrap_or_default();
            let rows_now = group.iter().filter_map(|(key, _, now)| Some((key, row(now.as_ref()?))));
            let rows_now: Vec<_> = rows_now.map(|(key, row)| Ok((key, row?))).collect::<Result<_, EngineError>>()?;
            let stay: BTreeSet<&str> = rows_now.iter().map(|(_, row)| row.session_id.as_str()).collect();
            for gone in before.keys().filter(|id| !stay.contains(*id)) {
                self.tell(&user, News::Retracted((*gone).to_owned()), numbers, changes);
            }
            for (key, was, now) in group {
                if was.is_some() && now.is_none() {
                    changes.delete(key.clone());
                }
            }
            for (key, mut row) in rows_now.iter().map(|(key, row)| (*key, row.clone())) {
                let news = match before.get(row.session_id.as_str()) {
                    Some(was) => {
                        // How often it was told otherwise is what the feed knows, not how often it was counted.
                        row.amended = was.amended;
                        if **was == row {
                            continue;
                        }
                        row.amended += 1;
                        // As in any turn: what was told is taken back before it is told otherwise.
                        self.tell(&user, News::Retracted(row.session_id.clone()), numbers, changes);
                        News::Amended(row.clone())
                    }
                    None => News::Ended(row.clone()),
                };
                changes.put(key.clone(), written(&row));
                self.tell(&user, news, numbers, changes);
            }
        }
        Ok(())
    }

    fn tell(&self, user: &str, news: News, numbers: &mut Numbers, changes: &mut Changes) {
        changes.put(keys::statement(&self.app, numbers.next), statement_bytes(self.told_at, user, &news));
        numbers.next += 1;
    }

    /// Returns when the session began that is open in a book.
    fn opened(&self, user: &str, bytes: Option<&[u8]>) -> Result<Option<Timestamp>, EngineError> {
        let bad = bad_book(&self.app, user);
        let Some(bytes) = bytes else { return Ok(None) };
        let Some(book) = Under::read(bytes).map_err(&bad)?.book else { return Ok(None) };
        let sealed = Sealed::read(book).map_err(&bad)?;
        let rules = self.rules.rules_of(&self.app);
        let standing = rules.standing_of(user, sealed.texts());
        Ok(sealed.open(&self.app, user, &standing).map_err(&bad)?.opened().map(|opened| opened.at))
    }
}

fn put(changes: &mut Changes, key: &[u8], before: Option<&Vec<u8>>, now: Option<&Vec<u8>>) {
    match now {
        Some(_) if before == now => {}
        Some(now) => changes.put(key, now.clone()),
        None => changes.delete(key),
    }
}

fn last(pairs: &[Pair], is_end: bool) -> Option<Vec<u8>> {
    pairs.last().filter(|_| !is_end).map(|(key, ..)| key.clone())
}

/// Leaves out the last sessions that begin together, unless no more of them can come, or there are no others.
fn whole_groups(mut pairs: Vec<Pair>, is_end: bool) -> (Vec<Pair>, Option<Vec<u8>>) {
    if !is_end && let Some(start) = pairs.last().map(|(key, ..)| keys::start_of(key).to_vec()) {
        let whole = pairs.partition_point(|(key, ..)| keys::start_of(key) < start.as_slice());
        if 0 < whole {
            pairs.truncate(whole);
        }
    }
    let after = last(&pairs, is_end);
    (pairs, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key that ends as that of a session does: when it began, its ordinal, its name.
    fn key(start: u8, ordinal: u8) -> Pair {
        let mut key = vec![start; 8];
        key.extend_from_slice(&[0, 0, 0, ordinal]);
        key.extend_from_slice(&[ordinal; 16]);
        (key, None, None)
    }

    #[test]
    fn sessions_that_begin_together_are_not_cut_apart_by_the_end_of_a_page() {
        let page = || vec![key(1, 1), key(2, 2), key(2, 3)];
        assert_eq!(whole_groups(page(), false), (vec![key(1, 1)], Some(key(1, 1).0)));
        assert_eq!(whole_groups(page(), true), (page(), None), "no more of them can come");
        let alike = || vec![key(2, 2), key(2, 3)];
        assert_eq!(whole_groups(alike(), false), (alike(), Some(key(2, 3).0)), "else it would never go on");
    }
}
