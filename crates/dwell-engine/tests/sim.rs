//! Events in any order, repeated, in turns of any size, with bells in between: the books say what one reading says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use dwell_core::event::{Activity, EventKind, Weight, is_late};
use dwell_core::lab::Lab;
use dwell_core::lab::ledger::GapLedger;
use dwell_core::lab::lengths::Grid;
use dwell_core::policy::{Policy, Version};
use dwell_core::session::{ClosedSession, Sessionizer};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_engine::{AppRules, Desk, Fill, News, Quarter, Record, RulesOf, Series, SessionRow, Worker, WorkerOptions};
use dwell_store::{Batch, Books, Log, MemoryBooks, MemoryLog};
use proptest::prelude::*;

const APP: &str = "app";
const MINUTE: i64 = 60_000_000;
const BEGIN: i64 = 1_700_000_000_000_000;

/// What one client says once.
#[derive(Clone, Debug)]
struct Said {
    user: usize,
    kind: EventKind,
    minute: i64,
    /// None is 0.
    device: usize,
    /// After how many minutes it came in, where that is asked.
    delay: i64,
    number: usize,
}

/// An action on nobody else's device.
fn action(user: usize, minute: i64, number: usize) -> Said {
    Said { user, kind: EventKind::Action, minute, device: 10 + user, delay: 0, number }
}

fn rules() -> Arc<AppRules> {
    let version = Version { timeout: Timeout::from_secs(600).ok(), ..Version::default() };
    Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
}

fn user(number: usize) -> String {
    format!("user{number}")
}

/// So little is kept at hand that parts are put aside and brought back all the time.
fn worker(log: Arc<MemoryLog>, books: Arc<dyn Books>) -> Worker {
    worker_under(log, books, rules())
}

fn worker_under(log: Arc<MemoryLog>, books: Arc<dyn Books>, rules: Arc<AppRules>) -> Worker {
    let fill = Fill { most: 3, keep: 1, part: 2 };
    // A turn has two or three events, and does not wait for what the one before it wrote; few books stay in memory.
    let options = WorkerOptions {
        turn_bytes: 300,
        cache_bytes: 2_000,
        behind: 1,
        fill,
        users_a_thread: 1,
        ..WorkerOptions::default()
    };
    Worker::new(log, books, Arc::new(rules), options)
}

struct House {
    log: Arc<MemoryLog>,
    books: Arc<dyn Books>,
    worker: RefCell<Worker>,
}

impl House {
    fn new() -> Self {
        let (log, books) = (Arc::new(MemoryLog::default()), Arc::new(MemoryBooks::default()));
        let worker = RefCell::new(worker(log.clone(), books.clone()));
        House { log, books, worker }
    }

    /// Begins anew with what the log and the books hold.
    fn restart(&self) {
        *self.worker.borrow_mut() = worker(self.log.clone(), self.books.clone());
    }

    fn desk(&self) -> Desk {
        Desk::new(self.books.clone(), Arc::new(rules()))
    }

    fn say(&self, said: &[Said], link_from: Option<&str>) {
        self.say_at(said, link_from, |_| 1_000);
    }

    /// Says in which minute each came in.
    fn say_at(&self, said: &[Said], link_from: Option<&str>, received_at: impl Fn(&Said) -> i64) {
        let mut batch = Batch::new();
        let mut bytes = Vec::new();
        for said in said {
            let kind = EventKind::ALL.iter().position(|kind| *kind == said.kind).unwrap() as u8;
            let device = format!("device{}", said.device);
            let record = Record {
                app: APP,
                user: &user(said.user),
                link_from,
                message_id: &format!("m{}", said.number),
                message_id_is_derived: false,
                kind,
                name: None,
                happened_at: BEGIN + said.minute * MINUTE,
                received_at: BEGIN + received_at(said) * MINUTE,
                remaining: None,
                player: None,
                device: (said.device != 0).then_some(device.as_str()),
                platform: Some("ios"),
                campaign: None,
                country: None,
                app_version: None,
            };
            record.write(&mut bytes);
            batch.push(&bytes);
        }
        if !batch.is_empty() {
            self.log.append(batch).wait().unwrap();
        }
    }

