//! Whose an id is depends on what was said of it, and not on what was heard first: links of one id to several people, round in
//! circles, late, twice, among the events, in any order.

#[expect(dead_code, reason = "others ask for more")]
#[path = "support/house.rs"]
mod house;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dwell_core::event::{EventKind, is_late};
use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_engine::{AppRules, Series, SessionRow};
use house::*;
use proptest::prelude::*;

/// How many ids there are.
const IDS: usize = 5;

/// Received so late that every event of the simulation is in time, and what happened [`LONG_AGO`] is not.
const RECEIVED: i64 = 1_000;
const LONG_AGO: i64 = -10_000;

/// `from` is the same person as the one whose event it is.
#[derive(Clone, Debug)]
struct Linked {
    from: usize,
    said: Said,
}

/// An event that says that one id is another, and nothing else.
fn link(from: usize, to: usize, minute: i64, number: usize) -> Linked {
    let said = Said { kind: EventKind::Silent, device: 0, ..action(to, minute, 10_000 + number) };
    Linked { from, said }
}

/// What a client says once.
#[derive(Clone, Debug)]
enum Sent {
    Event(Said),
    Link(Linked),
}

impl Sent {
    fn said(&self) -> &Said {
        match self {
            Sent::Event(said) | Sent::Link(Linked { said, .. }) => said,
        }
    }
}

fn say(house: &House, sent: &[Sent], received_at: impl Fn(&Said) -> i64) {
    for sent in sent {
        let from = match sent {
            Sent::Event(_) => None,
            Sent::Link(link) => Some(user(link.from)),
        };
        house.say_at(std::slice::from_ref(sent.said()), from.as_deref(), &received_at);
    }
}

/// Who each id is: the definition, word by word.
fn people(links: &[Linked], is_late: impl Fn(&Linked) -> bool) -> Vec<usize> {
    let key = |link: &&Linked| (is_late(link), link.said.minute, format!("m{}", link.said.number), user(link.said.id));
    let of = |id: usize| links.iter().filter(|link| link.from == id && link.said.id != id).min_by_key(key);
    (0..IDS)
        .map(|id| {
            let mut way = Vec::new();
            let mut at = id;
            while let Some(link) = of(at) {
                if let Some(place) = way.iter().position(|other| *other == at) {
                    // It leads round: the greatest of the circle does not hold.
                    let greatest = way[place..].iter().max_by_key(|id| of(**id).as_ref().map(key));
                    return *greatest.unwrap();
                }
                way.push(at);
                at = link.said.id;
            }
            at
        })
        .collect()
}

fn late(link: &Linked) -> bool {
    link.said.minute == LONG_AGO
}

fn events() -> impl Strategy<Value = Vec<Said>> {
    let one = (0usize..IDS, 0usize..KINDS.len(), 0i64..120, 0usize..4, 0usize..12);
    prop::collection::vec(one, 0..30).prop_map(move |drawn| {
        let mut all: Vec<Said> = Vec::new();
        for (number, (id, kind, minute, device, copied)) in drawn.into_iter().enumerate() {
            let device = [1, 1, 2, 0][device];
            // Some say what was said before, under another id.
            let said = match all.get(copied).filter(|said| said.id != id) {
                Some(said) => Said { id, user: id, ..said.clone() },
                None => Said { id, user: id, kind: KINDS[kind], minute, device, delay: 0, number },
            };
            if all.iter().all(|other| (other.id, other.number) != (said.id, said.number)) {
                all.push(said);
            }
        }
        all
    })
}

fn links() -> impl Strategy<Value = Vec<Linked>> {
    let one = (0usize..IDS, 0usize..IDS, 0i64..5, 0usize..4);
    prop::collection::vec(one, 0..9).prop_map(|drawn| {
        let minute = |minute| if minute == 4 { LONG_AGO } else { minute };
        drawn.into_iter().map(|(from, to, at, number)| link(from, to, minute(at), number)).collect()
    })
}

fn ever() -> (Timestamp, Timestamp) {
    (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX)
}

