//! An engine that works on logs in memory, and what one reading of all that was said would say.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use dwell_core::event::{Activity, EventKind, Weight};
use dwell_core::lab::Lab;
use dwell_core::lab::ledger::GapLedger;
use dwell_core::lab::lengths::Grid;
use dwell_core::policy::{Policy, Version};
use dwell_core::session::{ClosedSession, Sessionizer};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_engine::{
    AppRules, Desk, Facet, Fill, LengthCounts, News, Quarter, Record, Series, SessionRow, Worker, WorkerOptions,
};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};
use proptest::prelude::*;

pub const APP: &str = "app";
pub const MINUTE: i64 = 60_000_000;
pub const BEGIN: i64 = 1_700_000_000_000_000;

/// What is said, by how often: actions above all.
pub const KINDS: [EventKind; 10] = [
    EventKind::Action,
    EventKind::Action,
    EventKind::Action,
    EventKind::PlayingStarted,
    EventKind::PlayingStopped,
    EventKind::Backgrounded,
    EventKind::Closed,
    EventKind::Heartbeat,
    EventKind::Silent,
    EventKind::UserChanged,
];

/// What one client says once.
#[derive(Clone, Debug)]
pub struct Said {
    /// Whose id it names, and who that is.
    pub id: usize,
    pub user: usize,
    pub kind: EventKind,
    pub minute: i64,
    /// None is 0.
    pub device: usize,
    /// After how many minutes it came in, where that is asked.
    pub delay: i64,
    pub number: usize,
}

/// So many things that three people say, each so many minutes after it happened.
pub fn said(many: Range<usize>, delay: Range<i64>) -> impl Strategy<Value = Vec<Said>> {
    let one = (0usize..3, 0usize..KINDS.len(), 0i64..120, 0usize..4, delay);
    prop::collection::vec(one, many).prop_map(move |said| {
        let said = said.into_iter().enumerate();
        said.map(|(number, (user, kind, minute, device, delay))| Said {
            id: user,
            user,
            kind: KINDS[kind],
            minute,
            // Half of all on one device, and some on none.
            device: [1, 1, 2, 0][device],
            delay,
            number,
        })
        .collect()
    })
}

/// An action on nobody else's device.
pub fn action(user: usize, minute: i64, number: usize) -> Said {
    Said { id: user, user, kind: EventKind::Action, minute, device: 10 + user, delay: 0, number }
}

pub fn rules() -> Arc<AppRules> {
    let version = Version { timeout: Timeout::from_secs(600).ok(), ..Version::default() };
    Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
}

pub fn user(number: usize) -> String {
    format!("user{number}")
}

/// So little is kept at hand that parts are put aside and brought back all the time.
pub fn worker_under(log: Arc<MemoryLog>, books: Arc<dyn Books>, rules: Arc<AppRules>, turn_bytes: usize) -> Worker {
    let fill = Fill { most: 3, keep: 1, part: 2 };
    // What turns write is held for some of them; few books stay in memory.
    let options = WorkerOptions {
        turn_bytes,
        cache_bytes: 2_000,
        behind: 1,
        held_bytes: 4_000,
        held_turns: 4,
        held_for: Span::from_hours(1_000),
        fill,
        users_a_thread: 1,
        ..WorkerOptions::default()
    };
    Worker::new(log, books, Arc::new(rules), options)
}

pub struct House {
    pub log: Arc<MemoryLog>,
    pub books: Arc<dyn Books>,
    pub worker: RefCell<Worker>,
    pub rules: Arc<AppRules>,
    pub turn_bytes: usize,
}

impl House {
    /// A turn has two or three events.
    pub fn new() -> Self {
        House::under(rules(), 300)
    }

    pub fn under(rules: Arc<AppRules>, turn_bytes: usize) -> Self {
        let (log, books) = (Arc::new(MemoryLog::default()), Arc::new(MemoryBooks::default()));
        let worker = RefCell::new(worker_under(log.clone(), books.clone(), rules.clone(), turn_bytes));
        House { log, books, worker, rules, turn_bytes }
    }

    /// Begins anew with what the log and the books hold.
    pub fn restart(&self) {
        *self.worker.borrow_mut() =
            worker_under(self.log.clone(), self.books.clone(), self.rules.clone(), self.turn_bytes);
    }

