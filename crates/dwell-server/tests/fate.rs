//! What is told to who sends an event twice, and that nobody is told of a duplicate which the engine would have counted.

#[expect(dead_code, reason = "others ask for more")]
mod street;

use std::sync::atomic::AtomicBool;

use axum::http::StatusCode;
use dwell_server::lately::Lately;
use dwell_store::{Faults, Log, Offset};
use proptest::prelude::*;
use serde_json::{Value, json};
use street::{BEGAN, HOUR, Street, fates, track};

const OK: StatusCode = StatusCode::OK;

#[tokio::test]
async fn who_sends_an_event_in_two_bodies_is_told_that_the_second_is_a_duplicate() {
    let mut street = Street::build();
    assert_eq!(street.say(0, &[track("ada", "1"), track("ada", "2")]).await, (2, vec![]));
    assert_eq!(street.say(0, &[track("ada", "3"), track("ada", "2"), track("ada", "1")]).await, (1, vec![1, 2]));
    // It is not kept again: the engine has nothing to count twice.
    street.turn();
    assert_eq!(street.log().next(), Offset::new(3));
    assert_eq!((street.numbers(0).events, street.numbers(0).duplicate), (3, 0));
}

#[tokio::test]
async fn another_user_another_app_and_a_derived_name_are_other_events() {
    let mut street = Street::build();
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (1, vec![]));
    assert_eq!(street.say(0, &[track("bo", "1")]).await, (1, vec![]), "ids are compared within a user");
    assert_eq!(street.say(1, &[track("ada", "1")]).await, (1, vec![]), "and within an app");
    let nameless = json!({ "type": "track", "userId": "ada", "event": "Song Liked", "timestamp": BEGAN });
    assert_eq!(street.say(0, std::slice::from_ref(&nameless)).await, (1, vec![]));
    assert_eq!(street.say(0, std::slice::from_ref(&nameless)).await, (0, vec![0]), "to the letter the same");
    let bytes = street.log().read(Offset::new(3), 1).unwrap();
    let derived = dwell_engine::Record::read(bytes.iter().next().unwrap().1).unwrap().message_id.to_owned();
    assert_eq!(street.say(0, &[track("ada", &derived)]).await, (1, vec![]), "given, not derived");
    street.turn();
    assert_eq!((street.numbers(0).duplicate, street.numbers(1).duplicate), (0, 0), "so says the engine");
}

#[tokio::test]
async fn the_latest_events_are_known_and_older_ones_are_accepted_as_ever() {
    let mut street = Street::build();
    street.forget_all_but(2);
    for id in ["a", "b", "c", "d", "e"] {
        assert_eq!(street.say(0, &[track("ada", id)]).await, (1, vec![]), "{id}");
    }
    for id in ["e", "d"] {
        assert_eq!(street.say(0, &[track("ada", id)]).await, (0, vec![0]), "{id} is one of the latest two");
    }
    assert_eq!(street.say(0, &[track("ada", "a")]).await, (1, vec![]));
    street.turn();
    assert_eq!(street.numbers(0).duplicate, 1, "the engine knows it still");
}

#[tokio::test]
async fn with_no_memory_only_what_comes_twice_in_a_body_is_told() {
    let mut street = Street::build();
    street.forget_all_but(0);
    assert_eq!(street.say(0, &[track("ada", "1"), track("ada", "1")]).await, (1, vec![1]));
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (1, vec![]));
    assert_eq!(street.house().lately.bytes(), 0);
}

#[tokio::test]
async fn after_a_start_the_end_of_the_log_is_remembered_and_no_more_of_it_is_read() {
    let mut street = Street::build();
    for id in ["a", "b", "c"] {
        street.say(0, &[track("ada", id)]).await;
    }
    street.start_again(Lately::of(2));
    assert_eq!(street.house().remember_log(&AtomicBool::new(false)).unwrap(), 2);
    assert_eq!(street.say(0, &[track("ada", "a"), track("ada", "b"), track("ada", "c")]).await, (1, vec![1, 2]));
    street.start_again(Lately::of(2));
    assert_eq!(street.house().remember_log(&AtomicBool::new(true)).unwrap(), 0, "told to stop");
    assert_eq!(street.say(0, &[track("ada", "c")]).await, (1, vec![]));
}