fn sum(house: &House, series: Series) -> i64 {
    house.desk().series(APP, series, ever(), 10_000).unwrap().iter().map(|(_, count)| count).sum()
}

/// What is known of a person is what their sessions say; returns these.
fn rows_of(house: &House, user: &str, now: i64) -> Vec<SessionRow> {
    let rows = house.sessions(user);
    let view = house.desk().user(APP, user, Timestamp::from_micros(BEGIN + now * MINUTE)).unwrap();
    let Some(view) = view else {
        assert_eq!(rows, []);
        return rows;
    };
    assert_eq!(view.user, user);
    let length: i64 = rows.iter().map(|row| row.ended_at - row.started_at).sum();
    assert_eq!((view.totals.sessions(), view.totals.length()), (rows.len() as u64, Span::from_micros(length)));
    assert_eq!(view.totals.activities(), rows.iter().map(|row| row.activities).sum::<u64>());
    let at = |micros: Option<i64>| micros.map(Timestamp::from_micros);
    assert_eq!(view.totals.first_started_at(), at(rows.iter().map(|row| row.started_at).min()));
    assert_eq!(view.totals.latest_started_at(), at(rows.iter().map(|row| row.started_at).max()));
    assert_eq!(view.totals.latest_ended_at(), at(rows.iter().map(|row| row.ended_at).max()));
    rows
}

/// Everything that can be asked is what one reading says that knew from the beginning who is who.
fn assert_as_one_reading(house: &House, said: &[Said], links: &[Linked], sent: &[Sent], now: i64) {
    let people = people(links, late);
    let as_people: Vec<Said> = said.iter().map(|said| Said { user: people[said.id], ..said.clone() }).collect();
    let model = model(&as_people, IDS, now, &rules());
    let (mut all, mut open_in_all) = (Vec::new(), 0);
    for (number, person) in people.iter().enumerate() {
        let (closed, open) = &model[&user(*person)];
        assert_eq!(told(&house.sessions(&user(number))), wanted(closed), "user{number}, who is user{person}");
        if *person == number {
            all.extend(rows_of(house, &user(number), now));
            open_in_all += i64::from(*open);
        }
    }
    let (desk, numbers) = (house.desk(), house.desk().numbers(APP).unwrap());
    let named = said.iter().chain(links.iter().map(|link| &link.said)).map(|said| people[said.id]);
    let users: BTreeSet<String> = named.map(user).collect();
    assert_eq!(desk.users(APP, None, 100).unwrap().0, users.iter().cloned().collect::<Vec<_>>());
    assert_eq!((numbers.users, numbers.open), (users.len() as i64, open_in_all));
    let fates = numbers.joined + numbers.amended + numbers.silent + numbers.orphan + numbers.duplicate + numbers.late;
    assert_eq!((numbers.events, fates), (sent.len() as u64, sent.len() as u64));
    // What is known by name under an id is so wherever the id leads.
    let in_time = || sent.iter().map(Sent::said).filter(|said| said.minute != LONG_AGO);
    let names: BTreeSet<(usize, usize)> = in_time().map(|said| (said.id, said.number)).collect();
    assert_eq!(numbers.duplicate, (in_time().count() - names.len()) as u64);
    assert_eq!(sum(house, Series::Started), all.len() as i64 + open_in_all);
    assert_eq!(sum(house, Series::Ended), all.len() as i64);
    assert_eq!(active_users(&desk), active_users_of(&heard(&as_people), &Zone::default()));
    assert_eq!(quarters(&desk), quarters_of(&all, open_in_all));
    assert_parts_are(&desk, model.values().flat_map(|(closed, _)| closed));
    let days = desk.lengths(APP, ever(), 10_000).unwrap();
    let in_days: Vec<i64> = days.iter().map(|(_, counts)| counts.sessions()).filter(|count| *count != 0).collect();
    assert_eq!(in_days, ended_by_day(&all));
    assert_eq!(desk.lab(APP).unwrap(), lab(&as_people, IDS));
    let all: BTreeMap<_, _> = all.into_iter().map(|row| (row.session_id.clone(), row)).collect();
    assert_eq!(followed(house), all);
}