    pub fn desk(&self) -> Desk {
        Desk::new(self.books.clone(), Arc::new(self.rules.clone()))
    }

    pub fn say(&self, said: &[Said], link_from: Option<&str>) {
        self.say_at(said, link_from, |_| 1_000);
    }

    /// Says in which minute each came in.
    pub fn say_at(&self, said: &[Said], link_from: Option<&str>, received_at: impl Fn(&Said) -> i64) {
        let mut batch = Batch::new();
        said.iter().for_each(|said| batch.push(&bytes_of(APP, said, link_from, received_at(said))));
        if !batch.is_empty() {
            self.log.append(batch).wait().unwrap();
        }
    }

    pub fn work(&self, now: i64) {
        let mut worker = self.worker.borrow_mut();
        while !worker.turn(Timestamp::from_micros(BEGIN + now * MINUTE)).unwrap().is_idle() {}
        let breaches = worker.take_breaches();
        assert!(breaches.is_empty(), "{breaches:?}");
    }

    pub fn sessions(&self, user: &str) -> Vec<SessionRow> {
        self.desk().sessions(APP, user, None, 1_000).unwrap().0
    }
}

/// The record of what is said to an app.
pub fn bytes_of(app: &str, said: &Said, link_from: Option<&str>, received_at: i64) -> Vec<u8> {
    let kind = EventKind::ALL.iter().position(|kind| *kind == said.kind).unwrap() as u8;
    let device = format!("device{}", said.device);
    let [platform, country, version] = origin_of(said.number);
    let record = Record {
        app,
        user: &user(said.id),
        link_from,
        message_id: &format!("m{}", said.number),
        message_id_is_derived: false,
        kind,
        name: None,
        happened_at: BEGIN + said.minute * MINUTE,
        received_at: BEGIN + received_at * MINUTE,
        remaining: None,
        player: None,
        device: (said.device != 0).then_some(device.as_str()),
        platform: (!platform.is_empty()).then_some(platform),
        campaign: None,
        country: (!country.is_empty()).then_some(country),
        app_version: (!version.is_empty()).then_some(version),
    };
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    bytes
}

/// What happened to each user, in order: what was said of them, and when others took the device on which they were last seen.
///
/// This is the definition, word by word: everything is looked up in all that was said.
pub fn lives(said: &[Said], users: usize) -> Vec<Vec<Activity>> {
    let at = |minute: i64| Timestamp::from_micros(BEGIN + minute * MINUTE);
    let key = |said: &Said| (said.minute, format!("m{}", said.number));
    let mut said: Vec<&Said> = said.iter().collect();
    // A name under one id is nobody's duplicate under another.
    said.sort_by_key(|said| (said.number, said.id, said.minute));
    said.dedup_by_key(|said| (said.number, said.id));
    said.sort_by_key(|said| (key(said), said.kind, user(said.user)));
    let starts = |said: &&&Said| said.kind.weight() == Weight::Starts;
    let takes: Vec<&Said> = said.iter().filter(starts).filter(|said| said.device != 0).copied().collect();
    (0..users)
        .map(|number| {
            let mut life: Vec<((i64, String), Activity)> = Vec::new();
            for said in said.iter().filter(|said| said.user == number) {
                let activity = Activity {
                    device: said.device as u32,
                    platform: said.number as u32 + 1,
                    ..Activity::new(at(said.minute), said.kind)
                };
                life.push((key(said), activity));
            }
            for (place, take) in takes.iter().enumerate() {
                let had_it = takes[..place].iter().rfind(|other| other.device == take.device);
                let proves = |said: &&&Said| !matches!(said.kind, EventKind::Silent | EventKind::UserChanged);
                let mut mine = said.iter().filter(|said| said.user == number && key(said) <= key(take));
                let is_there = mine.rfind(proves).is_some_and(|last| last.device == take.device);
                if take.user != number && had_it.is_some_and(|other| other.user == number) && is_there {
                    life.push((key(take), Activity::new(at(take.minute), EventKind::UserChanged)));
                }
            }
            life.sort_by(|(one, did), (other, and)| one.cmp(other).then(did.kind.cmp(&and.kind)));
            life.into_iter().map(|(_, activity)| activity).collect()
        })
        .collect()
}

