//! A history that is restated: the books are as if all had been under the new rules from the first, and nothing had been late.

#[expect(dead_code, reason = "every test uses another part of it")]
#[path = "support/house.rs"]
mod house;

use std::collections::BTreeMap;
use std::sync::Arc;

use dwell_core::event::is_late;
use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_engine::{AppRules, Fill, Kept, Past, Record, Restatement, Series, WorkerOptions};
use dwell_store::{Batch, Log, MemoryBooks, MemoryLog, Offset};
use house::*;
use proptest::prelude::*;

/// What comes later than this many minutes is late.
const LATENESS: u32 = 30;

fn rules_with(minutes: u64) -> Arc<AppRules> {
    let mut version = Version { timeout: Timeout::from_secs(minutes * 60).ok(), ..Version::default() };
    version.rules.allowed_lateness = Span::from_minutes(LATENESS);
    Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
}

/// What is said, in the order in which it comes in.
fn in_order_of_arrival() -> impl Strategy<Value = Vec<Said>> {
    said(1..40, 0..60).prop_map(|mut said| {
        said.sort_by_key(|said| said.minute + said.delay);
        said
    })
}

/// Restates, and breaks off after so many commits, if it takes more. Says whether it was done.
fn restate(house: &House, rules: &Arc<AppRules>, now: i64, most: usize, commits: usize) -> bool {
    let fill = Fill { most: 3, keep: 1, part: 2 };
    let options =
        WorkerOptions { turn_bytes: 300, cache_bytes: 2_000, fill, users_a_thread: 1, ..WorkerOptions::default() };
    let anew = Arc::new(MemoryBooks::default());
    let mut restatement =
        Restatement::new(APP, house.log.clone(), anew, Arc::new(rules.clone()), Arc::default(), options);
    let mut worker = house.worker.borrow_mut();
    while !restatement.read(worker.offset()).unwrap() {}
    restatement.ring(Timestamp::from_micros(BEGIN + now * MINUTE)).unwrap();
    let told_at = |now: i64| Timestamp::from_micros(BEGIN + now * MINUTE + 1);
    (0..commits).any(|_| worker.take_over(&mut restatement, told_at(now), most).unwrap())
}