#[tokio::test]
async fn what_is_read_of_the_log_makes_nothing_newer_be_forgotten() {
    let mut street = Street::build();
    let ids: Vec<String> = (0..8).map(|id| id.to_string()).collect();
    for id in &ids[..4] {
        street.say(0, &[track("ada", id)]).await;
    }
    street.start_again(Lately::of(4));
    // They come before the log is read.
    for id in &ids[4..] {
        street.say(0, &[track("ada", id)]).await;
    }
    assert_eq!(street.house().remember_log(&AtomicBool::new(false)).unwrap(), 4);
    for id in &ids[4..] {
        assert_eq!(street.say(0, &[track("ada", id)]).await, (0, vec![0]), "{id}");
    }
}

#[tokio::test]
async fn what_was_answered_with_503_is_no_first_one() {
    let mut street = Street::build();
    street.disk.set_faults(Faults { room: Some(0), ..Faults::default() });
    let begun = street.begin(0, &[track("ada", "1")]);
    assert_eq!(street.end(begun).await.0, StatusCode::SERVICE_UNAVAILABLE);
    street.disk.set_faults(Faults::default());
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (1, vec![]));
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (0, vec![0]));
    street.disk.set_faults(Faults { sync: 10_000, ..Faults::default() });
    let begun = street.begin(0, &[track("ada", "2"), track("ada", "1")]);
    assert_eq!(street.end(begun).await.0, StatusCode::SERVICE_UNAVAILABLE);
    street.disk.set_faults(Faults::default());
    // From now on the log takes nothing: nobody knows whether it kept the event, so nobody says so.
    let begun = street.begin(0, &[track("ada", "2")]);
    assert_eq!(street.end(begun).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn of_two_bodies_under_way_neither_is_told_of_the_other() {
    let mut street = Street::build();
    let [one, other] = [street.begin(0, &[track("ada", "1")]), street.begin(0, &[track("ada", "1")])];
    assert!(one.waits() && other.waits(), "what is not durable yet is nobody's first one");
    street.disk.set_faults(Faults { room: Some(0), ..Faults::default() });
    for begun in [one, other] {
        assert_eq!(street.end(begun).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    street.disk.set_faults(Faults::default());
    let [one, other] = [street.begin(0, &[track("ada", "1")]), street.begin(0, &[track("ada", "1")])];
    for begun in [one, other] {
        let (status, body) = street.end(begun).await;
        assert_eq!((status, fates(&body)), (OK, (1, vec![])));
    }
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (0, vec![0]));
    street.turn();
    assert_eq!((street.numbers(0).events, street.numbers(0).duplicate), (2, 1), "one of them, says the engine");
}

#[tokio::test]
async fn a_late_event_is_nobodys_first_one_and_no_repetition() {
    let mut street = Street::build();
    let at = |hours: i64| {
        json!({ "type": "track", "userId": "ada", "event": "Song Liked", "messageId": "1",
        "timestamp": street::text(BEGAN_AT + hours * HOUR) })
    };
    assert_eq!(street.say(0, &[at(-73)]).await, (1, vec![]));
    assert_eq!(street.say(0, &[at(-73), at(-1)]).await, (2, vec![]), "the engine counts the one that is in time");
    assert_eq!(street.say(0, &[at(-73), at(-1)]).await, (1, vec![1]), "a late one is late");
    // 71 hours later the engine knows the name for sure, and two hours after that it may have forgotten it.
    street.wait(71);
    assert_eq!(street.say(0, &[at(71)]).await, (0, vec![0]));
    street.wait(2);
    assert_eq!(street.say(0, &[at(73)]).await, (1, vec![]));
    street.turn();
    let numbers = street.numbers(0);
    assert_eq!((numbers.events, numbers.joined, numbers.late, numbers.duplicate), (5, 1, 3, 1));
}

#[tokio::test]
async fn the_strictest_version_of_the_policy_says_what_is_in_time() {
    let mut street = Street::build();
    street.put_policy(0, "allowed_lateness = \"2h\"");
    let at = json!({ "type": "track", "userId": "ada", "event": "Song Liked", "messageId": "1",
        "timestamp": street::text(BEGAN_AT - 3 * HOUR) });
    for _ in 0..2 {
        assert_eq!(street.say(0, std::slice::from_ref(&at)).await, (1, vec![]));
    }
    for expected in [(1, vec![]), (0, vec![0])] {
        assert_eq!(street.say(1, std::slice::from_ref(&at)).await, expected, "the other app has 72 hours");
    }
}

#[tokio::test]
async fn an_event_that_says_more_of_whose_an_id_is_is_no_repetition() {
    let mut street = Street::build();
    let identify = |anonymous: Option<&str>, hours: i64| {
        let mut message = json!({ "type": "identify", "userId": "ada", "messageId": "1",
            "timestamp": street::text(BEGAN_AT + hours * HOUR) });
        if let Some(anonymous) = anonymous {
            message["anonymousId"] = json!(anonymous);
        }
        [message]
    };
    assert_eq!(street.say(0, &identify(None, -1)).await, (1, vec![]));
    assert_eq!(street.say(0, &identify(Some("phone"), -1)).await, (1, vec![]), "nobody said so yet");
    assert_eq!(street.say(0, &identify(Some("phone"), -1)).await, (0, vec![0]));
    assert_eq!(street.say(0, &identify(Some("tablet"), -1)).await, (1, vec![]));
    assert_eq!(street.say(0, &identify(Some("phone"), -2)).await, (1, vec![]), "the earlier one holds");
    assert_eq!(street.say(0, &identify(Some("phone"), -1)).await, (0, vec![0]));
    street.turn();
    assert_eq!(street.numbers(0).duplicate, 3);
}

#[tokio::test]
async fn who_was_erased_and_comes_again_is_new() {
    let mut street = Street::build();
    street.say(0, &[track("ada", "1"), track("bo", "1")]).await;
    street.ask_to_erase(0, "ada").await;
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (1, vec![]), "from where on she is new is not known yet");
    street.erase();
    // Under way since before, and durable before: nothing of it may be remembered.
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (1, vec![]), "she is new");
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (0, vec![0]));
    street.turn();
    let known = street.user(0, "ada").await.unwrap();
    assert_eq!(known["open_session"]["activities"], 1, "{known}");
    street.start_again(Lately::of(10));
    assert_eq!(street.house().remember_log(&AtomicBool::new(false)).unwrap(), 1, "what she did since");
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (0, vec![0]));
}

