//! NDJSON.

use expect_test::expect;

use super::super::ColumnFlags;
use super::{check, options, told};

#[test]
fn flat_objects_are_read() {
    check(
        r#"{"user":"ada","ts":1704448800,"event":"opened"}
{"ts":1704448801.25,"user":7,"x":[1,{"y":2}]}

{"user":1.0,"ts":"2024-01-05 10:00:02","event":"said \"hi\""}
{"user":true,"ts":"1704448803"}
"#,
        &options(),
        &expect![[r#"
            ndjson
            user: user (by name)
            time: ts (by name, numbers in seconds)
            event: event (by name)
            ada 2024-01-05T10:00:00Z opened name=opened
            7 2024-01-05T10:00:01.25Z action
            1 2024-01-05T10:00:02Z action name=said "hi"
            true 2024-01-05T10:00:03Z action
        "#]],
    );
}

#[test]
fn each_bad_line_is_told_and_the_next_is_read() {
    check(
        b"{\"user\":\"ada\",\"ts\":1704448800}\n\
          {\"user\":\"ada\",\"ts\":17044\n\
          nonsense\n\
          [1,2]\n\
          \"text\"\n\
          {\"user\":\"ada\"}\n\
          {\"user\":null,\"ts\":1704448800}\n\
          {\"user\":\"\",\"ts\":1704448800}\n\
          {\"ts\":1704448800}\n\
          {\"user\":{\"first\":\"ada\"},\"ts\":1704448800}\n\
          {\"user\":\"ada\",\"ts\":[1]}\n\
          {\"user\":\"ada\",\"ts\":true}\n\
          {\"user\":\"ada\",\"ts\":1704448800}x\n\
          {\"user\":\"a\xffda\",\"ts\":1704448800}\n\
          {\"user\":\"\\ud800\",\"ts\":1704448800}\n\
          {\"user\":\"bob\",\"ts\":1704448801}"
            .to_vec(),
        &options(),
        &expect![[r#"
            ndjson
            user: user (by name)
            time: ts (by name, numbers in seconds)
            ada 2024-01-05T10:00:00Z
            bob 2024-01-05T10:00:01Z
            refused log:2: the line is not JSON; was it cut? (here: `{"user":"ada","ts":17044`) [bad_json]
            refused log:3: the line is not JSON; was it cut? (here: `nonsense`) [bad_json]
            refused log:4: the line is JSON but no object; wanted is one object per line (here: `[1,2]`) [not_an_object]
            refused log:5: the line is JSON but no object; wanted is one object per line (here: `"text"`) [not_an_object]
            refused log:6: column ts: there is no time; name another column with --time if this is not the one (here: ``) [missing_time]
            refused log:7: column user: there is no user; name another column with --user if this is not the one (here: ``) [missing_user]
            refused log:8: column user: there is no user; name another column with --user if this is not the one (here: ``) [missing_user]
            refused log:9: column user: there is no user; name another column with --user if this is not the one (here: ``) [missing_user]
            refused log:10: column user: an object or a list stands where one value belongs (here: `{"first":"ada"}`) [nested]
            refused log:11: column ts: an object or a list stands where one value belongs (here: `[1]`) [nested]
            refused log:12: column ts: this is no time: wanted is a number since 1970 or ISO 8601, as in 2024-01-05T10:00:00Z (here: `true`) [bad_time]
            refused log:13: the line is not JSON; was it cut? (here: `{"user":"ada","ts":1704448800}x`) [bad_json]
            refused log:14: the value is not UTF-8; convert the file, as with iconv -t utf-8 (here: `{"user":"a�da","ts":1704448800}`) [not_utf8]
            refused log:15: the line is not JSON; was it cut? (here: `{"user":"\ud800","ts":1704448800}`) [bad_json]
        "#]],
    );
}

#[test]
fn segment_messages_are_understood() {
    check(
        r#"{"type":"track","event":"Application Opened","userId":"ada","anonymousId":"x1","messageId":"m1","timestamp":"2024-01-05T10:00:00.000Z","context":{"device":{"id":"d1"},"os":{"name":"iOS"},"campaign":{"name":"spring"}}}
{"type":"identify","userId":"ada","anonymousId":"x1","messageId":"m2","timestamp":"2024-01-05T10:00:01.000Z"}
{"type":"screen","name":"Home","userId":null,"anonymousId":"x1","messageId":"m3","timestamp":"2024-01-05T10:00:02.000Z"}
{"type":"page","userId":"ada","anonymousId":"x1","messageId":"m4","timestamp":"2024-01-05T10:00:03.000Z"}
{"type":"track","event":"Order Shipped","userId":"ada","messageId":"m5","timestamp":"2024-01-05T10:00:04.000Z","context":{"active":false}}
{"type":"track","event":"Video Playback Started","userId":"ada","messageId":"m6","timestamp":"2024-01-05T10:00:05.000Z","properties":{"session_id":"p1","position":10,"total_length":100.5}}
{"type":"track","event":"Video Content Playing","userId":"ada","messageId":"m7","timestamp":"2024-01-05T10:00:06.000Z","properties":{"session_id":"p1","position":20,"total_length":100,"livestream":true}}
{"type":"track","event":"Video Playback Paused","userId":"ada","messageId":"m8","timestamp":"2024-01-05T10:00:07.000Z","properties":{"session_id":"p1","position":"top"}}
{"type":"track","event":"Ad Seen","userId":"ada","messageId":"m9","timestamp":"2024-01-05T10:00:08.000Z","properties":{"position":"top"}}
{"type":"track","event":"Audio Playback Started","userId":"ada","messageId":"m10","timestamp":"2024-01-05T10:00:09.000Z","properties":{"position":"soon","total_length":100}}
{"type":"track","event":"Push Notification Received","userId":"ada","messageId":"m11","timestamp":"2024-01-05T10:00:10.000Z"}
"#,
        &options(),
        &expect![[r#"
            ndjson
            user: userId (by name)
            anonymous user: anonymousId (by name)
            time: timestamp (by name, dates and times)
            event: event (by name)
            message type: type (by name)
            active: context.active (by name)
            message id: messageId (by name)
            platform: context.os.name (by name)
            device: context.device.id (by name)
            player: properties.session_id (by name)
            campaign: context.campaign.name (by name)
            position: properties.position (by name)
            total length: properties.total_length (by name)
            livestream: properties.livestream (by name)
            ada 2024-01-05T10:00:00Z opened name=Application Opened platform=iOS device=d1 campaign=spring id=m1
            ada 2024-01-05T10:00:01Z silent id=m2
            x1 2024-01-05T10:00:02Z screen name=Home id=m3
            ada 2024-01-05T10:00:03Z page id=m4
            ada 2024-01-05T10:00:04Z silent name=Order Shipped id=m5
            ada 2024-01-05T10:00:05Z playing_started name=Video Playback Started player=p1 remaining=90500000us id=m6
            ada 2024-01-05T10:00:06Z playing_progress name=Video Content Playing player=p1 id=m7
            ada 2024-01-05T10:00:07Z playing_stopped name=Video Playback Paused player=p1 id=m8
            ada 2024-01-05T10:00:08Z action name=Ad Seen id=m9
            ada 2024-01-05T10:00:10Z silent name=Push Notification Received id=m11
            refused log:10: column properties.position: this is no number of seconds from 0 on (here: `soon`) [not_a_number]
        "#]],
    );
}

#[test]
fn a_skewed_clock_is_put_right_when_all_three_times_are_given() {
    check(
        r#"{"type":"track","event":"a","userId":"ada","messageId":"m1","timestamp":"2024-01-05T10:00:00Z","originalTimestamp":"2024-01-05T13:00:00Z","sentAt":"2024-01-05T13:00:10Z","receivedAt":"2024-01-05T10:00:12Z"}
{"type":"track","event":"b","userId":"ada","messageId":"m2","timestamp":"2024-01-05T10:05:12Z","receivedAt":"2024-01-05T10:00:12Z"}
{"type":"track","event":"c","userId":"ada","messageId":"m3","timestamp":"2024-01-05T10:05:12.000001Z","receivedAt":"2024-01-05T10:00:12Z"}
{"type":"track","event":"d","userId":"ada","messageId":"m4","timestamp":"2024-01-05T10:00:00Z","sentAt":"2024-01-05T13:00:10Z","receivedAt":"2024-01-05T10:00:12Z"}
"#,
        &options(),
        &expect![[r#"
            ndjson
            user: userId (by name)
            time: timestamp (by name, dates and times)
            event: event (by name)
            message type: type (by name)
            message id: messageId (by name)
            received at: receivedAt (by name, dates and times)
            sent at: sentAt (by name, dates and times)
            original time: originalTimestamp (by name, dates and times)
            ada 2024-01-05T10:00:02Z action name=a received=2024-01-05T10:00:12Z id=m1
            ada 2024-01-05T10:05:12Z action name=b received=2024-01-05T10:00:12Z id=m2
            ada 2024-01-05T10:00:12Z action name=c received=2024-01-05T10:00:12Z id=m3
            ada 2024-01-05T10:00:00Z action name=d received=2024-01-05T10:00:12Z id=m4
            from the future: 1
        "#]],
    );
}

#[test]
fn paths_are_named_with_points() {
    let mut options = options();
    options.columns = ColumnFlags { user: Some("context.traits.id".into()), ..ColumnFlags::default() };
    options.by = Some("context.plan".into());
    check(
        r#"{"user":"x","ts":1704448800,"context":{"plan":"free","traits":{"id":"ada"}}}
{"user":"x","ts":1704448801,"context":{"traits":{"id":"bob"}}}
"#,
        &options,
        &expect![[r#"
            ndjson
            user: context.traits.id (by flag)
            time: ts (by name, numbers in seconds)
            by: context.plan (by flag)
            ada 2024-01-05T10:00:00Z action by=free
            bob 2024-01-05T10:00:01Z action
        "#]],
    );
    options.columns.user = Some("context.trait.id".into());
    check(
        r#"{"user":"x","ts":1704448800,"context":{"plan":"free","traits":{"id":"ada"}}}"#,
        &options,
        &expect![[r#"
        error: log: there is no column "context.trait.id" (--user); did you mean "context.traits.id"?; the columns are: context.plan, context.traits.id, ts, user
    "#]],
    );
}

#[test]
fn a_line_longer_than_the_limit_is_one_rejection() {
    let mut options = options();
    options.line_limit = 100;
    let long = format!("{{\"user\":\"ada\",\"ts\":1,\"x\":\"{}\"}}", "x".repeat(100_000));
    let told = told(format!("{{\"user\":\"ada\",\"ts\":1}}\n{long}\n{{\"user\":\"ada\",\"ts\":2}}\n"), &options);
    assert_eq!((told.events.len(), told.rejections.len()), (2, 1));
    assert_eq!(told.rejections[0].reason.word(), "line_too_long");
}

#[test]
fn deep_objects_are_no_trouble() {
    let deep = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    let wide = "[".repeat(200_000) + &"]".repeat(200_000);
    let context = "{\"context\":".repeat(50_000) + "1" + &"}".repeat(50_000);
    let log = format!(
        "{{\"user\":\"ada\",\"ts\":1}}\n{{\"user\":\"ada\",\"ts\":1,\"x\":{deep}}}\n{{\"user\":\"ada\",\"ts\":1,\"x\":{wide}}}\n{context}\n"
    );
    let told = told(log, &options());
    assert_eq!((told.events.len(), told.rejections.len()), (3, 1));
}

#[test]
fn the_better_of_two_names_wins_wherever_it_stands() {
    for line in [
        r#"{"type":"track","messageId":"m","userId":"ada","timestamp":1704448800,"event":"closed","name":"x"}"#,
        r#"{"type":"track","messageId":"m","userId":"ada","timestamp":1704448800,"name":"x","event":"closed"}"#,
    ] {
        let told = told(line, &options());
        assert_eq!(told.events[0].detail.unwrap().kind, dwell_core::event::EventKind::Closed, "{line}");
    }
}

#[test]
fn one_list_of_objects_is_told_apart() {
    check(
        r#"[{"user":"ada","ts":1}]"#,
        &options(),
        &expect![[r#"
        error: log: the file is one JSON list; wanted is one object per line, as from jq -c '.[]'
    "#]],
    );
}

#[test]
fn of_a_key_that_comes_twice_the_last_counts() {
    let told = told("{\"user\":\"ada\",\"ts\":1,\"user\":\"bob\"}\n", &options());
    assert_eq!(told.events[0].user, "bob");
}
