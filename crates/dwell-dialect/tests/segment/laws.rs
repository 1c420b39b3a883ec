//! What holds for every body: nothing is lost, nothing is invented, and neighbours do not matter.

use dwell_core::words::EventWords;
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::{Decoded, decode};
use proptest::prelude::*;

use super::support::{RECEIVED_AT, endpoint, read, told};

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1704448800123".to_owned()),
        Just("NaN".to_owned()),
        Just("-0.5e3".to_owned()),
        Just(r#""2024-01-05T10:00:00Z""#.to_owned()),
        Just(r#""ada""#.to_owned()),
        Just(r#""track""#.to_owned()),
        Just(r#""Video Content Playing""#.to_owned()),
        "\"[a-z\\\\\"é ]{0,6}\"",
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
            prop::collection::vec((key(), inner), 0..4).prop_map(object),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "type",
        "userId",
        "anonymousId",
        "previousId",
        "messageId",
        "event",
        "name",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "context",
        "properties",
        "device",
        "id",
        "os",
        "active",
        "position",
        "total_length",
        "playback_rate",
        "session_id",
        "writeKey",
        "batch",
        "x",
    ])
    .prop_map(str::to_owned)
}

fn object(members: Vec<(String, String)>) -> String {
    let members: Vec<String> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Messages of all sorts, most of them nearly right.
fn message() -> impl Strategy<Value = String> {
    let good = r#"{"type":"track","userId":"ada","event":"e","timestamp":"2024-01-05T10:00:00Z"#;
    let nearly = prop::collection::vec((key(), value()), 0..4).prop_map(move |members| {
        let more = object(members);
        format!(r#"{good}",{}"#, &more[1..]).replace(",}", "}")
    });
    prop_oneof![3 => nearly, 1 => value()]
}

/// What became of each message, in order, told without its place.
fn fates(decoded: &Decoded<'_>) -> Vec<(u32, String)> {
    let events = decoded.events.iter().map(|event| {
        let mut event = event.clone();
        let index = std::mem::take(&mut event.index);
        (index, format!("{event:?}"))
    });
    let rejections = decoded.rejections.iter().map(|rejection| {
        let mut rejection = rejection.clone();
        (rejection.index.take().expect("a message"), format!("{rejection:?}"))
    });
    let mut fates: Vec<_> = events.chain(rejections).collect();
    fates.sort();
    fates
}

/// Says whether brackets and quotes of a message close: only then is it nobody's business but its own.
fn closes(message: &str) -> bool {
    read("/b", &format!(r#"{{"batch":[{message},{message}]}}"#)).received() == 2
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn received_is_events_and_rejections(messages in prop::collection::vec(message(), 0..8)) {
        prop_assume!(messages.iter().all(|message| closes(message)));
        let body = format!(r#"{{"batch":[{}]}}"#, messages.join(" , "));
        let decoded = read("/b", &body);
        prop_assert_eq!(decoded.received(), messages.len(), "{}", told(&decoded));
        let indexes: Vec<u32> = fates(&decoded).into_iter().map(|(index, _)| index).collect();
        prop_assert_eq!(indexes, (0..messages.len() as u32).collect::<Vec<_>>());
    }

    /// A message means the same alone and among others, whatever they are, if it says when it happened.
    #[test]
    fn neighbours_do_not_matter(
        messages in prop::collection::vec(message(), 1..6),
        place in any::<prop::sample::Index>(),
    ) {
        prop_assume!(messages.iter().all(|message| closes(message)));
        let body = format!(r#"{{"batch":[{}]}}"#, messages.join(","));
        let alone = place.get(&messages);
        let alone_body = format!(r#"{{"batch":[{alone}]}}"#);
        let among = read("/b", &body);
        let among = &fates(&among)[place.index(messages.len())].1;
        let timeless = among.contains("at: Timestamp(1704448805000000)");
        if !timeless {
            prop_assert_eq!(&fates(&read("/b", &alone_body))[0].1, among);
        }
    }

    /// What is accepted is JSON to everybody.
    #[test]
    fn an_event_is_json(message in message()) {
        prop_assume!(closes(&message));
        let body = format!(r#"{{"batch":[{message}]}}"#);
        let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&message).is_ok();
        let decoded = read("/b", &body);
        let is_bad_json = decoded.rejections.iter().any(|one| one.reason.word() == "bad_json" && one.field.is_none());
        prop_assert_eq!(is_json, !is_bad_json, "{}", message);
    }

    /// Whatever the bytes, somebody is told something: a body is never nothing but by saying so itself.
    #[test]
    fn no_bytes_make_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for path in ["/b", "/v1/t", "/v1/alias"] {
            let decoded = decode(&bytes, endpoint(path), RECEIVED_AT, &Limits::default(), &EventWords::default());
            prop_assert!(0 < decoded.received());
        }
    }

    /// Nor do bodies that are nearly right: a good one with a piece cut out, doubled or turned.
    #[test]
    fn nor_do_bodies_that_are_nearly_right(
        messages in prop::collection::vec(message(), 1..4),
        from in any::<prop::sample::Index>(),
        length in 0_usize..9,
        byte in any::<u8>(),
    ) {
        let mut body = format!(r#"{{"batch":[{}],"sentAt":"2024-01-05T10:00:00Z"}}"#, messages.join(",")).into_bytes();
        let from = from.index(body.len());
        let to = (from + length).min(body.len());
        body.splice(from..to, [byte]);
        for path in ["/b", "/v1/p"] {
            let decoded = decode(&body, endpoint(path), RECEIVED_AT, &Limits::default(), &EventWords::default());
            let whole = decoded.rejections.iter().filter(|rejection| rejection.index.is_none()).count();
            prop_assert!(whole == 0 || decoded.received() == 1);
        }
    }

    /// No event is larger than its share: limits hold whatever they are.
    #[test]
    fn limits_hold(
        messages in prop::collection::vec(message(), 0..6),
        event_bytes in 0_usize..200,
        batch_events in 0_usize..6,
        depth in 0_u32..5,
    ) {
        prop_assume!(messages.iter().all(|message| closes(message)));
        let limits = Limits { event_bytes, batch_events, depth, ..Limits::default() };
        let body = format!(r#"{{"batch":[{}]}}"#, messages.join(","));
        let decoded = decode(body.as_bytes(), endpoint("/b"), RECEIVED_AT, &limits, &EventWords::default());
        prop_assert!(decoded.events.len() <= batch_events && decoded.received() <= batch_events.max(1));
        for event in &decoded.events {
            prop_assert!(messages[event.index as usize].len() <= event_bytes);
            prop_assert!(0 < depth);
        }
    }
}