proptest! {
    #[test]
    fn a_history_is_as_if_it_had_been_under_the_new_rules_from_the_first(
        said in in_order_of_arrival(),
        cut in any::<prop::sample::Index>(),
        (before, after) in (1u64..30, 1u64..30),
        breaks in prop::collection::vec(0usize..12, 0..3),
        most in 2usize..9,
    ) {
        let house = House::under(rules_with(before), 300);
        let cut = cut.index(said.len());
        for piece in said[..cut].chunks(3) {
            house.say_at(piece, None, |said| said.minute + said.delay);
            house.work(0);
        }
        let now = said[..cut].last().map_or(0, |said| said.minute + said.delay);
        house.work(now);
        let rules = rules_with(after);
        let house = House { rules: rules.clone(), ..house };
        house.restart();
        // What comes in meanwhile waits in the log.
        let middle = cut + (said.len() - cut) / 2;
        house.say_at(&said[cut..middle], None, |said| said.minute + said.delay);
        for commits in breaks {
            restate(&house, &rules, now, most, commits);
            house.restart();
        }
        prop_assert!(restate(&house, &rules, now, most, usize::MAX));
        // Once more says nothing.
        let next = house.desk().numbers(APP).unwrap().next;
        let sessions: Vec<_> = (0..3).map(|number| house.sessions(&user(number))).collect();
        prop_assert!(restate(&house, &rules, now, most, usize::MAX));
        prop_assert_eq!(house.desk().numbers(APP).unwrap().next, next);
        prop_assert_eq!(&sessions, &(0..3).map(|number| house.sessions(&user(number))).collect::<Vec<_>>());
        let kept_of = |said: &[Said], cut: usize| -> Vec<Said> {
            let at = |minute: i64| Timestamp::from_micros(minute * MINUTE);
            let late = |said: &Said| is_late(at(said.minute), at(said.minute + said.delay), Span::from_minutes(LATENESS));
            said.iter().enumerate().filter(|(place, said)| *place < cut || !late(said)).map(|(_, said)| said.clone()).collect()
        };
        for (user, (closed, _)) in model(&said[..cut], 3, now, &rules) {
            prop_assert_eq!(told(&house.sessions(&user)), wanted(&closed), "{} before", user);
        }
        prop_assert_eq!(house.desk().lab(APP).unwrap(), lab_under(&said[..cut], 3, &rules));
        // It goes on from there.
        house.work(0);
        house.say_at(&said[middle..], None, |said| said.minute + said.delay);
        house.work(1_000);
        let kept = kept_of(&said, cut);
        let (mut closed_in_all, mut rows) = (0, Vec::new());
        let model = model(&kept, 3, 1_000, &rules);
        assert_parts_are(&house.desk(), model.values().flat_map(|(closed, _)| closed));
        for (user, (closed, open)) in model {
            let of_user = house.sessions(&user);
            prop_assert_eq!(told(&of_user), wanted(&closed), "{}", user);
            prop_assert!(of_user.iter().all(|row| u64::from(row.timeout) == after * 60));
            prop_assert!(!open);
            if let Some(view) = house.desk().user(APP, &user, Timestamp::from_micros(BEGIN + 1_000 * MINUTE)).unwrap() {
                prop_assert_eq!(view.totals.sessions(), of_user.len() as u64);
                let length: i64 = of_user.iter().map(|row| row.ended_at - row.started_at).sum();
                prop_assert_eq!(view.totals.length(), Span::from_micros(length));
            }
            closed_in_all += of_user.len() as i64;
            rows.extend(of_user);
        }
        let numbers = house.desk().numbers(APP).unwrap();
        let users = (0..3).filter(|number| said.iter().any(|said| said.user == *number)).count();
        prop_assert_eq!((numbers.events, numbers.open, numbers.users), (said.len() as u64, 0, users as i64));
        let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
        for series in [Series::Started, Series::Ended] {
            let sum: i64 = house.desk().series(APP, series, ever, 10_000).unwrap().iter().map(|(_, count)| count).sum();
            prop_assert_eq!(sum, closed_in_all);
        }
        prop_assert_eq!(quarters(&house.desk()), quarters_of(&rows, 0));
        prop_assert_eq!(active_users(&house.desk()), active_users_of(&heard(&kept), &Zone::default()));
        prop_assert_eq!(house.desk().lab(APP).unwrap(), lab_under(&kept, 3, &rules));
        let known: BTreeMap<_, _> = rows.into_iter().map(|row| (row.session_id.clone(), row)).collect();
        prop_assert_eq!(followed(&house), known);
    }
}

#[test]
fn a_log_that_lost_its_beginning_is_refused() {
    let house = House::under(rules_with(10), 300);
    house.say_at(&[action(0, 0, 0)], None, |said| said.minute);
    house.work(0);
    house.work(20);
    let first = house.log.drop_before(house.log.next()).unwrap();
    assert_eq!(first, house.log.next());
    let anew = Arc::new(MemoryBooks::default());
    let rules = Arc::new(rules_with(20));
    let mut restatement =
        Restatement::new(APP, house.log.clone(), anew, rules, Arc::default(), WorkerOptions::default());
    assert!(restatement.read(house.worker.borrow().offset()).is_err());
    assert_eq!(house.sessions("user0").len(), 1);
}

/// Has kept every record of a log, and hands on those of one app, or of all, in short steps: in some there is nothing.
struct Everything {
    records: Vec<Vec<u8>>,
    app: Option<&'static str>,
    step: u64,
}

impl Everything {
    fn of(log: &MemoryLog, app: Option<&'static str>, step: u64) -> Box<Self> {
        let records = log.read(Offset::ZERO, usize::MAX).unwrap();
        Box::new(Everything { records: records.iter().map(|(_, bytes)| bytes.to_vec()).collect(), app, step })
    }
}