proptest! {
    #[test]
    fn whose_an_id_is_does_not_depend_on_what_is_heard_first(
        said in events(),
        links in links(),
        shuffled in prop::collection::vec(any::<u32>(), 40),
        repeats in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        pieces in 1usize..12,
        bells in prop::collection::vec(0i64..140, 0..6),
        turn_bytes in prop::sample::select(vec![1usize, 300, 1_000, 100_000]),
        now in 140i64..200,
    ) {
        let mut sent: Vec<Sent> =
            said.iter().cloned().map(Sent::Event).chain(links.iter().cloned().map(Sent::Link)).collect();
        let mut places = shuffled.into_iter();
        sent.sort_by_cached_key(|_| places.next());
        if !sent.is_empty() {
            for repeat in repeats {
                sent.push(sent[repeat.index(sent.len())].clone());
            }
        }
        let house = House::under(rules(), turn_bytes);
        let mut bells = bells.into_iter();
        for piece in sent.chunks(sent.len().div_ceil(pieces).max(1)) {
            say(&house, piece, |_| RECEIVED);
            let bell = bells.next().unwrap_or(0);
            house.work(bell);
            if bell % 3 == 1 {
                house.restart();
            }
        }
        house.work(now);
        assert_as_one_reading(&house, &said, &links, &sent, now);
    }

    #[test]
    fn nothing_is_lost_or_counted_twice_when_people_are_parted_of_whom_much_is_settled(
        drawn in prop::collection::vec((0usize..IDS, 0i64..200, 0i64..7, 0usize..3), 0..40),
        links in prop::collection::vec((0usize..IDS, 0usize..IDS, 0i64..200, 0i64..7, 0usize..4), 0..12),
        repeats in prop::collection::vec((any::<prop::sample::Index>(), 0i64..4), 0..10),
        pieces in 1usize..12,
        turn_bytes in prop::sample::select(vec![1usize, 300, 1_000, 100_000]),
    ) {
        // Five minutes late is late, and soon after that nothing can be changed any more.
        let rules = {
            let mut version = Version { timeout: Timeout::from_secs(600).ok(), ..Version::default() };
            version.rules.allowed_lateness = Span::from_minutes(5);
            Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
        };
        let said: Vec<Said> = drawn
            .into_iter()
            .enumerate()
            .map(|(number, (id, minute, delay, device))| Said { delay, device, ..action(id, minute, number) })
            .collect();
        let links = links.into_iter().map(|(from, to, minute, delay, number)| {
            let link = link(from, to, minute, number);
            Linked { said: Said { delay, ..link.said }, ..link }
        });
        let mut sent: Vec<Sent> = said.iter().cloned().map(Sent::Event).chain(links.map(Sent::Link)).collect();
        for (repeat, later) in repeats {
            if let Some(Sent::Event(said)) = (!sent.is_empty()).then(|| sent[repeat.index(sent.len())].clone()) {
                sent.push(Sent::Event(Said { delay: said.delay + later, ..said }));
            }
        }
        let received_at = |said: &Said| said.minute + said.delay;
        sent.sort_by_key(|sent| received_at(sent.said()));
        let house = House::under(rules, turn_bytes);
        for piece in sent.chunks(sent.len().div_ceil(pieces).max(1)) {
            say(&house, piece, received_at);
            house.work(0);
        }
        house.work(2_000);
        let at = |minute: i64| Timestamp::from_micros(minute * MINUTE);
        let in_time = |said: &&Said| !is_late(at(said.minute), at(received_at(said)), Span::from_minutes(5));
        let (desk, numbers) = (house.desk(), house.desk().numbers(APP).unwrap());
        let (users, _) = desk.users(APP, None, 100).unwrap();
        let rows: Vec<SessionRow> = users.iter().flat_map(|user| rows_of(&house, user, 2_000)).collect();
        // All are actions: each that was in time is in one session.
        let kept = said.iter().filter(in_time).count() as u64;
        prop_assert_eq!(rows.iter().map(|row| row.activities).sum::<u64>(), kept);
        prop_assert_eq!((numbers.users, numbers.open), (users.len() as i64, 0));
        prop_assert_eq!(sum(&house, Series::Started), rows.len() as i64);
        prop_assert_eq!(sum(&house, Series::Ended), rows.len() as i64);
        prop_assert_eq!(quarters(&desk), quarters_of(&rows, 0));
        parts(&desk);
        let curve = desk.lab(APP).unwrap().curve();
        let at_ten_minutes = curve.iter().find(|point| point.timeout.as_secs() == 600).unwrap();
        prop_assert_eq!(at_ten_minutes.sessions, rows.len() as u64);
        // Somebody is counted wherever anything happened, and nobody for nothing.
        let kept: Vec<Said> = said.iter().filter(in_time).enumerate().map(|(user, said)| Said { user, ..said.clone() }).collect();
        let (active, most) = (active_users(&desk), active_users_of(&heard(&kept), &Zone::default()));
        prop_assert_eq!(active.keys().collect::<Vec<_>>(), most.keys().collect::<Vec<_>>());
        prop_assert!(active.iter().all(|(place, count)| (1..=most[place]).contains(count)), "{:?} {:?}", active, most);
        let rows: BTreeMap<_, _> = rows.into_iter().map(|row| (row.session_id.clone(), row)).collect();
        prop_assert_eq!(followed(&house), rows);
    }
}