#[tokio::test]
async fn a_body_that_was_kept_before_an_erasure_is_not_remembered_after_it() {
    let mut street = Street::build();
    let begun = street.begin(0, &[track("ada", "1")]);
    // It is durable, but its sender has not heard of it.
    street.commit();
    street.ask_to_erase(0, "ada").await;
    street.erase();
    // Somebody comes, so that what was remembered is forgotten.
    street.say(0, &[track("bo", "1")]).await;
    assert_eq!(street.end(begun).await.0, OK);
    assert_eq!(street.say(0, &[track("ada", "1")]).await, (1, vec![]), "she is new");
}

#[tokio::test]
async fn the_metrics_of_the_door_add_up_and_agree_with_the_engine() {
    let mut street = Street::build();
    let nobody = json!({ "type": "track", "event": "Song Liked" });
    street.say(0, &[track("ada", "1"), track("ada", "1"), nobody.clone()]).await;
    street.say(0, &[track("ada", "1"), track("bo", "1"), nobody]).await;
    street.turn();
    let counts = street.counts(0).await;
    assert_eq!(counts, [6, 2, 2, 2], "received, accepted, duplicate, rejected");
    assert_eq!(street.numbers(0).events, 2, "what was accepted, and nothing else");
    assert_eq!(street.metric("dwell_messages_remembered").await, 2);
}

const BEGAN_AT: i64 = street::BEGAN_AT;

/// What happens on the street.
#[derive(Clone, Debug)]
enum Step {
    /// These come in one body: of an app, each a person and one of a few events.
    Say(usize, Vec<(usize, usize)>),
    Wait(i64),
    Turn,
    StartAgain(usize),
    Erase(usize, usize),
}