    fn work(&self, now: i64) {
        let mut worker = self.worker.borrow_mut();
        while !worker.turn(Timestamp::from_micros(BEGIN + now * MINUTE)).unwrap().is_idle() {}
    }

    fn sessions(&self, user: &str) -> Vec<SessionRow> {
        self.desk().sessions(APP, user, None, 1_000).unwrap().0
    }
}

/// What happened to each user, in order: what was said of them, and when others took the device on which they were last seen.
///
/// This is the definition, word by word: everything is looked up in all that was said.
fn lives(said: &[Said], users: usize) -> Vec<Vec<Activity>> {
    let at = |minute: i64| Timestamp::from_micros(BEGIN + minute * MINUTE);
    let key = |said: &Said| (said.minute, format!("m{}", said.number));
    let mut said: Vec<&Said> = said.iter().collect();
    said.sort_by_key(|said| key(said));
    said.dedup_by_key(|said| said.number);
    let starts = |said: &&&Said| said.kind.weight() == Weight::Starts;
    let takes: Vec<&Said> = said.iter().filter(starts).filter(|said| said.device != 0).copied().collect();
    (0..users)
        .map(|number| {
            let mut life: Vec<((i64, String), Activity)> = Vec::new();
            for said in said.iter().filter(|said| said.user == number) {
                let activity = Activity { device: said.device as u32, ..Activity::new(at(said.minute), said.kind) };
                life.push((key(said), activity));
            }
            for (place, take) in takes.iter().enumerate() {
                let had_it = takes[..place].iter().rfind(|other| other.device == take.device);
                let proves = |said: &&&Said| !matches!(said.kind, EventKind::Silent | EventKind::UserChanged);
                let mut mine = said.iter().filter(|said| said.user == number && key(said) < key(take));
                let is_there = mine.rfind(proves).is_some_and(|last| last.device == take.device);
                if take.user != number && had_it.is_some_and(|other| other.user == number) && is_there {
                    life.push((key(take), Activity::new(at(take.minute), EventKind::UserChanged)));
                }
            }
            life.sort_by(|(one, _), (other, _)| one.cmp(other));
            life.into_iter().map(|(_, activity)| activity).collect()
        })
        .collect()
}

