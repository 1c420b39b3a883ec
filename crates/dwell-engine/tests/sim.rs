//! Events in any order, repeated, in turns of any size, with bells in between: the books say what one reading says.

#[expect(dead_code, reason = "others ask for more")]
#[path = "support/house.rs"]
mod house;

use std::collections::BTreeMap;
use std::sync::Arc;

use dwell_core::engagement::Parts;
use dwell_core::event::{EventKind, is_late};
use dwell_core::policy::{Policy, Version};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_engine::{AppRules, DayValues, Facet, News, Quarter, Record, RulesOf, Series, SessionRow};
use dwell_store::{Batch, Log};
use house::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn the_books_say_what_one_reading_says(
        said in said(0..40, 0..12),
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
        let model = model(&said, 3, now, &rules());
        assert_parts_are(&desk, model.values().flat_map(|(closed, _)| closed));
        for (user, (closed, open)) in model {
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
                // Whatever of the book lies on the shelf, phases come to the parts of their session.
                let (known_from, phases) = desk.phases(APP, &user, Timestamp::MIN).unwrap().unwrap();
                for row in rows.iter().filter(|row| known_from.is_none_or(|from| from.as_micros() <= row.started_at)) {
                    let mut parts = Parts::default();
                    for phase in phases.iter().filter(|phase| {
                        row.started_at <= phase.from.as_micros() && phase.until.as_micros() <= row.ended_at
                    }) {
                        parts.add(phase.parts());
                    }
                    let sums = [parts.foreground, parts.playing, parts.idle].map(Span::as_micros);
                    prop_assert_eq!(sums, [row.foreground_time, row.playing_time, row.idle_time], "{:?}", row);
                }
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
        prop_assert_eq!(active_users(&desk), active_users_of(&heard(&said), &Zone::default()));
        // The live lab is the lab of all events in order.
        prop_assert_eq!(desk.lab(APP).unwrap(), lab(&said, 3));
        // Who follows the feed knows the same sessions in the end.
        let mut known = BTreeMap::new();
        for (_, statement) in desk.feed(APP, 0, 10_000).unwrap() {
            match statement.news {
                News::Started(_) | News::UserErased | News::Erased => {}
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
        said in said(0..40, 0..12),
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
        assert_parts_are(&house.desk(), model.values().flat_map(|(closed, _)| closed));
    }

    #[test]
    fn what_is_settled_changes_nothing_of_who_took_a_device_from_whom(said in said(0..40, 0..12), pieces in 1usize..20) {
        // Five minutes late is late, and what is ten minutes old is settled long before a session of an hour ends.
        let rules = {
            let mut version = Version { timeout: Timeout::from_secs(3_600).ok(), ..Version::default() };
            version.rules.allowed_lateness = Span::from_minutes(5);
            Arc::new(AppRules::of(&Policy::always(version), Zone::default()))
        };
        let house = House::under(rules.clone(), 300);

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
        let model = model(&kept, 3, 1_000, &rules);
        assert_parts_are(&house.desk(), model.values().flat_map(|(closed, _)| closed));
        for (user, (closed, _)) in model {
            prop_assert_eq!(told(&house.sessions(&user)), wanted(&closed), "{}", user);
        }
    }
}

#[test]
fn a_session_counts_in_its_quarter_and_on_its_day_in_the_zone_of_the_app() {
    let east = Zone { offsets: vec![(Timestamp::MIN, 9 * 3_600)] };
    let rules = Arc::new(AppRules::of(&Policy::default(), east));
    let house = House::under(rules, 300);

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
fn who_invents_values_takes_a_bounded_place_and_all_of_it_is_taken_back() {
    let house = House::new();
    let said = |number: usize, minute: i64, version: &str| {
        let mut bytes = Vec::new();
        let (user, message_id) = (format!("user{number}"), format!("{number} {minute}"));
        Record {
            app: APP,
            user: &user,
            link_from: None,
            message_id: &message_id,
            message_id_is_derived: false,
            kind: EventKind::ALL.iter().position(|kind| *kind == EventKind::Action).unwrap() as u8,
            name: None,
            happened_at: BEGIN + minute * MINUTE,
            received_at: BEGIN + 60 * MINUTE,
            remaining: None,
            player: None,
            device: None,
            platform: None,
            campaign: None,
            country: None,
            app_version: Some(version),
        }
        .write(&mut bytes);
        let mut batch = Batch::new();
        batch.push(&bytes);
        house.log.append(batch).wait().unwrap();
    };
    (0..200).for_each(|number| said(number, 1, &format!("invented {number}")));
    house.work(60);
    let ever = (Timestamp::MIN.plus(Span::from_hours(1)), Timestamp::MAX);
    let days = || house.desk().days_by(APP, Facet::Version, ever, 10).unwrap();
    let told = |days: &[(Timestamp, DayValues)]| {
        assert_eq!(days.len(), 1);
        let of = |value: Option<String>| days[0].1.get(&value).map_or(0, |day| day.sum.ended);
        (days[0].1.len(), days[0].1.values().map(|day| day.sum.ended).sum::<i64>(), of(None))
    };
    assert_eq!(told(&days()), (65, 200, 136));
    // A minute before each something else proves to have been the first: all sessions are told anew, under one version.
    (0..200).for_each(|number| said(number, 0, "2"));
    house.work(60);
    assert_eq!(
        told(&days()),
        (65, 200, 200),
        "who finds no place is one of the others, and nobody is left where they were"
    );
    assert_eq!(days()[0].1[&None].lengths.sessions(), 200);
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
fn all_whose_deadline_has_passed_end_however_many_they_are() {
    // More than are looked at first, and more than that again; one who comes later stays.
    for people in [63, 64, 65, 400] {
        let house = House::new();
        let all: Vec<Said> = (0..people).map(|user| action(user, 0, user)).collect();
        house.say(&all, None);
        house.work(0);
        house.say(&[action(people, 30, people)], None);
        house.work(31);
        let ended = (0..=people).filter(|number| house.sessions(&user(*number)).len() == 1).count();
        assert_eq!(ended, people, "of {people}");
    }
}

#[test]
fn a_statement_says_when_it_was_made_and_not_when_it_was_so() {
    let house = House::new();
    // It came in three minutes after it happened, and was read later still.
    house.say_at(&[action(0, 0, 0)], None, |_| 3);
    house.work(8);
    // The bell was late by two minutes.
    house.work(12);
    let told = |from: u64| -> Vec<(i64, &str)> {
        let minute = |at: Timestamp| (at.as_micros() - BEGIN) / MINUTE;
        let told = house.desk().feed(APP, from, 10).unwrap();
        told.iter().map(|(_, told)| (minute(told.at), told.news.word())).collect()
    };
    let (began, ended) = ("session.started", "session.ended");
    assert_eq!(told(0), [(3, began), (12, ended)]);
    // While events are read, the bell goes by the last of them.
    house.say_at(&[action(0, 14, 1)], None, |_| 14);
    house.work(14);
    house.say_at(&[action(1, 999, 2)], None, |_| 999);
    house.work(2_000);
    let mut told = told(2);
    // Of two people in one turn, either may come first.
    told.sort_unstable();
    assert_eq!(told, [(14, began), (999, ended), (999, began), (2_000, ended)]);
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
    let house = House::under(rules, 300);

    // All are on ios. Each is silent for as long as their timeout less a minute, then for as long as it is.
    house.say(&[action(0, 0, 0), action(1, 0, 3), action(0, 19, 6), action(1, 39, 9)], None);
    house.work(38);
    house.say(&[action(0, 39, 12), action(1, 79, 15)], None);
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