impl Step {
    fn links(&self) -> bool {
        matches!(self, Step::Say(_, said) if said.iter().any(|(_, number)| *number == LINK))
    }
}

/// The event that says that a phone is somebody's.
const LINK: usize = 6;

const PEOPLE: [&str; 3] = ["ada", "bo", "phone"];

fn step() -> impl Strategy<Value = Step> {
    let said = prop::collection::vec((0..3_usize, 0..8_usize), 1..4);
    prop_oneof![
        12 => (0..2_usize, said).prop_map(|(app, said)| Step::Say(app, said)),
        3 => (0..40_i64).prop_map(Step::Wait),
        2 => Just(Step::Turn),
        1 => prop::sample::select(vec![0, 1, 3, 1_000]).prop_map(Step::StartAgain),
        1 => (0..2_usize, 0..3_usize).prop_map(|(app, who)| Step::Erase(app, who)),
    ]
}

/// One of a few events of a person, none of the future. A copy of it claims the same time as the first, as that of an SDK does.
fn event(person: usize, number: usize) -> Value {
    let at = street::text(BEGAN_AT + (number as i64 * 9 - 63) * HOUR);
    let person = PEOPLE[person];
    match number {
        LINK => {
            json!({ "type": "identify", "userId": person, "anonymousId": "phone", "messageId": "6", "timestamp": at })
        }
        // One has no name, and gets one of what it says.
        7 => json!({ "type": "track", "userId": person, "event": "Song Liked", "timestamp": at }),
        _ => json!({ "type": "track", "userId": person, "event": "Song Liked", "messageId": number.to_string(),
            "timestamp": at }),
    }
}

/// Beside a street that remembers lies one that does not, and hears each message in a body of its own: what its engine makes of
/// each is what the first one may say.
async fn check(remembered: usize, steps: &[Step]) {
    let (mut street, mut plain) = (Street::build(), Street::build());
    street.forget_all_but(remembered);
    plain.forget_all_but(0);
    let mut told = [0; 2];
    for step in steps {
        match step {
            Step::Say(app, said) => {
                let messages: Vec<Value> = said.iter().map(|(person, number)| event(*person, *number)).collect();
                let (_, duplicates) = street.say(*app, &messages).await;
                told[*app] += duplicates.len() as u64;
                for (place, message) in messages.iter().enumerate() {
                    let before = plain.numbers(*app).duplicate;
                    plain.say(*app, std::slice::from_ref(message)).await;
                    plain.turn();
                    let is_duplicate = plain.numbers(*app).duplicate == before + 1;
                    let is_told = duplicates.contains(&(place as u64));
                    assert!(is_duplicate || !is_told, "{message} is a duplicate only to who was told so");
                }
            }
            Step::Wait(hours) => {
                street.wait(*hours);
                plain.wait(*hours);
            }
            Step::Turn => street.turn(),
            Step::StartAgain(remembered) => {
                street.start_again(Lately::of(*remembered));
                street.house().remember_log(&AtomicBool::new(false)).unwrap();
            }
            Step::Erase(app, person) => {
                for street in [&mut street, &mut plain] {
                    street.ask_to_erase(*app, PEOPLE[*person]).await;
                    street.erase();
                }
            }
        }
    }
    street.turn();
    plain.turn();
    for (app, told) in told.into_iter().enumerate() {
        // Nothing is missing but what was told.
        let (numbers, all) = (street.numbers(app), plain.numbers(app));
        assert_eq!(numbers.events + told, all.events);
        // A late repetition of what has no name of its own is one or the other, as long as the engine knows the first.
        assert_eq!(numbers.duplicate + numbers.late + told, all.duplicate + all.late);
        // Whether two who became one person have sessions joined depends on when turns were taken.
        for person in PEOPLE.iter().filter(|_| !steps.iter().any(Step::links)) {
            assert_eq!(street.sessions(app, person).await, plain.sessions(app, person).await, "{person}");
            assert_eq!(street.user(app, person).await, plain.user(app, person).await, "{person}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_told_as_a_duplicate_is_one_to_the_engine(
        remembered in prop::sample::select(vec![1_usize, 3, 1_000]),
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(remembered, &steps));
    }
}