/// What one reading of all events in order says.
pub fn model(said: &[Said], users: usize, now: i64, rules: &AppRules) -> BTreeMap<String, (Vec<ClosedSession>, bool)> {
    let now = Timestamp::from_micros(BEGIN + now * MINUTE);
    let lives = lives(said, users).into_iter().enumerate();
    lives
        .map(|(number, life)| {
            let standing = rules.standing_of(&user(number), &[]);
            let mut sessionizer = Sessionizer::new(&standing);
            let mut closed: Vec<_> = life.iter().filter_map(|activity| sessionizer.observe(activity).ended).collect();
            closed.extend(sessionizer.advance(now));
            (user(number), (closed, sessionizer.open().is_some()))
        })
        .collect()
}

/// What whoever follows the feed knows in the end.
pub fn followed(house: &House) -> BTreeMap<String, SessionRow> {
    let mut known = BTreeMap::new();
    for (_, statement) in house.desk().feed(APP, 0, 100_000).unwrap() {
        match statement.news {
            News::Started(_) => {}
            News::Ended(row) | News::Amended(row) => {
                assert!(known.insert(row.session_id.clone(), row).is_none(), "what is stated stands already");
            }
            News::Retracted(id) => assert!(known.remove(&id).is_some(), "only what was stated is retracted"),
            News::UserErased | News::Erased => {}
        }
    }
    known
}

/// What every timeout would have done.
pub fn lab(said: &[Said], users: usize) -> GapLedger {
    lab_under(said, users, &rules())
}

/// The same under these rules.
pub fn lab_under(said: &[Said], users: usize, rules: &AppRules) -> GapLedger {
    let mut lab = Lab::new(Grid::standard(), &[]);
    for (number, life) in lives(said, users).iter().enumerate() {
        lab.observe_user(life, &rules.standing_of(&user(number), &[]));
    }
    lab.ledger().clone()
}

/// What is told of sessions, by the books and by the model.
pub type Told = (i64, i64, String, u64, u32);

pub fn told(rows: &[SessionRow]) -> Vec<Told> {
    rows.iter().map(|row| (row.started_at, row.ended_at, row.end_reason.clone(), row.activities, row.ordinal)).collect()
}

pub fn wanted(closed: &[ClosedSession]) -> Vec<Told> {
    let one = |closed: &ClosedSession| {
        let session = &closed.session;
        let (started_at, ended_at) = (session.started_at.as_micros(), session.ended_at.as_micros());
        (started_at, ended_at, closed.reason.word().to_owned(), session.activities, session.ordinal)
    };
    closed.iter().map(one).collect()
}

/// From where what has this number comes: platform, country, version; some say nothing.
pub fn origin_of(number: usize) -> [&'static str; 3] {
    [["ios", "android", ""][number % 3], ["KR", "DE", "", "KR"][number % 4], ["1", "", "2"][number / 2 % 3]]
}

/// What all values of all facets come to. They add up to what is counted of all, by quarter, by day and by length.
pub fn parts(desk: &Desk) -> BTreeMap<(Facet, String), Quarter> {
    let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
    let all: BTreeMap<_, _> = desk.quarters(APP, ever, 10_000).unwrap().into_iter().collect();
    let lengths: BTreeMap<_, _> = desk.lengths(APP, ever, 10_000).unwrap().into_iter().collect();
    let mut parts = BTreeMap::new();
    for facet in Facet::ALL {
        let mut sums: BTreeMap<Timestamp, Quarter> = all.keys().map(|at| (*at, Quarter::default())).collect();
        let mut by_day: BTreeMap<String, Quarter> = BTreeMap::new();
        for (day, values) in desk.days_by(APP, facet, ever, 10_000).unwrap() {
            let mut counts = LengthCounts::default();
            for (value, of_day) in values {
                counts.add(&of_day.lengths);
                by_day.entry(value.expect("few values")).or_default().add(&of_day.sum);
            }
            assert_eq!(counts, lengths.get(&day).cloned().unwrap_or_default(), "{facet:?}");
        }
        for (value, of_days) in by_day {
            let mut sum = Quarter::default();
            for (at, quarter) in desk.quarters_of(APP, (facet, Some(&value)), ever, 10_000).unwrap() {
                sums.entry(at).or_default().add(&quarter);
                sum.add(&quarter);
            }
            assert_eq!(of_days, sum, "{facet:?} {value}");
            parts.insert((facet, value), sum);
        }
        assert_eq!(sums, all, "{facet:?}");
    }
    parts
}

