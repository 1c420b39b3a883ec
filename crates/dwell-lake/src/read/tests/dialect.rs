//! A message means the same in a file and on the wire (law L4).

use dwell_core::time::Timestamp;
use dwell_core::words::EventWords;
use dwell_dialect::endpoint::Endpoint;
use dwell_dialect::event::MessageId;
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::decode;
use proptest::prelude::*;

use super::{names, options, told_of};

/// 2024-01-05T10:00:05Z.
const RECEIVED_AT: &str = "2024-01-05T10:00:05Z";
const RECEIVED_MICROS: i64 = 1_704_448_805_000_000;

/// What both readers say of one message.
#[derive(Debug, PartialEq, Default)]
struct Said {
    user: String,
    at: i64,
    kind: String,
    name: String,
    device: String,
    platform: String,
    campaign: String,
    remaining: Option<i64>,
    message_id: String,
}

/// The message among two that name every field, so that the file has all its columns.
fn in_a_file(message: &str, words: &EventWords) -> Option<Said> {
    let full = format!(
        r#"{{"type":"track","userId":"u","anonymousId":"a","messageId":"m","event":"Video Content Playing","name":"n","timestamp":"{RECEIVED_AT}","originalTimestamp":"{RECEIVED_AT}","sentAt":"{RECEIVED_AT}","receivedAt":"{RECEIVED_AT}","context":{{"active":true,"platform":"p","device":{{"id":"d"}},"os":{{"name":"o"}},"campaign":{{"name":"c"}}}},"properties":{{"session_id":"s","position":1,"total_length":2,"playback_rate":1,"livestream":false}}}}"#
    );
    let mut options = options();
    options.words = words.clone();
    options.names_wanted = true;
    let names = names();
    let file = format!("{full}\n{message}\n");
    let told = told_of("log", Box::new(std::io::Cursor::new(file.into_bytes())), &options, names.clone());
    assert!(told.error.is_none(), "{:?}", told.error);
    let event = told.events.get(1)?;
    let detail = event.detail.expect("details");
    let texts = names.texts();
    let text = |key: u32| if key == 0 { String::new() } else { texts[key as usize].to_string() };
    Some(Said {
        user: event.user.clone(),
        at: event.at,
        kind: detail.kind.word().to_owned(),
        name: text(detail.name),
        device: text(detail.device),
        platform: text(detail.platform),
        campaign: text(detail.campaign),
        remaining: detail.remaining.map(dwell_core::time::Span::as_micros),
        message_id: event.message_id.clone(),
    })
}

