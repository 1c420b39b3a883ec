//! CSV and TSV.

use expect_test::expect;

use dwell_core::words::EventWords;

use super::super::{ColumnFlags, EventColumn, FileFormat, Options, ReadError, Source, open};
use super::{check, names, options, story, strict, told};

fn flagged(set: impl FnOnce(&mut ColumnFlags)) -> Options {
    let mut options = options();
    set(&mut options.columns);
    options
}

#[test]
fn user_and_time_are_enough() {
    let log = "user,ts\nada,1704448800\nbob,1704448801.5\n";
    check(
        log,
        &options(),
        &expect![[r#"
        csv
        user: user (by name)
        time: ts (by name, numbers in seconds)
        ada 2024-01-05T10:00:00Z
        bob 2024-01-05T10:00:01.5Z
    "#]],
    );
    assert_eq!(told(log, &options()).without_details, 1, "nothing else is known, so nothing else is kept");
}

#[test]
fn all_columns_are_found_by_name() {
    check(
        "User-ID,Event Time,event_name,message_id,received_at,os,deviceId,player,utm_campaign\n\
         ada,2024-01-05T10:00:00Z,opened,m1,2024-01-05T10:00:01Z,ios,d1,,spring\n\
         ada,2024-01-05T11:00:00Z,playing_started,m2,2024-01-05T10:00:02Z,ios,d1,p1,\n",
        &options(),
        &expect![[r#"
            csv
            user: User-ID (by name)
            time: Event Time (by name, dates and times)
            event: event_name (by name)
            message id: message_id (by name)
            received at: received_at (by name, dates and times)
            platform: os (by name)
            device: deviceId (by name)
            player: player (by name)
            campaign: utm_campaign (by name)
            ada 2024-01-05T10:00:00Z opened name=opened platform=ios device=d1 campaign=spring received=2024-01-05T10:00:01Z id=m1
            ada 2024-01-05T10:00:02Z playing_started name=playing_started platform=ios device=d1 player=p1 received=2024-01-05T10:00:02Z id=m2
            from the future: 1
        "#]],
    );
}

#[test]
fn delimiters_are_seen_in_the_header() {
    for delimiter in [",", ";", "\t", "|"] {
        let log = ["user", "ts"].join(delimiter) + "\n" + &["ada", "1704448800"].join(delimiter) + "\n";
        let told = told(log, &options());
        assert_eq!((told.events.len(), told.rejections.len()), (1, 0), "{delimiter:?}");
    }
}

#[test]
fn quotes_line_ends_and_marks_are_no_trouble() {
    check(
        "\u{feff}user,ts,\"name\"\r\n\"ada, \"\"the\"\" first\",1704448800,\"two\r\nlines\"\r\n\r\nbob,1704448801,a \"b\" c\r\n\"x\"y,1704448802,z",
        &options(),
        &expect![[r#"
            csv
            user: user (by name)
            time: ts (by name, numbers in seconds)
            event: name (by name)
            ada, "the" first 2024-01-05T10:00:00Z action name=two\r\nlines
            bob 2024-01-05T10:00:01Z action name=a "b" c
            xy 2024-01-05T10:00:02Z action name=z
        "#]],
    );
}

#[test]
fn each_bad_row_is_told_and_the_next_is_read() {
    let too_long = "x".repeat(1025);
    let mut log = b"user,ts,platform\n".to_vec();
    for row in [
        ",1704448800,ios",
        "   ,1704448800,ios",
        "ada,,ios",
        "ada,yesterday,ios",
        "ada,NaN,ios",
        "ada,inf,ios",
        "ada,-1,ios",
        "ada,1e400,ios",
        "ada,7289654400,ios",
        "ada,1704448800000,ios",
        "ada,1900-01-01T00:00:00Z,ios",
        "ada,2300-01-01T00:00:00Z,ios",
        "ada,1704448800",
        "ada,1704448800,ios,",
        "\x1b[31m,\x07,ios",
        &format!("{too_long},1704448800,ios"),
    ] {
        log.extend_from_slice(row.as_bytes());
        log.push(b'\n');
    }
    log.extend_from_slice(b"a\xffda,1704448800,ios\nada,1704448800,i\xffos\nada,7289654399,last\n");
    log.extend_from_slice("x".repeat(1024).as_bytes());
    log.extend_from_slice(b",0,longest\n");
    // The sample shows seconds: what comes behind it is judged by that.
    let mut with_sample = b"user,ts,platform\n".to_vec();
    with_sample.extend_from_slice("eve,1704448800,\n".repeat(1000).as_bytes());
    with_sample.extend_from_slice(&log["user,ts,platform\n".len()..]);
    let story = story(with_sample, &options()).replace(&"x".repeat(1024), "<1024 x>");
    let story = story.replace("eve 2024-01-05T10:00:00Z action\n", "").replace("eve 2024-01-05T10:00:00Z\n", "");
    expect![[r#"
        csv
        user: user (by name)
        time: ts (by name, numbers in seconds)
        platform: platform (by name)
        ada 2200-12-31T23:59:59Z action platform=last
        <1024 x> 1970-01-01T00:00:00Z action platform=longest
        refused log:1002: column user: there is no user; name another column with --user if this is not the one (here: ``) [missing_user]
        refused log:1003: column user: there is no user; name another column with --user if this is not the one (here: `   `) [missing_user]
        refused log:1004: column ts: there is no time; name another column with --time if this is not the one (here: ``) [missing_time]
        refused log:1005: column ts: this is no time: wanted is a number since 1970 or ISO 8601, as in 2024-01-05T10:00:00Z (here: `yesterday`) [bad_time]
        refused log:1006: column ts: this is no time: wanted is a number since 1970 or ISO 8601, as in 2024-01-05T10:00:00Z (here: `NaN`) [bad_time]
        refused log:1007: column ts: this is no time: wanted is a number since 1970 or ISO 8601, as in 2024-01-05T10:00:00Z (here: `inf`) [bad_time]
        refused log:1008: column ts: the time is outside the years 1970 to 2200 (here: `-1`) [time_out_of_range]
        refused log:1009: column ts: the time is outside the years 1970 to 2200 (here: `1e400`) [time_out_of_range]
        refused log:1010: column ts: the time is outside the years 1970 to 2200 (here: `7289654400`) [time_out_of_range]
        refused log:1011: column ts: looks like milliseconds in a column of seconds; say --time-unit if all of the column is one unit (here: `1704448800000`) [other_unit]
        refused log:1012: column ts: the time is outside the years 1970 to 2200 (here: `1900-01-01T00:00:00Z`) [time_out_of_range]
        refused log:1013: column ts: the time is outside the years 1970 to 2200 (here: `2300-01-01T00:00:00Z`) [time_out_of_range]
        refused log:1014: the row has 2 fields and the header 3; quote fields that hold the delimiter (here: `ada,1704448800`) [wrong_field_count]
        refused log:1015: the row has 4 fields and the header 3; quote fields that hold the delimiter (here: `ada,1704448800,ios,`) [wrong_field_count]
        refused log:1016: column ts: this is no time: wanted is a number since 1970 or ISO 8601, as in 2024-01-05T10:00:00Z (here: `\u{7}`) [bad_time]
        refused log:1017: column user: the user is longer than 1024 bytes; is --user the right column? (here: `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…`) [user_too_long]
        refused log:1018: column user: the value is not UTF-8; convert the file, as with iconv -t utf-8 (here: `a�da`) [not_utf8]
        refused log:1019: column platform: the value is not UTF-8; convert the file, as with iconv -t utf-8 (here: `i�os`) [not_utf8]
    "#]].assert_eq(&story);
}

#[test]
fn a_row_longer_than_the_limit_is_one_rejection() {
    let mut options = options();
    options.line_limit = 20;
    check(
        "user,ts\nada,1704448800\naaaaaaaaa,1704448800\naaaaaaaaaa,1704448800\nbob,1704448800",
        &options,
        &expect![[r#"
        csv
        user: user (by name)
        time: ts (by name, numbers in seconds)
        ada 2024-01-05T10:00:00Z
        aaaaaaaaa 2024-01-05T10:00:00Z
        bob 2024-01-05T10:00:00Z
        refused log:4: the line is longer than the limit; raise it with --line-limit (here: `aaaaaaaaaa,1704448800`) [line_too_long]
    "#]],
    );
    options.line_limit = 21;
    assert_eq!(told("user,ts\naaaaaaaaaa,1704448800\r\n", &options).events.len(), 1, "a return does not count");
}

#[test]
fn an_endless_row_costs_one_rejection_and_little_memory() {
    let mut log = b"user,ts\nada,1704448800\n".to_vec();
    log.resize(20_000_000, b'x');
    log.extend_from_slice(b"\nbob,1704448800\n");
    let told = told(log, &options());
    assert_eq!(told.events.len(), 2);
    assert_eq!(told.rejections.len(), 1);
    assert_eq!(told.rejections[0].line, 3);
}

#[test]
fn a_quote_that_is_never_closed_costs_one_row() {
    check(
        "user,ts\nada,1704448800\n\"bob,1704448801\ncyd,1704448802\n",
        &options(),
        &expect![[r#"
            csv
            user: user (by name)
            time: ts (by name, numbers in seconds)
            ada 2024-01-05T10:00:00Z
            cyd 2024-01-05T10:00:02Z
            refused log:3: a quote is opened and never closed; write a quote inside quotes twice (here: `"bob,1704448801`) [unclosed_quote]
        "#]],
    );
}

#[test]
fn a_quote_left_open_longer_than_the_limit_costs_one_row() {
    let mut options = options();
    options.line_limit = 1000;
    let rows = "cyd,1704448802\n".repeat(1000);
    let told = told(format!("user,ts\n\"bob,1704448801\n{rows}ada,\"1704448802\"\n"), &options);
    assert_eq!((told.events.len(), told.rejections.len()), (1001, 1));
    assert_eq!(told.rejections[0].line, 2);
}

#[test]
fn a_row_of_several_lines_counts_as_one_for_the_limit() {
    let log = "user,ts\n\"a\nb\",1704448800\n";
    let row = "\"a\nb\",1704448800".len();
    let read = |line_limit| told(log, &Options { line_limit, ..options() });
    assert_eq!(read(row).events[0].user, "a\nb");
    let too_long = read(row - 1);
    let words: Vec<_> = too_long.rejections.iter().map(|rejection| rejection.reason.word()).collect();
    assert_eq!(too_long.events.len(), 1, "the second half is a row of its own");
    assert_eq!(words, ["unclosed_quote"]);
}

#[test]
fn what_plays_goes_on_for_its_length_less_its_position() {
    let log = "user,ts,event,position,total_length,livestream\n\
        ada,1704448800,playing_started,10,100.5,\n\
        ada,1704448801,playing_progress,100,100,false\n\
        ada,1704448802,playing_progress,100.000001,100,\n\
        ada,1704448803,playing_progress,,100,\n\
        ada,1704448804,playing_progress,10,100,true\n\
        ada,1704448805,playing_stopped,10,100,\n\
        ada,1704448806,playing_started,-1,100,\n\
        ada,1704448807,playing_started,NaN,100,\n";
    let told = told(log, &options());
    let micros = |event: &super::Event| event.detail.unwrap().remaining.map(dwell_core::time::Span::as_micros);
    let remaining: Vec<_> = told.events.iter().map(micros).collect();
    assert_eq!(remaining, [Some(90_500_000), Some(0), None, None, None, None]);
    assert!(told.rejections.iter().all(|rejection| rejection.reason.word() == "not_a_number"));
    assert_eq!(told.rejections.len(), 2);
}

#[test]
fn what_plays_faster_is_over_sooner() {
    let log = "user,ts,event,position,total_length,playback_rate,remaining\n\
        ada,1704448800,playing_started,10,100.5,2,\n\
        ada,1704448801,playing_progress,10,100,0.5,\n\
        ada,1704448802,playing_progress,10,100,0,\n\
        ada,1704448803,playing_progress,10,100,fast,\n\
        ada,1704448804,playing_progress,10,100,,\n\
        ada,1704448805,playing_progress,10,100,2,7\n";
    let told = told(log, &options());
    let micros = |event: &super::Event| event.detail.unwrap().remaining.map(dwell_core::time::Span::as_micros);
    let remaining: Vec<_> = told.events.iter().map(|event| micros(event).unwrap()).collect();
    // Seconds that remain are told by the clock on the wall already.
    assert_eq!(remaining, [45_250_000, 180_000_000, 90_000_000, 90_000_000, 90_000_000, 7_000_000]);
    assert!(told.rejections.is_empty());
}

#[test]
fn a_header_alone_is_a_file_without_events() {
    check(
        "user,ts\n",
        &options(),
        &expect![[r#"
        csv
        user: user (by name)
        time: ts (by name, dates and times)
    "#]],
    );
    check(
        "user,ts",
        &options(),
        &expect![[r#"
        csv
        user: user (by name)
        time: ts (by name, dates and times)
    "#]],
    );
}

#[test]
fn no_bytes_are_an_error() {
    check(
        "",
        &options(),
        &expect![[r#"
        error: log: the file is empty: not even a header
    "#]],
    );
    check(
        "\n\n",
        &options(),
        &expect![[r#"
        error: log: the file is empty: not even a header
    "#]],
    );
}

#[test]
fn columns_that_are_not_there_are_told_with_those_that_are() {
    check(
        "a,b\n1,2\n",
        &options(),
        &expect![[r#"
        error: log: no column looks like the user; name it with --user; the columns are: a, b
    "#]],
    );
    check(
        "user,b\n1,2\n",
        &options(),
        &expect![[r#"
        error: log: no column looks like the time; name it with --time; the columns are: user, b
    "#]],
    );
    check(
        "0,1389052815\n0,1389053047\n",
        &options(),
        &expect![[r#"
        error: log: no column looks like the user; name it with --user; the columns are: 0, 1389052815; is the first line a header? one is needed
    "#]],
    );
    let wrong = flagged(|flags| flags.user = Some("usr_name".into()));
    check(
        "user_name,ts\n1,2\n",
        &wrong,
        &expect![[r#"
        error: log: there is no column "usr_name" (--user); did you mean "user_name"?; the columns are: user_name, ts
    "#]],
    );
    let wild = flagged(|flags| flags.event = Some(EventColumn::Named("zzz".into())));
    check(
        "user_name,ts\n1,2\n",
        &wild,
        &expect![[r#"
        error: log: there is no column "zzz" (--event); the columns are: user_name, ts
    "#]],
    );
}

#[test]
fn flags_name_columns_and_words_name_kinds() {
    let mut options = flagged(|flags| {
        flags.user = Some("who".into());
        flags.event = Some(EventColumn::Named("state".into()));
    });
    options.words = EventWords::parse("1=opened, 0=closed").unwrap();
    options.by = Some("Group".into());
    options.truth = Some("sess".into());
    check(
        "who,user,ts,state,group,sess\nada,x,1704448800,1,a,7\nada,x,1704448801,0,b,7\nada,x,1704448802,2,,\n",
        &options,
        &expect![[r#"
            csv
            user: who (by flag)
            time: ts (by name, numbers in seconds)
            event: state (by flag)
            by: group (by flag)
            truth: sess (by flag)
            ada 2024-01-05T10:00:00Z opened name=1 by=a truth
            ada 2024-01-05T10:00:01Z closed name=0 by=b truth
            ada 2024-01-05T10:00:02Z action name=2
        "#]],
    );
    let nothing = flagged(|flags| flags.event = Some(EventColumn::Nothing));
    let told = told("user,ts,event\nada,1704448800,closed\n", &nothing);
    assert_eq!(told.without_details, 1, "every event is an action");
}

#[test]
fn of_two_columns_for_one_role_the_better_is_taken_and_said() {
    check(
        "visitor_id,userId,anonymous_id,timestamp,ts\nv,ada,x,1704448800,0\nv,,x,1704448801,0\n",
        &options(),
        &expect![[r#"
            csv
            user: userId (by name)
            anonymous user: anonymous_id (by name)
            time: timestamp (by name, numbers in seconds)
            note: user: userId rather than visitor_id (--user says otherwise)
            note: time: timestamp rather than ts (--time says otherwise)
            ada 2024-01-05T10:00:00Z
            x 2024-01-05T10:00:01Z
        "#]],
    );
    check(
        "user,user,ts\nada,bob,1704448800\n",
        &options(),
        &expect![[r#"
        csv
        user: user (by name)
        time: ts (by name, numbers in seconds)
        note: 2 columns are called user: the first is read
        ada 2024-01-05T10:00:00Z
    "#]],
    );
}

#[test]
fn a_user_column_that_is_named_has_no_stand_in() {
    let log = "userId,anonymous_id,ts\n,x,1704448800\n";
    assert_eq!(told(log, &options()).events[0].user, "x");
    let named = flagged(|flags| flags.user = Some("userId".into()));
    assert_eq!(told(log, &named).rejections[0].reason.word(), "missing_user");
}

#[test]
fn names_are_kept_only_if_wanted() {
    let mut options = options();
    let log = "user,ts,event\nada,1704448800,click\nada,1704448801,click\n";
    assert_eq!(told(log, &options).without_details, 0);
    options.names_wanted = false;
    assert_eq!(told(log, &options).without_details, 1);
    assert_eq!(told("user,ts,event\nada,1704448800,closed\n", &options).without_details, 0);
}

#[test]
fn a_format_that_is_said_is_believed() {
    let mut options = options();
    options.format = Some(FileFormat::Tsv);
    check(
        "user\tts\tname,with,commas,in,it\nada\t1704448800\tx,y\n",
        &options,
        &expect![[r#"
        tsv
        user: user (by name)
        time: ts (by name, numbers in seconds)
        ada 2024-01-05T10:00:00Z
    "#]],
    );
}

#[test]
fn strict_reading_stops_at_the_first_refused_row() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log.csv");
    std::fs::write(&path, "user,ts\nada,1704448800\n,1\nbob,1704448800\n").unwrap();
    let mut file = open(&Source::File(path), &options(), names()).unwrap();
    match file.next_batch(&mut strict) {
        Err(ReadError::Stopped { rejection }) => assert_eq!(rejection.line, 3),
        other => panic!("{other:?}"),
    }
}