fn says(house: &House, said: Said, received_at: i64) {
    say(house, &[Sent::Event(said)], |_| received_at);
    house.work(received_at);
}

fn links_at(house: &House, link: Linked, received_at: i64) {
    say(house, &[Sent::Link(link)], |_| received_at);
    house.work(received_at);
}

/// When each of somebody's sessions began, in minutes.
fn starts(house: &House, user: &str) -> Vec<i64> {
    house.sessions(user).iter().map(|row| (row.started_at - BEGIN) / MINUTE).collect()
}

#[test]
fn what_was_settled_under_an_id_goes_along() {
    let house = House::new();
    // User 0 is there on three days, weeks apart, before they say who they are.
    let (second, third) = (20_000, 40_000);
    for (number, minute) in [0, second, third].into_iter().enumerate() {
        says(&house, action(0, minute, number), minute);
    }
    links_at(&house, link(0, 1, third + 5, 5), third + 5);
    house.work(third + 60);
    assert_eq!(starts(&house, "user1"), [0, second, third]);
    assert_eq!(rows_of(&house, "user1", third + 60).len(), 3);
    // A page at a time, they are the same, in the same order.
    let (mut after, mut paged) = (None, Vec::new());
    loop {
        let (rows, next) = house.desk().sessions(APP, "user0", after.as_deref(), 1).unwrap();
        paged.extend(rows);
        let Some(next) = next else { break };
        after = Some(next);
    }
    assert_eq!(paged, house.sessions("user1"));
    // They had said before that they are another.
    links_at(&house, link(0, 2, third + 1, 1), third + 61);
    assert_eq!((starts(&house, "user1"), starts(&house, "user2")), (vec![], vec![0, second, third]));
    // A week later user 2 turns out to be user 3, and all of it is settled.
    says(&house, action(2, third + 100, 10), third + 100);
    says(&house, action(2, third + 10_000, 11), third + 10_000);
    links_at(&house, link(2, 3, third + 10_001, 0), third + 10_001);
    house.work(third + 10_100);
    assert_eq!(starts(&house, "user3"), [0, second, third, third + 100, third + 10_000]);
    rows_of(&house, "user3", third + 10_100);
    links_at(&house, link(0, 4, third, 0), third + 10_200);
    assert_eq!(house.sessions("user4"), [], "that link came late, and another was there");
}