impl Past for Everything {
    fn read(&mut self, from: Offset, before: Offset, _most: usize) -> Result<Kept, String> {
        let next = from.plus(self.step).min(before);
        let is_wanted = |bytes: &[u8]| self.app.is_none_or(|app| Record::read(bytes).unwrap().app == app);
        let offsets = (from.number()..next.number()).map(|at| (Offset::new(at), self.records[at as usize].clone()));
        Ok(Kept { records: offsets.filter(|(_, bytes)| is_wanted(bytes)).collect(), next, removed: 0 })
    }
}

proptest! {
    #[test]
    fn what_the_log_has_dropped_is_counted_from_where_it_was_kept(
        said in in_order_of_arrival(),
        (dropped, later) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        (before, after) in (1u64..30, 1u64..30),
        step in 1u64..5,
    ) {
        let house = House::under(rules_with(before), 300);
        for piece in said.chunks(3) {
            house.say_at(piece, None, |said| said.minute + said.delay);
            let other = bytes_of("other", &piece[0], None, piece[0].minute + piece[0].delay);
            house.log.append([&other, &other].iter().collect::<Batch>()).wait().unwrap();
            house.work(0);
        }
        house.work(1_000);
        let users: Vec<String> = (0..3).map(user).collect();
        let closed = |house: &House| -> Vec<_> {
            users.iter().map(|user| told(&house.sessions(user))).collect()
        };
        let was = closed(&house);
        let (of_all, of_app) =
            (Everything::of(&house.log, None, step), Everything::of(&house.log, Some(APP), step));
        let drop_before = |house: &House, index: &prop::sample::Index| {
            let next = house.log.next().number() as usize;
            house.log.drop_before(Offset::new(index.index(next) as u64 + 1)).unwrap();
        };
        drop_before(&house, &dropped);

        // Books that are made anew; meanwhile the log drops more.
        let anew = House { books: Arc::new(MemoryBooks::default()), ..house };
        let worker = worker_under(anew.log.clone(), anew.books.clone(), anew.rules.clone(), 300).with_past(of_all);
        anew.worker.replace(worker);
        anew.worker.borrow_mut().turn(Timestamp::MIN).unwrap();
        drop_before(&anew, &later);
        anew.work(1_000);
        prop_assert_eq!(&closed(&anew), &was);
        let numbers = anew.desk().numbers(APP).unwrap();
        prop_assert_eq!((numbers.events, numbers.open), (said.len() as u64, 0));

        // A history that is restated, with all that had been late.
        let rules = rules_with(after);
        let house = House { rules: rules.clone(), ..anew };
        house.restart();
        let empty = Arc::new(MemoryBooks::default());
        let options = WorkerOptions { turn_bytes: 300, ..WorkerOptions::default() };
        let mut restatement =
            Restatement::new(APP, house.log.clone(), empty, Arc::new(rules.clone()), Arc::default(), options)
                .with_past(of_app);
        let mut worker = house.worker.borrow_mut();
        while !restatement.read(worker.offset()).unwrap() {}
        let now = Timestamp::from_micros(BEGIN + 1_000 * MINUTE);
        restatement.ring(now).unwrap();
        let events = said.len() as u64;
        prop_assert_eq!(worker.events_of(&restatement).unwrap(), (events, events..=events));
        while !worker.take_over(&mut restatement, now, 5).unwrap() {}
        drop(worker);
        for (user, (closed, _)) in model(&said, 3, 1_000, &rules) {
            prop_assert_eq!(told(&house.sessions(&user)), wanted(&closed), "{}", user);
        }
    }
}

#[test]
fn other_apps_are_left_alone() {
    let house = House::under(rules_with(10), 300);
    house.say_at(&[action(0, 0, 0)], None, |said| said.minute);
    let mut batch = Batch::new();
    batch.push(&bytes_of("other", &action(0, 0, 1), None, 0));
    house.log.append(batch).wait().unwrap();
    house.work(0);
    assert!(restate(&house, &rules_with(10), 0, 2, usize::MAX));
    // Their bells ring as they would have.
    house.work(20);
    for app in [APP, "other"] {
        let rows = house.desk().sessions(app, "user0", None, 10).unwrap().0;
        assert_eq!(rows.len(), 1, "{app}");
    }
}
