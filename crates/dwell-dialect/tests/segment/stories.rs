//! What messages mean, told by message: who, what, when, and what is refused.

use dwell_core::words::EventWords;
use dwell_dialect::event::MessageId;
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::decode;
use expect_test::expect;

use super::support::{RECEIVED_AT, check, check_one, endpoint, read, shown, told};

/// Something that plays, one message after the other.
fn play(names: &[(&str, &str)]) -> String {
    let message = |(index, (name, properties)): (usize, &(&str, &str))| {
        format!(
            r#"{{"type":"track","userId":"ada","messageId":"{index}","event":"{name}","properties":{{{properties}}},"timestamp":"2024-01-05T10:00:00Z"}}"#
        )
    };
    let messages: Vec<String> = names.iter().enumerate().map(message).collect();
    format!(r#"{{"batch":[{}]}}"#, messages.join(","))
}

#[test]
fn what_plays_reaches_to_its_end() {
    let story = [
        ("Video Playback Started", r#""session_id":"v","position":0,"total_length":3600,"livestream":false"#),
        ("Video Content Started", r#""session_id":"v","position":0.5,"total_length":"1800""#),
        ("Video Content Playing", r#""session_id":"v","position":1800,"total_length":1800"#),
        ("Video Content Playing", r#""session_id":"v","position":1801,"total_length":1800"#),
        ("Video Playback Paused", r#""session_id":"v","position":10,"total_length":1800"#),
        ("Audio Playback Resumed", r#""session_id":7,"position":10,"total_length":20"#),
        ("Video Playback Started", r#""session_id":"live","position":5,"total_length":9,"livestream":true"#),
        ("Video Playback Started", r#""position":5"#),
        ("video_playback_interrupted", ""),
        ("Video Playback Exited", ""),
        ("Video Playback Completed", ""),
        ("Video Content Completed", ""),
        ("Video Playback Buffer Started", r#""session_id":"v","position":5,"total_length":9"#),
        ("Video Playback Seek Completed", r#""session_id":"v","position":5,"total_length":9"#),
        ("Video Ad Started", r#""session_id":"v","position":0,"total_length":30"#),
        ("Audio Ad Completed", ""),
        ("Video Reviewed", r#""position":[1],"total_length":{}"#),
        ("Video Content Playing", r#""position":-1,"total_length":9"#),
        ("Video Content Playing", r#""position":"soon","total_length":9"#),
        ("Video Content Playing", r#""position":[5],"total_length":9"#),
    ];
    check(
        "/v1/batch",
        &play(&story),
        &expect![[r#"
        0 track playing_started `Video Playback Started`, user ada, id 0, player v, 3600000 ms left, 2024-01-05T10:00:00Z
        1 track playing_started `Video Content Started`, user ada, id 1, player v, 1799500 ms left, 2024-01-05T10:00:00Z
        2 track playing_progress `Video Content Playing`, user ada, id 2, player v, 0 ms left, 2024-01-05T10:00:00Z
        3 track playing_progress `Video Content Playing`, user ada, id 3, player v, 2024-01-05T10:00:00Z
        4 track playing_stopped `Video Playback Paused`, user ada, id 4, player v, 2024-01-05T10:00:00Z
        5 track playing_started `Audio Playback Resumed`, user ada, id 5, player 7, 10000 ms left, 2024-01-05T10:00:00Z
        6 track playing_started `Video Playback Started`, user ada, id 6, player live, 2024-01-05T10:00:00Z
        7 track playing_started `Video Playback Started`, user ada, id 7, 2024-01-05T10:00:00Z
        8 track playing_stopped `video_playback_interrupted`, user ada, id 8, 2024-01-05T10:00:00Z
        9 track playing_stopped `Video Playback Exited`, user ada, id 9, 2024-01-05T10:00:00Z
        10 track playing_stopped `Video Playback Completed`, user ada, id 10, 2024-01-05T10:00:00Z
        11 track playing_stopped `Video Content Completed`, user ada, id 11, 2024-01-05T10:00:00Z
        12 track heartbeat `Video Playback Buffer Started`, user ada, id 12, 2024-01-05T10:00:00Z
        13 track heartbeat `Video Playback Seek Completed`, user ada, id 13, 2024-01-05T10:00:00Z
        14 track heartbeat `Video Ad Started`, user ada, id 14, 2024-01-05T10:00:00Z
        15 track heartbeat `Audio Ad Completed`, user ada, id 15, 2024-01-05T10:00:00Z
        16 track action `Video Reviewed`, user ada, id 16, 2024-01-05T10:00:00Z
        not_a_number: message 17: properties.position: this is no number of seconds from 0 on (here: `-1`)
        not_a_number: message 18: properties.position: this is no number of seconds from 0 on (here: `soon`)
        nested: message 19: properties.position: an object or a list stands where one value belongs (here: `[5]`)
    "#]],
    );
}

#[test]
fn times_are_put_right_or_refused() {
    let message = |times: &str| format!(r#"{{"type":"track","event":"e","userId":"ada","messageId":"m"{times}}}"#);
    let stories = [
        // The clock is ten years slow, and ten years fast.
        r#","originalTimestamp":"2014-01-05T09:00:00Z","sentAt":"2014-01-05T09:00:01Z""#,
        r#","timestamp":"2034-01-05T09:00:00Z","sentAt":"2034-01-05T09:00:01Z""#,
        // The same, when nobody says when it was sent.
        r#","timestamp":"2014-01-05T09:00:00Z""#,
        r#","timestamp":"2034-01-05T09:00:00Z""#,
        // Five minutes ahead is no future, a moment more is.
        r#","timestamp":"2024-01-05T10:05:05Z""#,
        r#","timestamp":"2024-01-05T10:05:05.001Z""#,
        // What was put right already counts only when nothing else can be.
        r#","timestamp":"2024-01-05T01:00:00Z","originalTimestamp":"2024-01-05T09:00:00Z""#,
        r#","timestamp":"2024-01-05T01:00:00Z","originalTimestamp":"2024-01-05T09:00:00Z","sentAt":"2024-01-05T09:00:01Z""#,
        // Without a time it happened when it came in.
        "",
        r#","timestamp":null,"sentAt":"2024-01-05T09:00:00Z""#,
        r#","timestamp":"","originalTimestamp":" ""#,
        // How a time may be written.
        r#","timestamp":"2024-01-05T10:00:00""#,
        r#","timestamp":"2024-01-05 10:00:00 UTC""#,
        r#","timestamp":"2024-01-05T12:00:00.1234567+02:00""#,
        r#","timestamp":"2024-01-05""#,
        r#","timestamp":1704448800123"#,
        r#","timestamp":"1704448800123""#,
        r#","timestamp":1704448800123.5"#,
        r#","timestamp":1.7044488e12"#,
        // And how not.
        r#","timestamp":1704448800"#,
        r#","timestamp":1704448800123456"#,
        r#","timestamp":"1900-01-01T00:00:00Z""#,
        r#","timestamp":"2300-01-01T00:00:00Z""#,
        r#","timestamp":-1"#,
        r#","timestamp":"yesterday""#,
        r#","timestamp":"NaN""#,
        r#","timestamp":true"#,
        r#","timestamp":"2024-02-30T10:00:00Z""#,
        r#","timestamp":{"seconds":1704448800}"#,
        r#","timestamp":1e400"#,
        r#","timestamp":"2024-01-05T10:00:00Z","sentAt":"soon""#,
        // Right by itself, and out of all reason once it is put right.
        r#","timestamp":"1970-01-02T00:00:00Z","sentAt":"2200-01-01T00:00:00Z""#,
        r#","timestamp":NaN"#,
    ];
    let messages: Vec<String> = stories.iter().map(|times| message(times)).collect();
    check(
        "/v1/batch",
        &format!(r#"{{"batch":[{}]}}"#, messages.join(",")),
        &expect![[r#"
            0 track action `e`, user ada, id m, 2024-01-05T10:00:04Z
            1 track action `e`, user ada, id m, 2024-01-05T10:00:04Z
            2 track action `e`, user ada, id m, 2014-01-05T09:00:00Z
            3 track action `e`, user ada, id m, 2024-01-05T10:00:05Z (from the future)
            4 track action `e`, user ada, id m, 2024-01-05T10:05:05Z
            5 track action `e`, user ada, id m, 2024-01-05T10:00:05Z (from the future)
            6 track action `e`, user ada, id m, 2024-01-05T01:00:00Z
            7 track action `e`, user ada, id m, 2024-01-05T10:00:04Z
            8 track action `e`, user ada, id m, 2024-01-05T10:00:05Z
            9 track action `e`, user ada, id m, 2024-01-05T10:00:05Z
            10 track action `e`, user ada, id m, 2024-01-05T10:00:05Z
            11 track action `e`, user ada, id m, 2024-01-05T10:00:00Z
            12 track action `e`, user ada, id m, 2024-01-05T10:00:00Z
            13 track action `e`, user ada, id m, 2024-01-05T10:00:00.123456Z
            14 track action `e`, user ada, id m, 2024-01-05T00:00:00Z
            15 track action `e`, user ada, id m, 2024-01-05T10:00:00.123Z
            16 track action `e`, user ada, id m, 2024-01-05T10:00:00.123Z
            17 track action `e`, user ada, id m, 2024-01-05T10:00:00.1235Z
            18 track action `e`, user ada, id m, 2024-01-05T10:00:00Z
            other_unit: message 19: timestamp: the number looks like seconds since 1970; send milliseconds or ISO 8601 (here: `1704448800`)
            other_unit: message 20: timestamp: the number looks like microseconds since 1970; send milliseconds or ISO 8601 (here: `1704448800123456`)
            time_out_of_range: message 21: timestamp: the time is outside the years 1970 to 2200; is the clock of the device right? (here: `1900-01-01T00:00:00Z`)
            time_out_of_range: message 22: timestamp: the time is outside the years 1970 to 2200; is the clock of the device right? (here: `2300-01-01T00:00:00Z`)
            time_out_of_range: message 23: timestamp: the time is outside the years 1970 to 2200; is the clock of the device right? (here: `-1`)
            bad_time: message 24: timestamp: this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970 (here: `yesterday`)
            bad_time: message 25: timestamp: this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970 (here: `NaN`)
            bad_time: message 26: timestamp: this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970 (here: `true`)
            bad_time: message 27: timestamp: this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970 (here: `2024-02-30T10:00:00Z`)
            nested: message 28: timestamp: an object or a list stands where one value belongs (here: `{"seconds":1704448800}`)
            time_out_of_range: message 29: timestamp: the time is outside the years 1970 to 2200; is the clock of the device right? (here: `1e400`)
            bad_time: message 30: sentAt: this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970 (here: `soon`)
            time_out_of_range: message 31: timestamp: the time is outside the years 1970 to 2200; is the clock of the device right?
            bad_json: message 32: not JSON from byte 71 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `Id":"m","timestamp":NaN}`)
        "#]],
    );
}

#[test]
fn the_narrowest_sent_at_counts() {
    check(
        "/v1/batch",
        r#"{"batch":[
            {"type":"track","event":"of the batch","userId":"ada","messageId":"1","timestamp":"2024-01-05T09:00:00Z"},
            {"type":"track","event":"its own","userId":"ada","messageId":"2","timestamp":"2034-01-05T09:00:00Z","sentAt":"2034-01-05T09:00:10Z"}
        ],"sentAt":"2024-01-05T09:00:30Z"}"#,
        &expect![[r#"
            0 track action `of the batch`, user ada, id 1, 2024-01-05T09:59:35Z
            1 track action `its own`, user ada, id 2, 2024-01-05T09:59:55Z
        "#]],
    );
    check(
        "/v1/batch",
        r#"{"batch":[
            {"type":"track","event":"of the batch","userId":"ada","messageId":"1","timestamp":"2024-01-05T09:00:00Z"},
            {"type":"track","event":"its own","userId":"ada","messageId":"2","timestamp":"2034-01-05T09:00:00Z","sentAt":"2034-01-05T09:00:10Z"}
        ],"sentAt":"soon"}"#,
        &expect![[r#"
            1 track action `its own`, user ada, id 2, 2024-01-05T09:59:55Z
            bad_time: message 0: sentAt: this is no time; send ISO 8601, as in 2024-01-05T10:00:00.000Z, or milliseconds since 1970 (here: `soon`)
        "#]],
    );
}

#[test]
fn people_have_one_id_at_least() {
    let ids = [
        r#""userId":"ada","anonymousId":"anon""#,
        r#""userId":7"#,
        r#""userId":7.0"#,
        r#""userId":12345678901234567890123"#,
        r#""userId":1.5"#,
        r#""userId":null,"anonymousId":"anon""#,
        r#""userId":"","anonymousId":"anon""#,
        r#""userId":"  ","anonymousId":"anon""#,
        r#""userId":"Zo\u00eb \ud83d\ude00 \"Q\"""#,
        r#""userId":true"#,
        r#""userId":"first","userId":"last""#,
        r#""userId":"""#,
        r#""userId":null,"anonymousId":null"#,
        r#""anonymousId":" ""#,
        r#""userId":{"id":1}"#,
        r#""userId":["ada"]"#,
        r#""userId":"\ud800""#,
        r#""user_id":"ada""#,
    ];
    let messages = ids.map(|ids| format!(r#"{{"type":"track","event":"e","messageId":"m",{ids}}}"#)).join(",");
    check(
        "/v1/batch",
        &format!(r#"{{"batch":[{messages}]}}"#),
        &expect![[r#"
        0 track action `e`, user ada, anonymous anon, id m, 2024-01-05T10:00:05Z
        1 track action `e`, user 7, id m, 2024-01-05T10:00:05Z
        2 track action `e`, user 7, id m, 2024-01-05T10:00:05Z
        3 track action `e`, user 12345678901234567890123, id m, 2024-01-05T10:00:05Z
        4 track action `e`, user 1.5, id m, 2024-01-05T10:00:05Z
        5 track action `e`, anonymous anon, id m, 2024-01-05T10:00:05Z
        6 track action `e`, anonymous anon, id m, 2024-01-05T10:00:05Z
        7 track action `e`, anonymous anon, id m, 2024-01-05T10:00:05Z
        8 track action `e`, user Zoë 😀 "Q", id m, 2024-01-05T10:00:05Z
        9 track action `e`, user true, id m, 2024-01-05T10:00:05Z
        10 track action `e`, user last, id m, 2024-01-05T10:00:05Z
        missing_user: message 11: userId: there is no user; send userId or anonymousId
        missing_user: message 12: userId: there is no user; send userId or anonymousId
        missing_user: message 13: userId: there is no user; send userId or anonymousId
        nested: message 14: userId: an object or a list stands where one value belongs (here: `{"id":1}`)
        nested: message 15: userId: an object or a list stands where one value belongs (here: `["ada"]`)
        bad_json: message 16: userId: not JSON from byte 7 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `"\ud800"`)
        missing_user: message 17: userId: there is no user; send userId or anonymousId
    "#]],
    );
    let long = "x".repeat(1025);
    let told = told(&read("/v1/t", &format!(r#"{{"event":"e","userId":"{long}"}}"#)));
    assert!(told.starts_with("user_too_long: message 0: userId: "), "{told}");
    let body = format!(r#"{{"event":"e","userId":"{}"}}"#, &long[1..]);
    assert_eq!(read("/v1/t", &body).events.len(), 1);
    let body = format!(r#"{{"event":"e","userId":"ada","messageId":"{long}"}}"#);
    assert_eq!(read("/v1/t", &body).rejections[0].reason.word(), "message_id_too_long");
}

#[test]
fn who_somebody_is_proves_nothing_and_tells_whose_timelines_are_one() {
    check(
        "/v1/batch",
        r#"{"batch":[
            {"type":"identify","userId":"ada","anonymousId":"anon","messageId":"1"},
            {"type":"identify","userId":"ada","messageId":"2"},
            {"type":"identify","anonymousId":"anon","messageId":"3"},
            {"type":"identify","userId":"ada","anonymousId":"ada","messageId":"4"},
            {"type":"alias","userId":"ada","previousId":"old","messageId":"5"},
            {"type":"alias","userId":"ada","messageId":"6"},
            {"type":"alias","userId":"ada","previousId":"","messageId":"7"},
            {"type":"group","userId":"ada","groupId":"g","messageId":"8"},
            {"type":"track","event":"e","userId":"ada","anonymousId":"anon","messageId":"9"}
        ]}"#,
        &expect![[r#"
            0 identify silent ``, user ada, anonymous anon, id 1, anon is ada, 2024-01-05T10:00:05Z
            1 identify silent ``, user ada, id 2, 2024-01-05T10:00:05Z
            2 identify silent ``, anonymous anon, id 3, 2024-01-05T10:00:05Z
            3 identify silent ``, user ada, anonymous ada, id 4, 2024-01-05T10:00:05Z
            4 alias silent ``, user ada, id 5, old is ada, 2024-01-05T10:00:05Z
            7 group silent ``, user ada, id 8, 2024-01-05T10:00:05Z
            8 track action `e`, user ada, anonymous anon, id 9, 2024-01-05T10:00:05Z
            missing_previous_id: message 5: previousId: an alias says which id it was before; send previousId
            missing_previous_id: message 6: previousId: an alias says which id it was before; send previousId
        "#]],
    );
}

#[test]
fn the_path_says_what_a_single_message_is() {
    check(
        "/v1/track",
        r#"{"event":"Bought","userId":"ada","messageId":"1","writeKey":"k"}"#,
        &expect![[r#"
        key k
        0 track action `Bought`, user ada, id 1, 2024-01-05T10:00:05Z
    "#]],
    );
    check(
        "/v1/s",
        r#"{"type":"track","name":"Home","userId":"ada","messageId":"1"}"#,
        &expect![[r#"
        0 screen screen `Home`, user ada, id 1, 2024-01-05T10:00:05Z
    "#]],
    );
    check(
        "/v1/track",
        r#"{"batch":[]}"#,
        &expect![[r#"
        missing_user: message 0: userId: there is no user; send userId or anonymousId
    "#]],
    );
    check(
        "/v1/track",
        r#"[{"userId":"ada"}]"#,
        &expect![[r#"
        not_an_object: message 0: a message is an object, and this is none (here: `[{"userId":"ada"}]`)
    "#]],
    );
    check(
        "/v1/track",
        r#"{"event":"Bought","userId":"ada"} {}"#,
        &expect![[r#"
        bad_json: the body: not JSON from byte 34 on; was it cut, or does it hold NaN, Infinity or undefined?
    "#]],
    );
    check(
        "/v1/track",
        r#"{"event":"Bought","userId":"ada""#,
        &expect![[r#"
        bad_json: the body: not JSON from byte 32 on; was it cut, or does it hold NaN, Infinity or undefined?
    "#]],
    );
    check(
        "/v1/track",
        "",
        &expect![[r#"
        bad_json: the body: not JSON from byte 0 on; was it cut, or does it hold NaN, Infinity or undefined?
    "#]],
    );
}

#[test]
fn a_bad_message_never_loses_its_neighbours() {
    check(
        "/v1/batch",
        r#"{"batch":[
            {"type":"track","event":"first","userId":"ada","messageId":"1"},
            7, null, "text", [], {}, [{"type":"track"}],
            {"type":"track","event":"NaN","userId":"ada","properties":{"a":NaN}},
            {"type":"track","event":"unquoted","userId":ada},
            {"type":"track","event":"comma","userId":"ada",},
            {"type":"track","event":"undefined","userId":undefined},
            {"type":"dance","userId":"ada"},
            {"type":"Track","userId":"ada"},
            {"type":{"a":1},"userId":"ada"},
            {"type":"track","event":["a"],"userId":"ada"},
            {"type":"track","event":"control	character","userId":"ada"},
            {"type":"track","event":"loose","userId":"ada","messageId":"2","context":"none","properties":7},
            {"type":"track","event":"loose","userId":"ada","messageId":"3","context":[{"active":false}],"properties":[]},
            {"type":"track","userId":"ada","messageId":"4","context":{"device":"d","os":1.5,"campaign":null,"active":true}},
            {"type":"track","event":"last","userId":"ada","messageId":"5"}
        ]}"#,
        &expect![[r#"
            0 track action `first`, user ada, id 1, 2024-01-05T10:00:05Z
            16 track action `loose`, user ada, id 2, 2024-01-05T10:00:05Z
            17 track action `loose`, user ada, id 3, 2024-01-05T10:00:05Z
            18 track action ``, user ada, id 4, 2024-01-05T10:00:05Z
            19 track action `last`, user ada, id 5, 2024-01-05T10:00:05Z
            not_an_object: message 1: a message is an object, and this is none (here: `7`)
            not_an_object: message 2: a message is an object, and this is none (here: `null`)
            not_an_object: message 3: a message is an object, and this is none (here: `"text"`)
            not_an_object: message 4: a message is an object, and this is none (here: `[]`)
            missing_type: message 5: type: the message has no type; wanted is one of identify, track, page, screen, group, alias
            not_an_object: message 6: a message is an object, and this is none (here: `[{"type":"track"}]`)
            bad_json: message 7: not JSON from byte 63 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `","properties":{"a":NaN}}`)
            bad_json: message 8: not JSON from byte 44 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `"unquoted","userId":ada}`)
            bad_json: message 9: not JSON from byte 47 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `mma","userId":"ada",}`)
            bad_json: message 10: not JSON from byte 45 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `undefined","userId":undefined}`)
            unknown_type: message 11: type: this is no type of message; wanted is one of identify, track, page, screen, group, alias (here: `dance`)
            unknown_type: message 12: type: this is no type of message; wanted is one of identify, track, page, screen, group, alias (here: `Track`)
            nested: message 13: type: an object or a list stands where one value belongs (here: `{"a":1}`)
            nested: message 14: event: an object or a list stands where one value belongs (here: `["a"]`)
            bad_json: message 15: not JSON from byte 31 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `ack","event":"control\tcharacter","userId":"ada"}`)
        "#]],
    );
}

#[test]
fn a_body_without_its_messages_is_refused_as_a_whole() {
    for body in [
        "",
        "{}",
        r#"{"batch":null}"#,
        r#"{"batch":{"type":"track"}}"#,
        r#"{"batch":[],"batch":7}"#,
        "[]",
        r#"{"batch":[{"type":"track"}"#,
        r#"{"batch":[{"type":"track"}]"#,
        r#"{"batch":[{"type":"track]}"#,
        r#"{"batch":[]} trailing"#,
        r#"{"batch":[,]}"#,
        r#"{"batch":[],}"#,
        r#"{"batch" []}"#,
        r#"{batch:[]}"#,
        r#"{"batch":[]"a":1}"#,
    ] {
        let decoded = read("/v1/batch", body);
        let index: Vec<_> = decoded.rejections.iter().map(|rejection| rejection.index).collect();
        assert_eq!((decoded.received(), index), (1, vec![None]), "{body}: {}", told(&decoded));
    }
    check(
        "/v1/batch",
        "{}",
        &expect![[r#"
        missing_batch: the body: there is no list `batch`; a single message goes to the path of its type, as in /v1/track
    "#]],
    );
    check(
        "/v1/batch",
        r#"{"batch":[{"type":"tra"#,
        &expect![[r#"
        bad_json: the body: not JSON from byte 22 on; was it cut, or does it hold NaN, Infinity or undefined?
    "#]],
    );
    check("/v1/batch", r#"{"batch":[]}"#, &expect![[r#""#]]);
}

#[test]
fn of_keys_that_come_twice_the_last_counts() {
    check(
        "/v1/batch",
        r#"{"writeKey":"a","batch":[7],"sentAt":"soon","writeKey":"b","sentAt":null,"batch":[
            {"type":"page","type":"track","event":"a","event":"b","userId":"x","userId":"ada","messageId":"1","context":{"active":false},"context":{"device":{"id":"a","id":"b"}},"timestamp":"never","timestamp":"2024-01-05T10:00:00Z"}
        ]}"#,
        &expect![[r#"
            key b
            0 track action `b`, user ada, id 1, device b, 2024-01-05T10:00:00Z
        "#]],
    );
}

#[test]
fn what_is_silent_is_silent() {
    check(
        "/v1/batch",
        r#"{"context":{"active":false,"os":{"name":"Linux"}},"batch":[
            {"type":"track","event":"of the batch","userId":"ada","messageId":"1"},
            {"type":"page","name":"its own","userId":"ada","messageId":"2","context":{"active":true,"os":{"name":"iOS"}}},
            {"type":"screen","name":"in a text","userId":"ada","messageId":"3","context":{"active":"false"}},
            {"type":"track","event":"Push Notification Received","userId":"ada","messageId":"4","context":{"active":true}},
            {"type":"track","event":"Push Notification Tapped","userId":"ada","messageId":"5","context":{"active":true}}
        ]}"#,
        &expect![[r#"
            0 track silent `of the batch`, user ada, id 1, platform Linux, 2024-01-05T10:00:05Z
            1 page page `its own`, user ada, id 2, platform iOS, 2024-01-05T10:00:05Z
            2 screen silent `in a text`, user ada, id 3, platform Linux, 2024-01-05T10:00:05Z
            3 track silent `Push Notification Received`, user ada, id 4, platform Linux, 2024-01-05T10:00:05Z
            4 track action `Push Notification Tapped`, user ada, id 5, platform Linux, 2024-01-05T10:00:05Z
        "#]],
    );
}

#[test]
fn an_app_has_words_of_its_own() {
    let words = EventWords::parse("Beat=heartbeat,Home=closed,Track Finished=playing_stopped").unwrap();
    let body = r#"{"batch":[
        {"type":"track","event":"Beat","userId":"ada","messageId":"1"},
        {"type":"screen","name":"Home","userId":"ada","messageId":"2"},
        {"type":"track","event":"Track Finished","userId":"ada","messageId":"3","properties":{"session_id":"p"}},
        {"type":"track","event":"playing_progress","userId":"ada","messageId":"4"},
        {"type":"track","event":"closed","userId":"ada","messageId":"5"}
    ]}"#;
    let decoded = decode(body.as_bytes(), endpoint("/v1/batch"), RECEIVED_AT, &Limits::default(), &words);
    expect![[r#"
        0 track heartbeat `Beat`, user ada, id 1, 2024-01-05T10:00:05Z
        1 screen closed `Home`, user ada, id 2, 2024-01-05T10:00:05Z
        2 track playing_stopped `Track Finished`, user ada, id 3, player p, 2024-01-05T10:00:05Z
        3 track playing_progress `playing_progress`, user ada, id 4, 2024-01-05T10:00:05Z
        4 track closed `closed`, user ada, id 5, 2024-01-05T10:00:05Z
    "#]]
    .assert_eq(&told(&decoded));
}

#[test]
fn limits_hold_on_both_sides_of_their_edge() {
    let message = r#"{"type":"track","event":"e","userId":"ada","messageId":"1","p":[[7]],"q":[]}"#;
    let body = format!(r#"{{"batch":[{message},{message}]}}"#);
    let exact = Limits { event_bytes: message.len(), batch_bytes: body.len(), batch_events: 2, depth: 3 };
    let words_of = |limits: Limits| {
        let decoded = decode(body.as_bytes(), endpoint("/b"), RECEIVED_AT, &limits, &EventWords::default());
        let words: Vec<_> = decoded.rejections.iter().map(|rejection| rejection.reason.word()).collect();
        (decoded.events.len(), words)
    };
    assert_eq!(words_of(exact), (2, vec![]));
    assert_eq!(words_of(Limits { event_bytes: exact.event_bytes - 1, ..exact }), (0, vec!["event_too_large"; 2]));
    assert_eq!(words_of(Limits { batch_bytes: exact.batch_bytes - 1, ..exact }), (0, vec!["batch_too_large"]));
    assert_eq!(words_of(Limits { batch_events: 1, ..exact }), (0, vec!["too_many_events"]));
    assert_eq!(words_of(Limits { depth: 2, ..exact }), (0, vec!["too_deep"; 2]));
    let deep = format!(r#"{{"batch":[{}{},{message}]}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let decoded = decode(deep.as_bytes(), endpoint("/b"), RECEIVED_AT, &Limits::default(), &EventWords::default());
    assert_eq!((decoded.events.len(), decoded.rejections[0].reason.word()), (1, "event_too_large"));
    let roomy = Limits { event_bytes: usize::MAX, ..Limits::default() };
    let decoded = decode(deep.as_bytes(), endpoint("/b"), RECEIVED_AT, &roomy, &EventWords::default());
    assert_eq!((decoded.events.len(), decoded.rejections[0].reason.word()), (1, "too_deep"));
}

#[test]
fn a_message_without_an_id_has_the_same_one_when_it_is_sent_again() {
    let id_of = |message: &str, at: i64| {
        let at = dwell_core::time::Timestamp::from_micros(RECEIVED_AT.as_micros() + at);
        let body = format!(r#"{{"batch":[{message},{message}],"sentAt":{}}}"#, 1_704_448_805_000 + at.as_micros() % 97);
        let decoded = decode(body.as_bytes(), endpoint("/b"), at, &Limits::default(), &EventWords::default());
        assert_eq!(decoded.events.len(), 2, "{}", told(&decoded));
        let ids = decoded.events.iter().map(|event| match &event.message_id {
            MessageId::Derived(id) => id.clone(),
            MessageId::Given(id) => panic!("{id} was given"),
        });
        let ids: Vec<String> = ids.collect();
        (ids[0].clone(), ids[1].clone())
    };
    let timed =
        r#"{"type":"track","event":"e","userId":"ada","timestamp":"2024-01-05T10:00:00Z","properties":{"a":1}}"#;
    let (one, two) = id_of(timed, 0);
    assert_eq!(one, two);
    assert_eq!(one, id_of(timed, 1).0, "sent again later");
    assert_eq!(one, id_of(&timed.replace(r#""e","#, r#""e","messageId":null,"_metadata":{"retryCount":1},"#), 0).0);
    for (said, other) in [
        (r#""a":1"#, r#""a":2"#),
        (r#""e""#, r#""f""#),
        ("ada", "bob"),
        ("10:00:00Z", "10:00:01Z"),
        (r#""track""#, r#""page""#),
        (r#""userId":"ada""#, r#""anonymousId":"ada""#),
    ] {
        assert_ne!(one, id_of(&timed.replace(said, other), 0).0, "{other}");
    }
    let timeless = timed.replace(r#""timestamp":"2024-01-05T10:00:00Z","#, r#""timestamp":null,"#);
    let (one, two) = id_of(&timeless, 0);
    assert_ne!(one, two, "what has neither id nor time is nobody's duplicate");
    assert_ne!(one, id_of(&timeless, 1).0);
}

#[test]
fn the_write_key_is_that_of_the_batch_or_of_the_first_message() {
    let key_of = |body: &str| read("/b", body).write_key.map(String::from);
    assert_eq!(key_of(r#"{"batch":[{"writeKey":"m"}],"writeKey":"b"}"#).as_deref(), Some("b"));
    assert_eq!(key_of(r#"{"batch":[{"writeKey":""},{"writeKey":"m"},{"writeKey":"n"}]}"#).as_deref(), Some("m"));
    assert_eq!(key_of(r#"{"batch":[{"writeKey":{}}],"writeKey":null}"#), None);
    assert_eq!(key_of(r#"{"batch":7,"writeKey":"b"}"#), Some("b".into()), "so that it can be told whose body it was");
}

#[test]
fn bytes_that_are_no_text_are_one_rejection() {
    let mut body =
        br#"{"batch":[{"type":"track","event":"x","userId":"ada"},{"type":"track","event":"e","userId":"ada"}]}"#
            .to_vec();
    let place = body.iter().position(|byte| *byte == b'x').unwrap();
    body[place] = 0xff;
    let decoded = decode(&body, endpoint("/b"), RECEIVED_AT, &Limits::default(), &EventWords::default());
    assert_eq!(decoded.events.len(), 1);
    assert_eq!(decoded.rejections[0].to_string().split(';').next(), Some("message 0: byte 25 is no UTF-8"));
    assert_eq!(shown(decoded.events[0].happened.at), "2024-01-05T10:00:05Z");
}

#[test]
fn rejections_say_where_and_why() {
    check_one(
        r#"{"type":"track","event":"Bought","properties":{"price":12.50,"discount":NaN},"userId":"ada"}"#,
        &expect![[r#"
            bad_json: message 0: not JSON from byte 72 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `e":12.50,"discount":NaN},"userId":"ada"}`)
        "#]],
    );
    check_one(
        "{\n  \"type\": \"track\",\n  \"userId\": oops\n}",
        &expect![[r#"
        bad_json: message 0: not JSON from byte 33 on; was it cut, or does it hold NaN, Infinity or undefined? (here: `track",\n  "userId": oops\n}`)
    "#]],
    );
}

#[test]
fn the_country_is_that_of_the_place_else_of_the_language_and_refuses_nothing() {
    let long = "x".repeat(49);
    check(
        "/v1/batch",
        &format!(
            r#"{{"context":{{"locale":"fr-CA","app":{{"version":"1.0"}}}},"batch":[
            {{"type":"track","userId":"ada","messageId":"1"}},
            {{"type":"track","userId":"ada","messageId":"2","context":{{"location":{{"country":"South Korea"}},"locale":"en-US","app":{{"version":2.1}}}}}},
            {{"type":"track","userId":"ada","messageId":"3","context":{{"location":{{"country":"kr"}}}}}},
            {{"type":"track","userId":"ada","messageId":"4","context":{{"locale":"zh-Hant-tw"}}}},
            {{"type":"track","userId":"ada","messageId":"5","context":{{"locale":"de_AT.UTF-8","app":null}}}},
            {{"type":"track","userId":"ada","messageId":"6","context":{{"locale":"en","app":{{"version":""}}}}}},
            {{"type":"track","userId":"ada","messageId":"7","context":{{"locale":["ko-KR"],"location":{{"country":{{"code":"KR"}}}},"app":{{"version":["2"]}}}}}},
            {{"type":"track","userId":"ada","messageId":"8","context":{{"location":{{"country":"{long}"}},"app":{{"version":"{long}"}}}}}}
        ]}}"#
        ),
        &expect![[r#"
            0 track action ``, user ada, id 1, country CA, version 1.0, 2024-01-05T10:00:05Z
            1 track action ``, user ada, id 2, country South Korea, version 2.1, 2024-01-05T10:00:05Z
            2 track action ``, user ada, id 3, country KR, version 1.0, 2024-01-05T10:00:05Z
            3 track action ``, user ada, id 4, country TW, version 1.0, 2024-01-05T10:00:05Z
            4 track action ``, user ada, id 5, country AT, version 1.0, 2024-01-05T10:00:05Z
            5 track action ``, user ada, id 6, 2024-01-05T10:00:05Z
            6 track action ``, user ada, id 7, 2024-01-05T10:00:05Z
            7 track action ``, user ada, id 8, 2024-01-05T10:00:05Z
        "#]],
    );
}