/// What one reading of all events in order says.
fn model(said: &[Said], users: usize, now: i64, rules: &AppRules) -> BTreeMap<String, (Vec<ClosedSession>, bool)> {
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

/// What every timeout would have done.
fn lab(said: &[Said], users: usize) -> GapLedger {
    let rules = rules();
    let mut lab = Lab::new(Grid::standard(), &[]);
    for (number, life) in lives(said, users).iter().enumerate() {
        lab.observe_user(life, &rules.standing_of(&user(number), &[]));
    }
    lab.ledger().clone()
}

/// What is told of sessions, by the books and by the model.
type Told = (i64, i64, String, u64, u32);

fn told(rows: &[SessionRow]) -> Vec<Told> {
    rows.iter().map(|row| (row.started_at, row.ended_at, row.end_reason.clone(), row.activities, row.ordinal)).collect()
}

fn wanted(closed: &[ClosedSession]) -> Vec<Told> {
    let one = |closed: &ClosedSession| {
        let session = &closed.session;
        let (started_at, ended_at) = (session.started_at.as_micros(), session.ended_at.as_micros());
        (started_at, ended_at, closed.reason.word().to_owned(), session.activities, session.ordinal)
    };
    closed.iter().map(one).collect()
}

fn said() -> impl Strategy<Value = Vec<Said>> {
    let kinds = [
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
    let one = (0usize..3, 0usize..kinds.len(), 0i64..120, 0usize..4, 0i64..12);
    prop::collection::vec(one, 0..40).prop_map(move |said| {
        let said = said.into_iter().enumerate();
        said.map(|(number, (user, kind, minute, device, delay))| Said {
            user,
            kind: kinds[kind],
            minute,
            // Half of all on one device, and some on none.
            device: [1, 1, 2, 0][device],
            delay,
            number,
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn the_books_say_what_one_reading_says(
        said in said(),
        order in any::<prop::sample::Index>(),
        repeats in prop::collection::vec((any::<prop::sample::Index>(), 0i64..60), 0..10),
        pieces in 1usize..8,
        bells in prop::collection::vec(0i64..140, 0..4),
        now in 140i64..200,
    ) {
        let house = House::new();
        let mut sent = said.clone();
        if !said.is_empty() {
            sent.rotate_left(order.index(said.len()));
            // A copy may claim to be younger: what it says is known all the same.
            sent.extend(repeats.iter().map(|(index, later)| {
                let copy = said[index.index(said.len())].clone();
                Said { minute: copy.minute + later, ..copy }
            }));
        }
        let mut bells = bells.into_iter();
        for piece in sent.chunks(sent.len().div_ceil(pieces).max(1)) {
            house.say(piece, None);
            let bell = bells.next().unwrap_or(0);
            house.work(bell);
            if bell % 3 == 1 {
                house.restart();
            }
        }
        house.work(now);
        let desk = house.desk();
        let numbers = desk.numbers(APP).unwrap();
        let (mut closed_in_all, mut open_in_all) = (0, 0);
        for (user, (closed, open)) in model(&said, 3, now, &rules()) {
            let rows = house.sessions(&user);
            prop_assert_eq!(told(&rows), wanted(&closed), "{}", user);
            closed_in_all += rows.len() as i64;
            open_in_all += i64::from(open);
            if let Some(view) = desk.user(APP, &user, Timestamp::from_micros(BEGIN + now * MINUTE)).unwrap() {
                prop_assert_eq!(view.open.is_some(), open);
                prop_assert_eq!(view.totals.sessions(), rows.len() as u64);
                let length: i64 = rows.iter().map(|row| row.ended_at - row.started_at).sum();
                prop_assert_eq!(view.totals.length(), Span::from_micros(length));
                let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
                prop_assert_eq!(view.totals.first_started_at(), at(rows.iter().map(|row| row.started_at).min()));
                prop_assert_eq!(view.totals.latest_started_at(), at(rows.iter().map(|row| row.started_at).max()));
                prop_assert_eq!(view.totals.latest_ended_at(), at(rows.iter().map(|row| row.ended_at).max()));
            }
        }
        // Nothing vanishes uncounted.
        prop_assert_eq!(numbers.events, sent.len() as u64);
        let fates = numbers.joined + numbers.amended + numbers.silent + numbers.orphan + numbers.duplicate + numbers.late;
        prop_assert_eq!(numbers.events, fates);
        prop_assert_eq!(numbers.duplicate, (sent.len() - said.len()) as u64);
        prop_assert_eq!(numbers.open, open_in_all);
        // What the series say is what the rows say.
        let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
        let sum = |series| desk.series(APP, series, ever, 10_000).unwrap().iter().map(|(_, count)| count).sum::<i64>();
        prop_assert_eq!(sum(Series::Started), closed_in_all + open_in_all);
        prop_assert_eq!(sum(Series::Ended), closed_in_all);
        let rows: Vec<SessionRow> = (0..3).flat_map(|number| house.sessions(&user(number))).collect();
        prop_assert_eq!(quarters(&desk), quarters_of(&rows, open_in_all));
        let days = desk.lengths(APP, ever, 10_000).unwrap();
        let in_days: Vec<i64> = days.iter().map(|(_, counts)| counts.sessions()).filter(|count| *count != 0).collect();
        prop_assert_eq!(in_days, ended_by_day(&rows));
        // The live lab is the lab of all events in order.
        prop_assert_eq!(desk.lab(APP).unwrap(), lab(&said, 3));
        // Who follows the feed knows the same sessions in the end.
        let mut known = BTreeMap::new();
        for (_, statement) in desk.feed(APP, 0, 10_000).unwrap() {
            match statement.news {
                News::Started(_) => {}
                News::Ended(row) | News::Amended(row) => {
                    known.insert(row.session_id.clone(), row);
                }
                News::Retracted(id) => {
                    known.remove(&id);
                }
            }
        }
        let rows: BTreeMap<_, _> = (0..3).flat_map(|number| house.sessions(&user(number))).map(|row| (row.session_id.clone(), row)).collect();
        prop_assert_eq!(known, rows);
    }

    #[test]
    fn two_ids_of_one_person_become_one(
        said in said(),
        split in any::<prop::sample::Index>(),
        pieces in 1usize..5,
        early in any::<bool>(),
        all in any::<bool>(),
        now in 130i64..200,
    ) {
        // Users 0 and 1 turn out to be one person, whenever that is said. User 2 shares devices with both, and may prove to
        // be the same, too, in the end.
        let house = House::new();
        let cut = if said.is_empty() { 0 } else { split.index(said.len()) };
        for piece in said[..cut].chunks(cut.div_ceil(pieces).max(1)) {
            house.say(piece, None);
            if early {
                house.work(50);
            }
        }
        let link = Said { kind: EventKind::Silent, ..action(1, 0, 10_000) };
        house.say(std::slice::from_ref(&link), Some("user0"));
        house.say(std::slice::from_ref(&link), Some("user0"));
        for piece in said[cut..].chunks((said.len() - cut).div_ceil(pieces).max(1)) {
            house.say(piece, None);
            if early {
                house.work(50);
                house.restart();
            }
        }
        if all {
            house.say(&[Said { number: 10_001, ..link }], Some("user2"));
        }
        house.work(now);
        let person = |user: usize| if all { 1 } else { user.max(1) };
        let as_one: Vec<Said> = said.iter().map(|said| Said { user: person(said.user), ..said.clone() }).collect();
        let model = model(&as_one, 3, now, &rules());
        for number in 0..3 {
            let name = user(person(number));
            prop_assert_eq!(told(&house.sessions(&user(number))), wanted(&model[&name].0), "{}", name);
        }
        let numbers = house.desk().numbers(APP).unwrap();
        let open: i64 = model.values().map(|(_, open)| i64::from(*open)).sum();
        let users = 1 + i64::from(!all && said.iter().any(|said| said.user == 2));
        prop_assert_eq!((numbers.users, numbers.open), (users, open));
        prop_assert_eq!(house.desk().lab(APP).unwrap(), lab(&as_one, 3));
        let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
        let started: i64 = house.desk().series(APP, Series::Started, ever, 10_000).unwrap().iter().map(|(_, count)| count).sum();
        let closed: usize = model.values().map(|(closed, _)| closed.len()).sum();
        prop_assert_eq!(started, closed as i64 + open);
        let rows: Vec<SessionRow> = (1..=if all { 1 } else { 2 }).flat_map(|number| house.sessions(&user(number))).collect();
        prop_assert_eq!(quarters(&house.desk()), quarters_of(&rows, open));
    }

    #[test]
    fn what_is_settled_changes_nothing_of_who_took_a_device_from_whom(said in said(), pieces in 1usize..20) {
        // Five minutes late is late, and what is ten minutes old is settled long before a session of an hour ends.
        let rules = {
            let mut version = Version { timeout: Timeout::from_secs(3_600).ok(), ..Version::default() };
            version.rules.allowed_lateness = Span::from_minutes(5);
            Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
        };
        let house = House::new();
        *house.worker.borrow_mut() = worker_under(house.log.clone(), house.books.clone(), rules.clone());
        let mut sent = said.clone();
        sent.sort_by_key(|said| said.minute + said.delay);
        for piece in sent.chunks(sent.len().div_ceil(pieces).max(1)) {
            house.say_at(piece, None, |said| said.minute + said.delay);
            house.work(0);
        }
        house.work(1_000);
        let at = |minute: i64| Timestamp::from_micros(minute * MINUTE);
        let in_time = |said: &&Said| !is_late(at(said.minute), at(said.minute + said.delay), Span::from_minutes(5));
        let kept: Vec<Said> = said.iter().filter(in_time).cloned().collect();
        for (user, (closed, _)) in model(&kept, 3, 1_000, &rules) {
            prop_assert_eq!(told(&house.sessions(&user)), wanted(&closed), "{}", user);
        }
    }
}

/// All quarters of an hour together.
fn quarters(desk: &Desk) -> Quarter {
    let mut sum = Quarter::default();
    let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
    desk.quarters(APP, ever, 10_000).unwrap().iter().for_each(|(_, quarter)| sum.add(quarter));
    sum
}

/// What they have to be when these are all closed sessions, and so many are open.
fn quarters_of(rows: &[SessionRow], open: i64) -> Quarter {
    let sum = |of: fn(&SessionRow) -> i64| rows.iter().map(of).sum();
    Quarter {
        started: rows.len() as i64 + open,
        ended: rows.len() as i64,
        length: sum(|row| row.ended_at - row.started_at),
        foreground: sum(|row| row.foreground_time),
        playing: sum(|row| row.playing_time),
    }
}

/// How many sessions ended on each day on which any did.
fn ended_by_day(rows: &[SessionRow]) -> Vec<i64> {
    let mut days = BTreeMap::new();
    for row in rows {
        *days.entry(row.ended_at.div_euclid(86_400_000_000)).or_insert(0) += 1;
    }
    days.into_values().collect()
}

#[test]
fn a_session_counts_in_its_quarter_and_on_its_day_in_the_zone_of_the_app() {
    let east = Zone { offsets: vec![(Timestamp::MIN, 9 * 3_600)] };
    let rules = Arc::new(AppRules::of(&Policy::default(), east));
    let house = House::new();
    *house.worker.borrow_mut() = worker_under(house.log.clone(), house.books.clone(), rules);
    house.say(&[action(0, 1, 0), action(0, 21, 1)], None);
    house.work(1_000);
    let at = |micros: i64| Timestamp::from_micros(micros);
    let ever = (at(BEGIN - 86_400_000_000), at(BEGIN + 2 * 86_400_000_000));
    let told = house.desk().quarters(APP, ever, 10).unwrap();
    let quarter = 15 * MINUTE;
    let begin = (BEGIN + MINUTE).div_euclid(quarter) * quarter;
    let end = (BEGIN + 21 * MINUTE).div_euclid(quarter) * quarter;
    assert_ne!(begin, end);
    let started = Quarter { started: 1, ..Quarter::default() };
    assert_eq!(told.first(), Some(&(at(begin), started)));
    assert_eq!(
        told.last().map(|(when, quarter)| (*when, quarter.ended, quarter.length)),
        Some((at(end), 1, 20 * MINUTE))
    );
    let days = house.desk().lengths(APP, ever, 10).unwrap();
    let day = (BEGIN + 21 * MINUTE + 9 * 60 * MINUTE).div_euclid(86_400_000_000) * 86_400_000_000;
    assert_eq!(days.iter().map(|(when, counts)| (*when, counts.sessions())).collect::<Vec<_>>(), [(at(day), 1)]);
}

#[test]
fn a_session_ends_at_its_deadline_without_another_event() {
    let house = House::new();
    house.say(&[action(0, 0, 0)], None);
    house.work(9);
    assert_eq!(house.sessions("user0").len(), 0);
    house.work(10);
    let rows = house.sessions("user0");
    assert_eq!((rows.len(), rows[0].end_reason.as_str()), (1, "timed_out"));
}

#[test]
fn a_deadline_rings_while_events_of_others_come_in() {
    let house = House::new();
    house.say(&[action(0, 0, 0)], None);
    house.work(9);
    // This one came in long after the other's deadline, and one turn reads it.
    house.say(&[action(1, 999, 1)], None);
    let turned = house.worker.borrow_mut().turn(Timestamp::from_micros(BEGIN + 1_000 * MINUTE)).unwrap();
    assert_eq!((turned.events, turned.deadlines), (1, 1));
    assert_eq!(house.sessions("user0").len(), 1);
}

#[test]
fn rules_are_those_of_the_app() {
    let rules: Arc<dyn RulesOf> = Arc::new(rules());
    assert_eq!(rules.rules_of("any").standing_of("ada", &[]).timeout_at(Timestamp::MIN, 0).timeout.as_secs(), 600);
}

#[test]
fn users_and_platforms_have_timeouts_of_their_own() {
    let timeout = |minutes: u64| Timeout::from_secs(minutes * 60).unwrap();
    let version = Version {
        timeout: Some(timeout(10)),
        platforms: BTreeMap::from([("ios".to_owned(), timeout(20))]),
        users: BTreeMap::from([("user1".to_owned(), timeout(40))]),
        ..Version::default()
    };
    let rules = Arc::new(AppRules::of(&Policy::always(version), Zone::default()));
    let house = House::new();
    *house.worker.borrow_mut() = worker_under(house.log.clone(), house.books.clone(), rules);
    // All are on ios. Each is silent for as long as their timeout less a minute, then for as long as it is.
    house.say(&[action(0, 0, 0), action(1, 0, 1), action(0, 19, 2), action(1, 39, 3)], None);
    house.work(38);
    house.say(&[action(0, 39, 4), action(1, 79, 5)], None);
    house.work(80);
    for (user, timeout, source) in [("user0", 20 * 60, "platform"), ("user1", 40 * 60, "user")] {
        let told: Vec<_> =
            house.sessions(user).iter().map(|row| (row.activities, row.timeout, row.timeout_source.clone())).collect();
        assert_eq!(told[0], (2, timeout, source.to_owned()), "{user}");
    }
}

#[test]
fn who_hands_the_device_over_has_left_when_they_were_last_seen() {
    let house = House::new();
    let on = |device, said: Said| Said { device, ..said };
    // User 0 is on the tablet, user 1 takes it, and user 0 takes it back.
    house.say(&[on(1, action(0, 0, 0)), on(1, action(0, 3, 1)), on(1, action(1, 5, 2)), on(1, action(0, 6, 3))], None);
    house.work(7);
    let rows = house.sessions("user0");
    assert_eq!((rows.len(), rows[0].end_reason.as_str()), (1, "user_changed"));
    assert_eq!((rows[0].started_at, rows[0].ended_at), (BEGIN, BEGIN + 3 * MINUTE));
    assert_eq!(house.sessions("user1")[0].end_reason, "user_changed");
    // User 2 was on it in between, which is heard of later: it was from them that user 0 took it back.
    house.say(&[on(1, action(2, 4, 4))], None);
    house.work(7);
    assert_eq!(house.sessions("user0"), rows);
    assert_eq!(house.sessions("user2")[0].end_reason, "user_changed");
    // User 0 turns out to be user 2.
    house.say(&[Said { kind: EventKind::Silent, ..action(2, 0, 10) }], Some("user0"));
    house.work(7);
    let rows = house.sessions("user2");
    assert_eq!((rows.len(), rows[0].end_reason.as_str(), rows[0].activities), (1, "user_changed", 3));
    assert_eq!(rows[0].ended_at, BEGIN + 4 * MINUTE);
}

#[test]
fn who_goes_on_elsewhere_has_not_left() {
    let house = House::new();
    let on = |device, said: Said| Said { device, ..said };
    house.say(&[on(1, action(0, 0, 0)), on(2, action(0, 1, 1)), on(1, action(1, 2, 2)), on(2, action(0, 3, 3))], None);
    house.work(100);
    let rows = house.sessions("user0");
    assert_eq!((rows.len(), rows[0].end_reason.as_str(), rows[0].activities), (1, "timed_out", 3));
}

#[test]
fn what_only_extends_takes_no_device() {
    let house = House::new();
    let on = |kind, said: Said| Said { kind, device: 1, ..said };
    let leftover = on(EventKind::Heartbeat, action(0, 2, 2));
    house.say(&[on(EventKind::Action, action(0, 0, 0)), on(EventKind::Action, action(1, 1, 1)), leftover], None);
    house.say(&[on(EventKind::Silent, action(2, 3, 3)), on(EventKind::Action, action(1, 4, 4))], None);
    house.work(100);
    let rows = house.sessions("user1");
    assert_eq!((rows.len(), rows[0].activities), (1, 2));
}

#[test]
fn a_device_with_too_many_people_is_none() {
    let reasons = |people: usize| {
        let house = House::new();
        // All within a timeout, in turns of fifty.
        for turn in (0..people).collect::<Vec<_>>().chunks(50) {
            let all: Vec<Said> =
                turn.iter().map(|user| Said { device: 1, ..action(*user, *user as i64, *user) }).collect();
            house.say(&all, None);
            house.work(0);
        }
        house.work(2_000);
        let changed = (0..people).filter(|number| house.sessions(&user(*number))[0].end_reason == "user_changed");
        changed.count()
    };
    assert_eq!(reasons(256), 255, "a desk with many customers");
    assert_eq!(reasons(257), 0, "what was said of it is withdrawn");
    assert_eq!(reasons(300), 0);
}