/// The same, and of the model's closed sessions each counts under what its first activity said.
pub fn assert_parts_are<'a>(desk: &Desk, closed: impl Iterator<Item = &'a ClosedSession>) {
    let mut wanted: BTreeMap<(Facet, String), Quarter> = BTreeMap::new();
    for ClosedSession { session, .. } in closed {
        let origin = session.platform.checked_sub(1).map_or([""; 3], |number| origin_of(number as usize));
        for (facet, value) in Facet::ALL.into_iter().zip(origin) {
            wanted.entry((facet, value.to_owned())).or_default().add(&Quarter {
                started: 0,
                ended: 1,
                length: session.length().as_micros(),
                foreground: session.parts.foreground.as_micros(),
                playing: session.parts.playing.as_micros(),
            });
        }
    }
    let mut found = parts(desk);
    found.values_mut().for_each(|sum| sum.started = 0);
    found.retain(|_, sum| *sum != Quarter::default());
    assert_eq!(found, wanted);
}

/// All quarters of an hour together.
pub fn quarters(desk: &Desk) -> Quarter {
    let mut sum = Quarter::default();
    let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
    desk.quarters(APP, ever, 10_000).unwrap().iter().for_each(|(_, quarter)| sum.add(quarter));
    sum
}

/// What they have to be when these are all closed sessions, and so many are open.
pub fn quarters_of(rows: &[SessionRow], open: i64) -> Quarter {
    let sum = |of: fn(&SessionRow) -> i64| rows.iter().map(of).sum();
    Quarter {
        started: rows.len() as i64 + open,
        ended: rows.len() as i64,
        length: sum(|row| row.ended_at - row.started_at),
        foreground: sum(|row| row.foreground_time),
        playing: sum(|row| row.playing_time),
    }
}

/// How many users were active in a minute, an hour, a day.
pub type ActiveUsers = BTreeMap<(Series, Timestamp), i64>;

/// Whose activities happened when, the silent ones left out.
pub fn heard(said: &[Said]) -> Vec<(usize, Timestamp)> {
    let heard = said.iter().filter(|said| said.kind.weight() != Weight::Silent);
    heard.map(|said| (said.user, Timestamp::from_micros(BEGIN + said.minute * MINUTE))).collect()
}

/// What the books count.
pub fn active_users(desk: &Desk) -> ActiveUsers {
    let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
    let mut counted = BTreeMap::new();
    for series in [Series::ActiveByMinute, Series::ActiveByHour, Series::ActiveByDay] {
        let places = desk.series(APP, series, ever, 100_000).unwrap();
        counted.extend(places.into_iter().map(|(at, count)| ((series, at), count)));
    }
    counted
}

/// What they are to count: in every place each user once.
pub fn active_users_of(heard: &[(usize, Timestamp)], zone: &Zone) -> ActiveUsers {
    let mut places: BTreeSet<(Series, Timestamp, usize)> = BTreeSet::new();
    for (user, at) in heard {
        let day = Timestamp::from_micros(zone.day_of(*at) * 86_400_000_000);
        let begin = |unit: i64| Timestamp::from_micros(at.as_micros() - at.as_micros().rem_euclid(unit));
        places.insert((Series::ActiveByMinute, begin(MINUTE), *user));
        places.insert((Series::ActiveByHour, begin(60 * MINUTE), *user));
        places.insert((Series::ActiveByDay, day, *user));
    }
    let mut counted = BTreeMap::new();
    for (series, at, _) in places {
        *counted.entry((series, at)).or_default() += 1;
    }
    counted
}

/// How many sessions ended on each day on which any did.
pub fn ended_by_day(rows: &[SessionRow]) -> Vec<i64> {
    let mut days = BTreeMap::new();
    for row in rows {
        *days.entry(row.ended_at.div_euclid(86_400_000_000)).or_insert(0) += 1;
    }
    days.into_values().collect()
}
