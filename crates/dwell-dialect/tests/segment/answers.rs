//! What a client is told.

use dwell_dialect::answer::{Fates, MOST_DESCRIBED, failure, success};
use dwell_dialect::envelope::open;
use dwell_dialect::rejection::{Reason, Rejection};
use expect_test::{Expect, expect};

use super::support::read;

fn check(answer: &[u8], expect: &Expect) {
    let json: serde_json::Value = serde_json::from_slice(answer).unwrap();
    assert!(json["success"].is_boolean(), "SDKs that look, look for this");
    expect.assert_eq(std::str::from_utf8(answer).unwrap());
}

#[test]
fn the_fate_of_each_message_is_told() {
    let body = r#"{"batch":[{"type":"track","userId":"ada"},{"type":"track"},{"type":"page","userId":"ada"},{"type":"hop\u0000\"","userId":"ada"}]}"#;
    let decoded = read("/b", body);
    assert_eq!(decoded.events.len(), 2);
    let fates = Fates { accepted: 1, duplicates: &[2], rejections: &decoded.rejections };
    check(
        &success(&fates),
        &expect![[
            r#"{"success":true,"received":4,"accepted":1,"duplicate":1,"rejected":2,"duplicates":[2],"rejections":[{"index":1,"reason":"missing_user","field":"userId","message":"message 1: userId: there is no user; send userId or anonymousId"},{"index":3,"reason":"unknown_type","field":"type","message":"message 3: type: this is no type of message; wanted is one of identify, track, page, screen, group, alias (here: `hop\\u{0}\"`)"}]}"#
        ]],
    );
    check(
        &success(&Fates { accepted: 3, duplicates: &[], rejections: &[] }),
        &expect![[r#"{"success":true,"received":3,"accepted":3,"duplicate":0,"rejected":0}"#]],
    );
}

#[test]
fn a_body_refused_as_a_whole_has_a_code_and_a_message() {
    check(
        &failure(&Rejection::of_body(Reason::BatchTooLarge { found: 600_000, most: 512_000 })),
        &expect![[
            r#"{"success":false,"code":"batch_too_large","message":"the body: 600000 bytes are more than the 512000 that a batch may have; send fewer messages at once"}"#
        ]],
    );
    let error = open(b"hello", 100).expect_err("no body");
    check(
        &failure(&Rejection::of_body(Reason::Envelope(error))),
        &expect![[
            r#"{"success":false,"code":"unknown_body","message":"the body: neither JSON nor gzip nor a form with `data`; send JSON, as it is or packed with gzip"}"#
        ]],
    );
}

#[test]
fn an_answer_has_a_bound() {
    let body = format!(r#"{{"batch":[{}]}}"#, vec!["7"; MOST_DESCRIBED + 5].join(","));
    let decoded = read("/b", &body);
    let answer = success(&Fates { accepted: 0, duplicates: &[], rejections: &decoded.rejections });
    let json: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(json["rejections"].as_array().unwrap().len(), MOST_DESCRIBED);
    assert_eq!((&json["rejected"], &json["rejections_left_out"]), (&(MOST_DESCRIBED + 5).into(), &5.into()));
    assert_eq!(json["success"], true);
}