#[test]
fn what_was_settled_with_somebody_stays_with_them() {
    let house = House::new();
    says(&house, action(0, 0, 0), 0);
    says(&house, action(0, 15, 1), 15);
    links_at(&house, link(0, 1, 20, 1), 20);
    // 72 hours and a few minutes later, the first of both can change no more, and the second can.
    let later = 72 * 60 + 10;
    says(&house, action(1, later, 2), later);
    links_at(&house, link(0, 2, 19, 2), later + 1);
    house.work(later + 100);
    assert_eq!((starts(&house, "user1"), starts(&house, "user2")), (vec![0, later], vec![15]));
    assert_eq!(rows_of(&house, "user1", later + 100).len() + rows_of(&house, "user2", later + 100).len(), 3);
    // In the hour and on the day of the first two, both were there.
    let there = heard(&[action(1, 0, 0), action(2, 15, 1), action(1, later, 2)]);
    assert_eq!(active_users(&house.desk()), active_users_of(&there, &Zone::default()));
}

#[test]
fn who_seemed_to_be_alone_on_a_device_is_found_when_what_was_settled_there_is_another_ones() {
    let house = House::new();
    let on_it = |id, minute: i64, number| Said { device: 1, ..action(id, minute, number) };
    says(&house, on_it(0, 0, 0), 0);
    // Days later user 0 is user 1, who takes the device that only they are known to have.
    let later = 6_000;
    links_at(&house, link(0, 1, later, 0), later);
    says(&house, on_it(1, later + 1, 1), later + 1);
    links_at(&house, link(0, 2, later - 1, 1), later + 2);
    says(&house, on_it(3, later + 3, 2), later + 3);
    house.work(later + 100);
    let reasons: Vec<String> = house.sessions("user1").into_iter().map(|row| row.end_reason).collect();
    assert_eq!(reasons, ["user_changed"]);
}

#[test]
fn a_link_that_came_late_is_taken_where_no_other_is() {
    let house = House::new();
    says(&house, action(0, 0, 0), RECEIVED);
    links_at(&house, link(0, 1, LONG_AGO, 0), RECEIVED);
    assert_eq!(starts(&house, "user1"), [0]);
    links_at(&house, link(0, 2, 10, 1), RECEIVED);
    assert_eq!((starts(&house, "user1"), starts(&house, "user2")), (vec![], vec![0]));
    links_at(&house, link(0, 3, LONG_AGO - 1, 2), RECEIVED);
    assert_eq!(starts(&house, "user2"), [0]);
}

#[test]
fn what_had_become_an_id_goes_along_with_it() {
    let house = House::new();
    says(&house, action(0, 0, 0), RECEIVED);
    says(&house, action(1, 50, 1), RECEIVED);
    links_at(&house, link(0, 1, 60, 0), RECEIVED);
    links_at(&house, link(1, 2, 70, 1), RECEIVED);
    assert_eq!(starts(&house, "user2"), [0, 50]);
    links_at(&house, link(1, 3, 65, 2), RECEIVED);
    assert_eq!((starts(&house, "user2"), starts(&house, "user3")), (vec![], vec![0, 50]));
}

#[test]
fn the_greatest_link_of_a_circle_does_not_hold_until_the_circle_is_open() {
    let house = House::new();
    for id in 0..4 {
        says(&house, action(id, 20 * id as i64, id), RECEIVED);
    }
    links_at(&house, link(0, 1, 60, 0), RECEIVED);
    links_at(&house, link(2, 0, 50, 2), RECEIVED);
    links_at(&house, link(1, 2, 40, 1), RECEIVED);
    // 1 is 2, who is 0; that 0 is 1 was said last.
    assert_eq!(house.desk().user(APP, "user1", Timestamp::MAX).unwrap().unwrap().user, "user0");
    assert_eq!(starts(&house, "user2"), [0, 20, 40]);
    // 2 was 3 before: now 0 is 1, who is 2.
    links_at(&house, link(2, 3, 45, 3), RECEIVED);
    assert_eq!(starts(&house, "user0"), [0, 20, 40, 60]);
    assert_eq!(house.desk().user(APP, "user0", Timestamp::MAX).unwrap().unwrap().user, "user3");
}