fn on_the_wire(message: &str, words: &EventWords) -> Option<Said> {
    let body = format!(r#"{{"batch":[{message}]}}"#);
    let received_at = Timestamp::from_micros(RECEIVED_MICROS);
    let decoded = decode(body.as_bytes(), Endpoint::Batch, received_at, &Limits::default(), words);
    let event = decoded.events.first()?;
    let text = |text: &Option<std::borrow::Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    Some(Said {
        user: event.user().to_owned(),
        at: event.happened.at.as_micros(),
        kind: event.kind.word().to_owned(),
        name: text(&event.name),
        device: text(&event.device),
        platform: text(&event.platform),
        campaign: text(&event.campaign),
        remaining: event.remaining.map(dwell_core::time::Span::as_micros),
        message_id: match &event.message_id {
            MessageId::Given(id) => id.to_string(),
            MessageId::Derived(_) => String::new(),
        },
    })
}

/// One of the values for a member, or no such member.
fn member(key: &'static str, values: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::option::weighted(0.8, prop::sample::select(values))
        .prop_map(move |value| value.map_or(String::new(), |value| format!(r#""{key}":{value},"#)))
}

fn object(members: String) -> String {
    format!("{{{}}}", members.trim_end_matches(','))
}

/// What is said of something that plays.
fn properties() -> impl Strategy<Value = String> {
    let said = (
        member("position", &["0", "12.3456789", "\"10\"", "-1", "9e9", "null"]),
        member("total_length", &["60", "12.5", "\"x\"", "null"]),
        member(
            "playback_rate",
            &[
                "1",
                "2",
                "0.5",
                "\"1.5\"",
                "1.1234567",
                "0",
                "-1",
                "16",
                "16.5",
                "9e9",
                "\"fast\"",
                "true",
                "[2]",
                "{}",
                "null",
            ],
        ),
        member("livestream", &["true", "false", "1", "\"true\"", "null"]),
    );
    said.prop_map(|(position, length, rate, livestream)| object(format!("{position}{length}{rate}{livestream}")))
}

fn message() -> impl Strategy<Value = String> {
    let ids = (
        member("userId", &["\"ada\"", "7", "7.0", "1e3", "\"\"", "null", "\"Zo\\u00eb\"", "true", "\" \"", "{}"]),
        member("anonymousId", &["\"anon\"", "null", "\"\"", "12345678901234567890"]),
        member("messageId", &["\"m-1\"", "null", "5"]),
    );
    let names = (
        prop::sample::select(vec!["track", "page", "screen", "identify", "group"]),
        member(
            "event",
            &[
                "\"Application Opened\"",
                "\"application_backgrounded\"",
                "\"Video Playback Started\"",
                "\"Audio Content Playing\"",
                "\"Video Playback Paused\"",
                "\"Video Ad Started\"",
                "\"Push Notification Received\"",
                "\"Order Completed\"",
                "\"closed\"",
                "\"Beat\"",
                "\"\"",
                "null",
                "7",
                "[1]",
            ],
        ),
        member("name", &["\"Home\"", "\"Beat\"", "null", "\"\""]),
    );
    let times = prop_oneof![
        Just(r#""originalTimestamp":"2014-01-05T09:00:00Z","sentAt":"2014-01-05T09:00:07.5Z","#),
        Just(r#""originalTimestamp":"2034-01-05T09:00:00Z","sentAt":"2034-01-05T08:00:00Z","#),
        Just(r#""timestamp":"2024-01-05T09:30:00.1234567+01:00","#),
        Just(r#""timestamp":"2024-01-05T09:30:00Z","originalTimestamp":"2024-01-05T08:30:00Z","#),
        Just(
            r#""timestamp":"2024-01-05T09:30:00Z","originalTimestamp":"2024-01-05T08:30:00Z","sentAt":"2024-01-05T08:30:01Z","#
        ),
        Just(r#""timestamp":"2034-01-05 09:30:00","#),
        Just(r#""timestamp":"never","#),
        Just(r#""timestamp":"1950-01-05T09:30:00Z","#),
    ];
    let context = (
        member("active", &["true", "false", "null", "\"false\"", "0"]),
        member("platform", &["\"web\"", "null"]),
        member("device", &[r#"{"id":"d-1"}"#, r#"{"id":7,"type":"ios"}"#, "null"]),
        member("os", &[r#"{"name":"iOS"}"#, r#"{"name":""}"#, r#"{"name":null}"#]),
        member("campaign", &[r#"{"name":"spring","source":"mail"}"#, "null"]),
    );
    (ids, names, times, context, properties()).prop_map(|(ids, names, times, context, properties)| {
        let context = object(format!("{}{}{}{}{}", context.0, context.1, context.2, context.3, context.4));
        let (kind, event, name) = names;
        format!(
            r#"{{"type":"{kind}",{}{}{}{event}{name}{times}"receivedAt":"{RECEIVED_AT}","context":{context},"properties":{properties}}}"#,
            ids.0, ids.1, ids.2
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn a_message_is_the_same_in_a_file_and_on_the_wire(message in message()) {
        let words = EventWords::parse("Beat=heartbeat").expect("words");
        prop_assert_eq!(in_a_file(&message, &words), on_the_wire(&message, &words), "{}", message);
    }

    /// Of messages of all sorts few say how much is left, so those that play have a law of their own.
    #[test]
    fn what_plays_goes_on_as_long_in_a_file_as_on_the_wire(properties in properties()) {
        let words = EventWords::default();
        let message = format!(
            r#"{{"type":"track","userId":"ada","event":"Video Content Playing","timestamp":"{RECEIVED_AT}","receivedAt":"{RECEIVED_AT}","properties":{properties}}}"#
        );
        prop_assert_eq!(in_a_file(&message, &words), on_the_wire(&message, &words), "{}", message);
    }
}
