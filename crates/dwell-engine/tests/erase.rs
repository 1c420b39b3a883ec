//! A person who is erased: the books are as if none of their events had ever come in, but for what is counted of the app.

#[expect(dead_code, reason = "every test uses another part of it")]
#[path = "support/house.rs"]
mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dwell_core::time::Timestamp;
use dwell_engine::{Erased, Erasing, FeedErasure, Fill, News, Record, Restatement, SessionRow, WorkerOptions};
use dwell_store::{Batch, Log, MemoryBooks, Offset};
use house::*;
use proptest::prelude::*;

/// How many ids there are. Those from 3 on are linked to others now and then.
const IDS: usize = 5;

/// What is said under an id, and of which other id it says that it is the same person.
type Linking = (Said, Option<usize>);

fn linking(many: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Linking>> {
    let link = prop::option::weighted(0.15, 1usize..IDS);
    let one = (0..IDS, 0..KINDS.len(), 0i64..120, 0usize..4, 0i64..20, link);
    prop::collection::vec(one, many).prop_map(|all| {
        let said = all.into_iter().enumerate().map(|(number, (id, kind, minute, device, delay, link))| {
            let device = [1, 1, 2, 0][device];
            (Said { id, user: id, kind: KINDS[kind], minute, device, delay, number }, link)
        });
        let mut said: Vec<Linking> = said.collect();
        said.sort_by_key(|(said, _)| said.minute + said.delay);
        said
    })
}

fn say(house: &House, said: &[Linking], but: &Erased) {
    let mut batch = Batch::new();
    for (place, (said, link)) in said.iter().enumerate() {
        let link = link.map(user);
        let bytes = bytes_of(APP, said, link.as_deref(), said.minute + said.delay);
        let record = but.leaves(Record::read(&bytes).unwrap(), Offset::new(place as u64));
        let mut bytes = Vec::new();
        if let Some(record) = record {
            record.write(&mut bytes);
            batch.push(&bytes);
        }
    }
    if !batch.is_empty() {
        house.log.append(batch).wait().unwrap();
    }
}

/// Takes turns up to an offset, and begins anew after some of them, at first: what was not committed is lost then.
fn work_to(house: &House, end: Offset, restart_every: usize) {
    for turn in 1.. {
        if house.worker.borrow().offset() == end {
            break;
        }
        house.worker.borrow_mut().turn_before(Some(end), Timestamp::from_micros(BEGIN + 1_000 * MINUTE)).unwrap();
        assert!(house.worker.borrow().offset() <= end, "nothing after it is read");
        if turn % restart_every == 0 && turn < 12 {
            house.restart();
        }
    }
}

fn erase(house: &House, number: u64, id: &str) -> BTreeSet<String> {
    let ids = house.worker.borrow_mut().ids_of(APP, id).unwrap();
    house.worker.borrow_mut().erase(number, APP, &ids, Timestamp::from_micros(BEGIN)).unwrap();
    ids
}

fn sweep(house: &House, erasures: &[(u64, &BTreeSet<String>)], most: usize) {
    let mut sweep = FeedErasure::default();
    while !house.worker.borrow_mut().sweep_erased(APP, erasures, &mut sweep, most).unwrap() {}
}

/// All that is to be the same: of each id the sessions, the sums, the session that is open, and who they are.
#[derive(PartialEq, Debug)]
struct Known {
    sessions: BTreeMap<usize, Vec<SessionRow>>,
    others: BTreeMap<usize, String>,
    users: Vec<String>,
    counts: (i64, i64),
}

fn known(house: &House, now: i64) -> Known {
    let (desk, now) = (house.desk(), Timestamp::from_micros(BEGIN + now * MINUTE));
    // How often they were amended is a matter of the way there, and so is in which order platforms were heard of.
    let plain = |mut row: SessionRow| {
        row.platforms.sort();
        row.devices.sort();
        SessionRow { amended: 0, ..row }
    };
    let sessions = (0..IDS).map(|id| (id, house.sessions(&user(id)).into_iter().map(plain).collect())).collect();
    let one = |id: usize| {
        let view = desk.user(APP, &user(id), now).unwrap();
        // From when on phases are known depends on the turns.
        format!("{view:?} {:?}", desk.phases(APP, &user(id), now).unwrap().map(|(_, phases)| phases))
    };
    let numbers = desk.numbers(APP).unwrap();
    Known {
        sessions,
        others: (0..IDS).map(|id| (id, one(id))).collect(),
        users: desk.users(APP, None, 100).unwrap().0,
        counts: (numbers.users, numbers.open),
    }
}

/// Where the books say an id, in a key or a value.
fn said_in_books(house: &House, id: &str) -> Vec<String> {
    let holds = |bytes: &[u8]| bytes.windows(id.len()).any(|window| window == id.as_bytes());
    let all = house.books.scan(&[], None, 1_000_000).unwrap();
    let said = all.into_iter().filter(|(key, value)| holds(key) || holds(value));
    said.map(|(key, value)| format!("{} = {}", key.escape_ascii(), value.escape_ascii())).collect()
}

/// What whoever follows the feed knows in the end, if they forget those who were erased.
fn followed_and_forgotten(house: &House) -> BTreeMap<String, SessionRow> {
    let mut known: BTreeMap<String, (String, SessionRow)> = BTreeMap::new();
    for (_, statement) in house.desk().feed(APP, 0, 100_000).unwrap() {
        match statement.news {
            News::Started(_) => assert!(!statement.user.is_empty()),
            News::Ended(row) | News::Amended(row) => {
                known.insert(row.session_id.clone(), (statement.user, row));
            }
            News::Retracted(id) => assert!(known.remove(&id).is_some(), "only what was stated is retracted"),
            News::UserErased => known.retain(|_, (user, _)| *user != statement.user),
            News::Erased => assert_eq!(statement.user, ""),
        }
    }
    known.into_iter().map(|(id, (_, row))| (id, row)).collect()
}

fn in_the_books(house: &House) -> BTreeMap<String, SessionRow> {
    let mut all = BTreeMap::new();
    for id in house.desk().users(APP, None, 100).unwrap().0 {
        all.extend(house.sessions(&id).into_iter().map(|row| (row.session_id.clone(), row)));
    }
    all
}

proptest! {
    #[test]
    fn who_is_erased_was_never_there(
        said in linking(1..50),
        cut in any::<prop::sample::Index>(),
        erased in 0..IDS,
        restart_every in 1usize..6,
        most in 1usize..9,
    ) {
        let (before, after) = said.split_at(cut.index(said.len() + 1).min(said.len()));
        let house = House::new();
        say(&house, before, &Erased::default());
        let end = house.log.next();
        // What comes in meanwhile waits in the log.
        say(&house, after, &Erased::default());
        work_to(&house, end, restart_every);
        let ids = erase(&house, 1, &user(erased));
        prop_assert!(ids.contains(&user(erased)));
        prop_assert_eq!(house.worker.borrow().erasing(1, APP).unwrap(), Erasing::Books);
        // Asked for once more after a crash, it is done already.
        let next = house.desk().numbers(APP).unwrap().next;
        house.restart();
        house.worker.borrow_mut().erase(1, APP, &ids, Timestamp::from_micros(BEGIN)).unwrap();
        prop_assert_eq!(house.desk().numbers(APP).unwrap().next, next);
        sweep(&house, &[(1, &ids)], most);
        prop_assert_eq!(house.worker.borrow().erasing(1, APP).unwrap(), Erasing::Feed);
        for id in &ids {
            let told = said_in_books(&house, id);
            prop_assert_eq!(told.len(), 1, "only that they were erased: {:?}", told);
        }

        let mut gone = Erased::default();
        ids.iter().for_each(|id| gone.add(APP, id, end));
        let never = House::new();
        say(&never, before, &gone);
        work_to(&never, never.log.next(), usize::MAX);
        let now = before.last().map_or(0, |(said, _)| said.minute + said.delay);
        house.worker.borrow_mut().turn_before(Some(end.plus(1)), at(now)).unwrap();
        for (house, rest) in [(&never, Some(after)), (&house, None)] {
            rest.into_iter().for_each(|rest| say(house, rest, &Erased::default()));
            house.work(2_000);
        }
        prop_assert_eq!(known(&house, 2_000), known(&never, 2_000));
        prop_assert_eq!(followed_and_forgotten(&house), in_the_books(&house));
        let counted = house.desk().numbers(APP).unwrap();
        prop_assert_eq!(counted.events, said.len() as u64, "each was read once");
    }

    #[test]
    fn nothing_tells_of_an_erasure_that_is_over(said in linking(1..40), erased in 0..IDS) {
        let house = House::new();
        say(&house, &said, &Erased::default());
        house.work(2_000);
        let feed = house.desk().numbers(APP).unwrap().next;
        let ids = erase(&house, 7, &user(erased));
        sweep(&house, &[(7, &ids)], 3);
        house.worker.borrow_mut().forget_erasure(7, APP).unwrap();
        for id in &ids {
            prop_assert_eq!(said_in_books(&house, id), Vec::<String>::new());
        }
        // The feed has no holes.
        let next = house.desk().numbers(APP).unwrap().next;
        prop_assert!(feed + ids.len() as u64 <= next);
        prop_assert_eq!(house.desk().feed(APP, 0, 100_000).unwrap().len() as u64, next);
        prop_assert_eq!(followed_and_forgotten(&house), in_the_books(&house));
    }

    #[test]
    fn a_history_that_is_restated_knows_nobody_who_was_erased(said in linking(1..40), erased in 0..IDS) {
        let house = House::new();
        say(&house, &said, &Erased::default());
        house.work(2_000);
        let end = house.worker.borrow().offset();
        let ids = erase(&house, 1, &user(erased));
        sweep(&house, &[(1, &ids)], 1_000);
        // A session that somebody took the device from may be open again, and time out.
        house.work(1_000);
        let mut gone = Erased::default();
        ids.iter().for_each(|id| gone.add(APP, id, end));
        let before = known(&house, 1_000);
        let fill = Fill { most: 3, keep: 1, part: 2 };
        let options = WorkerOptions { turn_bytes: 300, fill, users_a_thread: 1, ..WorkerOptions::default() };
        let (anew, rules) = (Arc::new(MemoryBooks::default()), Arc::new(house.rules.clone()));
        let mut restatement = Restatement::new(APP, house.log.clone(), anew, rules, Arc::new(gone), options);
        while !restatement.read(end).unwrap() {}
        restatement.ring(at(1_000)).unwrap();
        let (was, is) = house.worker.borrow().events_of(&restatement).unwrap();
        prop_assert_eq!(was..=was, is, "all are accounted for");
        while !house.worker.borrow_mut().take_over(&mut restatement, Timestamp::from_micros(BEGIN), 5).unwrap() {}
        prop_assert_eq!(known(&house, 1_000), before);
        for id in &ids {
            prop_assert_eq!(said_in_books(&house, id).len(), 1, "only that they were erased");
        }
    }
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_micros(BEGIN + minute * MINUTE)
}

#[test]
fn who_comes_back_is_a_new_person_and_is_not_swept_away() {
    let house = House::new();
    let came = |minute, number| (action(0, minute, number), None);
    say(&house, &[came(0, 1), came(5, 2)], &Erased::default());
    house.work(100);
    let ids = erase(&house, 1, &user(0));
    assert_eq!(house.desk().user(APP, &user(0), at(100)).unwrap().map(|view| view.user), None);
    say(&house, &[came(200, 3)], &Erased::default());
    house.work(400);
    sweep(&house, &[(1, &ids)], 2);
    assert_eq!(house.sessions(&user(0)).iter().map(|row| row.ordinal).collect::<Vec<_>>(), [1]);
    let told = house.desk().feed(APP, 0, 100).unwrap().into_iter();
    let told: Vec<_> = told.map(|(_, told)| (told.user, told.news.word())).collect();
    let told: Vec<_> = told.iter().map(|(user, word)| (user.as_str(), *word)).collect();
    let wanted = [
        ("", "session.erased"),
        ("", "session.erased"),
        ("user0", "user.erased"),
        ("user0", "session.started"),
        ("user0", "session.ended"),
    ];
    assert_eq!(told, wanted);
    // The sums know of both.
    let started = quarters(&house.desk()).started;
    assert_eq!((started, house.desk().numbers(APP).unwrap().users), (2, 1));
}

#[test]
fn who_lost_a_device_to_somebody_who_was_erased_has_not_lost_it() {
    let on = |user, minute, number| (Said { device: 1, ..action(user, minute, number) }, None);
    let house = House::new();
    say(&house, &[on(1, 0, 1), on(0, 2, 2), on(1, 4, 3)], &Erased::default());
    house.work(100);
    let reasons = || house.sessions(&user(1)).into_iter().map(|row| row.end_reason).collect::<Vec<_>>();
    assert_eq!(reasons(), ["user_changed", "timed_out"]);
    erase(&house, 1, &user(0));
    assert_eq!(reasons(), ["timed_out"]);
    assert_eq!(followed_and_forgotten(&house), in_the_books(&house));
}

#[test]
fn a_link_of_another_person_says_nothing_of_an_id_that_was_erased() {
    let record = |said: &Said, link: Option<&str>| bytes_of(APP, said, link, said.minute);
    let (said, mut gone) = (action(1, 5, 1), Erased::default());
    gone.add(APP, "phone", Offset::new(10));
    let bytes = record(&said, Some("phone"));
    let left = |offset| gone.leaves(Record::read(&bytes).unwrap(), Offset::new(offset)).map(|left| left.link_from);
    assert_eq!((left(9), left(10)), (Some(None), Some(Some("phone"))));
    let theirs = record(&Said { id: 2, ..action(2, 5, 1) }, None);
    gone.add(APP, &user(2), Offset::new(10));
    gone.add(APP, &user(2), Offset::new(4));
    let is_left = |offset| gone.leaves(Record::read(&theirs).unwrap(), Offset::new(offset)).is_some();
    assert_eq!((is_left(9), is_left(10)), (false, true), "of two the later one holds");
    assert!(!gone.holds("another", &user(2), Offset::new(4)));
}
