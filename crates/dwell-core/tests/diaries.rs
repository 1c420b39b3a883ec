//! Diaries: small stories, and the sessions that they are. `UPDATE_EXPECT=1 cargo test` rewrites what stands below the
//! arrows; read the difference.

mod support;

use expect_test::expect;
use support::check;

// The gap and the timeout.

#[test]
fn a_gap_exactly_as_long_as_the_timeout_starts_a_new_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        09:30 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:30-09:30, activities: 1, open
    "#]]);
}

#[test]
fn a_gap_one_microsecond_short_of_the_timeout_does_not() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        09:29:59.999999 ada
        =>
        ada 09:00-09:29:59.999999, activities: 2, foreground: 5m, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn nobody_decided_anything_is_thirty_minutes() {
    check(&expect![[r#"
        09:00 ada
        09:29:59.999999 ada
        09:59:59.999999 ada
        =>
        ada 09:00-09:29:59.999999, activities: 2, foreground: 5m, idle: 24m59s999999us, TimedOut
        ada 09:59:59.999999-09:59:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn one_activity_is_a_session_of_no_length() {
    check(&expect![[r#"
        09:00 ada
        =>
        ada 09:00-09:00, activities: 1, open
    "#]]);
}

#[test]
fn two_activities_of_one_microsecond_are_one_session() {
    check(&expect![[r#"
        09:00 ada id=a
        09:00 ada id=b
        =>
        ada 09:00-09:00, activities: 2, open
    "#]]);
}

#[test]
fn the_shortest_timeout_is_one_second() {
    check(&expect![[r#"
        timeout 1s
        09:00 ada
        09:00:00.999999 ada
        09:00:01.999999 ada
        =>
        ada 09:00-09:00:00.999999, activities: 2, foreground: 999999us, TimedOut
        ada 09:00:01.999999-09:00:01.999999, activities: 1, open
    "#]]);
}

#[test]
fn the_longest_timeout_is_a_day() {
    check(&expect![[r#"
        timeout 24h
        09:00 ada
        32:59:59.999999 ada
        56:59:59.999999 ada
        =>
        ada 09:00-32:59:59.999999, activities: 2, foreground: 5m, idle: 23h54m59s999999us, TimedOut
        ada 56:59:59.999999-56:59:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn every_user_has_their_own_silence() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        09:20 bob
        09:40 ada
        09:49 bob
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:40-09:40, activities: 1, open
        bob 09:20-09:49, activities: 2, foreground: 5m, idle: 24m, open
    "#]]);
}

#[test]
fn a_push_received_neither_starts_nor_extends() {
    check(&expect![[r#"
        timeout 30
        08:50 ada silent
        09:00 ada
        09:20 ada silent
        09:30 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:30-09:30, activities: 1, open
        ada 08:50 silent: silent
        ada 09:20 silent: silent
    "#]]);
}

#[test]
fn devices_and_platforms_do_not_part_a_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada device=2 platform=web
        09:10 ada device=1 platform=ios
        =>
        ada 09:00-09:10, activities: 2, foreground: 5m, idle: 5m, open
    "#]]);
}

// What starts, what extends, and orphans.

#[test]
fn every_kind_that_starts_starts() {
    check(&expect![[r#"
        timeout 30
        01:00 ada opened
        02:00 ada foregrounded
        03:00 ada screen
        04:00 ada page
        05:00 ada action
        06:00 ada playing_started
        =>
        ada 01:00-01:00, activities: 1, TimedOut
        ada 02:00-02:00, activities: 1, TimedOut
        ada 03:00-03:00, activities: 1, TimedOut
        ada 04:00-04:00, activities: 1, TimedOut
        ada 05:00-05:00, activities: 1, TimedOut
        ada 06:00-06:00, activities: 1, open
    "#]]);
}

#[test]
fn no_kind_that_only_extends_starts() {
    check(&expect![[r#"
        timeout 30
        01:00 ada heartbeat
        02:00 ada playing_progress
        03:00 ada playing_stopped
        04:00 ada backgrounded
        05:00 ada closed
        06:00 ada user_changed
        07:00 ada silent
        =>
        ada 01:00 heartbeat: orphan
        ada 02:00 playing_progress: orphan
        ada 03:00 playing_stopped: orphan
        ada 04:00 backgrounded: orphan
        ada 05:00 closed: orphan
        ada 06:00 user_changed: silent
        ada 07:00 silent: silent
    "#]]);
}

#[test]
fn every_kind_that_extends_extends() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:20 ada heartbeat
        09:40 ada backgrounded
        10:00 ada playing_progress
        10:20 ada playing_stopped
        10:40 ada closed
        =>
        ada 09:00-10:40, activities: 6, foreground: 10m, playing: 10m, idle: 1h20m, Closed
    "#]]);
}

#[test]
fn a_session_begins_with_the_first_that_starts_not_with_the_orphan_before_it() {
    check(&expect![[r#"
        timeout 30
        09:00 ada heartbeat
        09:05 ada screen
        09:10 ada heartbeat
        =>
        ada 09:05-09:10, activities: 2, foreground: 5m, open
        ada 09:00 heartbeat: orphan
    "#]]);
}

#[test]
fn a_heartbeat_after_the_timeout_is_an_orphan_and_does_not_revive() {
    check(&expect![[r#"
        timeout 30
        09:00 ada screen
        09:30 ada heartbeat
        09:31 ada heartbeat
        09:32 ada screen
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:32-09:32, activities: 1, open
        ada 09:30 heartbeat: orphan
        ada 09:31 heartbeat: orphan
    "#]]);
}

#[test]
fn what_an_orphan_says_is_playing_is_believed_once_a_session_starts() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_progress remaining=60m
        09:10 ada screen
        10:29:59.999999 ada screen
        =>
        ada 09:10-10:29:59.999999, activities: 2, foreground: 55m, idle: 24m59s999999us, open
        ada 09:00 playing_progress: orphan
    "#]]);
}

#[test]
fn what_an_orphan_said_was_playing_does_not_start_a_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_progress remaining=3h
        11:00 ada heartbeat
        =>
        ada 09:00 playing_progress: orphan
        ada 11:00 heartbeat: orphan
    "#]]);
}

// Playing reaches further.

#[test]
fn playing_of_known_length_reaches_its_end() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        10:29:59.999999 ada
        =>
        ada 09:00-10:29:59.999999, activities: 2, foreground: 1h5m, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn the_timeout_counts_from_the_end_of_playing() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        10:30 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 10:30-10:30, activities: 1, open
    "#]]);
}

#[test]
fn playing_of_unknown_length_reaches_as_far_as_patience() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started
        09:39:59.999999 ada
        =>
        ada 09:00-09:39:59.999999, activities: 2, foreground: 15m, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn a_gap_after_patience_ends_the_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started
        09:40 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:40-09:40, activities: 1, open
    "#]]);
}

#[test]
fn patience_can_be_set() {
    check(&expect![[r#"
        timeout 30
        patience 20m
        09:00 ada playing_started
        09:49:59.999999 ada
        10:19:59.999999 ada
        10:49:59.999999 ada
        =>
        ada 09:00-09:49:59.999999, activities: 2, foreground: 25m, idle: 24m59s999999us, TimedOut
        ada 10:19:59.999999-10:19:59.999999, activities: 1, TimedOut
        ada 10:49:59.999999-10:49:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn playing_progress_reaches_like_a_start() {
    check(&expect![[r#"
        timeout 30
        09:00 ada screen
        09:10 ada playing_progress remaining=20m
        09:59:59.999999 ada screen
        =>
        ada 09:00-09:59:59.999999, activities: 3, foreground: 30m, idle: 29m59s999999us, open
    "#]]);
}

#[test]
fn a_session_does_not_last_as_long_as_something_was_to_play() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=3h
        09:05 ada screen
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, open
    "#]]);
}

#[test]
fn stopped_cuts_the_reach_short() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        09:10 ada playing_stopped
        09:40 ada
        =>
        ada 09:00-09:10, activities: 2, foreground: 10m, TimedOut
        ada 09:40-09:40, activities: 1, open
    "#]]);
}

#[test]
fn stopped_one_microsecond_later_keeps_the_session_together() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        09:10:00.000001 ada playing_stopped
        09:40 ada
        =>
        ada 09:00-09:40, activities: 3, foreground: 15m1us, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn a_later_signal_of_the_same_player_cuts_the_reach_short() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m player=1
        09:10 ada playing_progress remaining=5m player=1
        09:45 ada
        =>
        ada 09:00-09:10, activities: 2, foreground: 10m, TimedOut
        ada 09:45-09:45, activities: 1, open
    "#]]);
}

#[test]
fn a_later_signal_of_another_player_does_not() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m player=1
        09:10 ada playing_progress remaining=5m player=2
        09:45 ada
        =>
        ada 09:00-09:45, activities: 3, foreground: 45m, open
    "#]]);
}

#[test]
fn of_two_players_the_furthest_counts() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m player=1
        09:01 ada playing_started remaining=20m player=2
        10:29:59.999999 ada
        =>
        ada 09:00-10:29:59.999999, activities: 3, foreground: 1h5m, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn stopping_one_player_leaves_the_reach_of_the_other() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m player=1
        09:01 ada playing_started remaining=20m player=2
        09:02 ada playing_stopped player=1
        09:51 ada
        =>
        ada 09:00-09:02, activities: 3, foreground: 2m, TimedOut
        ada 09:51-09:51, activities: 1, open
    "#]]);
}

#[test]
fn stopping_one_player_leaves_the_other_playing_to_one_microsecond_less() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m player=1
        09:01 ada playing_started remaining=20m player=2
        09:02 ada playing_stopped player=1
        09:50:59.999999 ada
        =>
        ada 09:00-09:50:59.999999, activities: 4, foreground: 26m, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn nothing_left_to_play_reaches_only_itself() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=0s
        09:30 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:30-09:30, activities: 1, open
    "#]]);
}

#[test]
fn closed_cuts_all_players_short() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m player=1
        09:00 ada playing_started remaining=60m player=2
        09:10 ada closed
        09:11 ada screen
        09:41 ada screen
        =>
        ada 09:00-09:10, activities: 3, foreground: 10m, Closed
        ada 09:11-09:11, activities: 1, TimedOut
        ada 09:41-09:41, activities: 1, open
    "#]]);
}

#[test]
fn ignored_playing_reaches_only_itself() {
    check(&expect![[r#"
        timeout 30
        playing ignored
        09:00 ada playing_started remaining=60m
        09:30 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:30-09:30, activities: 1, open
    "#]]);
}

// Closed, handed over, too long.

#[test]
fn after_closed_comes_a_new_session_however_soon() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:05 ada closed
        09:05:00.000001 ada opened
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, Closed
        ada 09:05:00.000001-09:05:00.000001, activities: 1, open
    "#]]);
}

#[test]
fn closed_and_opened_in_one_microsecond_are_two_sessions() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened id=a
        09:05 ada closed id=b
        09:05 ada opened id=c
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, Closed
        ada 09:05-09:05, activities: 1, open
    "#]]);
}

#[test]
fn closed_after_the_timeout_is_an_orphan() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:30 ada closed
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:30 closed: orphan
    "#]]);
}

#[test]
fn closed_just_before_the_timeout_closes() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:29:59.999999 ada closed
        =>
        ada 09:00-09:29:59.999999, activities: 2, foreground: 5m, idle: 24m59s999999us, Closed
    "#]]);
}

#[test]
fn a_heartbeat_after_closed_is_an_orphan() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:05 ada closed
        09:06 ada heartbeat
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, Closed
        ada 09:06 heartbeat: orphan
    "#]]);
}

#[test]
fn a_handed_over_device_ends_the_session_at_the_last_activity() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:05 ada screen
        09:06 ada user_changed
        09:07 ada screen
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, UserChanged
        ada 09:07-09:07, activities: 1, open
        ada 09:06 user_changed: silent
    "#]]);
}

#[test]
fn a_device_handed_over_after_the_timeout_changes_nothing() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:30 ada user_changed
        09:31 ada screen
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:31-09:31, activities: 1, open
        ada 09:30 user_changed: silent
    "#]]);
}

#[test]
fn a_device_handed_over_just_before_the_timeout_ends_the_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:29:59.999999 ada user_changed
        =>
        ada 09:00-09:00, activities: 1, UserChanged
        ada 09:29:59.999999 user_changed: silent
    "#]]);
}

#[test]
fn handing_over_cuts_players_short() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=3h
        09:10 ada user_changed
        09:11 ada screen
        09:41 ada screen
        =>
        ada 09:00-09:00, activities: 1, UserChanged
        ada 09:11-09:11, activities: 1, TimedOut
        ada 09:41-09:41, activities: 1, open
        ada 09:10 user_changed: silent
    "#]]);
}

#[test]
fn a_device_handed_over_ends_nothing_for_who_was_last_seen_on_another() {
    check(&expect![[r#"
        timeout 30
        09:00 ada device=1
        09:05 ada device=2
        09:10 ada user_changed device=1
        09:15 ada device=1
        09:20 ada user_changed device=1
        09:25 ada
        09:30 ada user_changed device=1
        =>
        ada 09:00-09:15, activities: 3, foreground: 10m, idle: 5m, UserChanged
        ada 09:25-09:25, activities: 1, open
        ada 09:10 user_changed: silent
        ada 09:20 user_changed: silent
        ada 09:30 user_changed: silent
    "#]]);
}

#[test]
fn a_session_may_be_exactly_as_long_as_max_length() {
    check(&expect![[r#"
        timeout 30
        max_length 1h
        09:00 ada
        09:20 ada
        09:40 ada
        10:00 ada
        =>
        ada 09:00-10:00, activities: 4, foreground: 15m, idle: 45m, open
    "#]]);
}

#[test]
fn one_microsecond_more_than_max_length_is_too_long() {
    check(&expect![[r#"
        timeout 30
        max_length 1h
        09:00 ada
        09:20 ada
        09:40 ada
        10:00:00.000001 ada
        =>
        ada 09:00-09:40, activities: 3, foreground: 10m, idle: 30m, TooLong
        ada 10:00:00.000001-10:00:00.000001, activities: 1, open
    "#]]);
}

#[test]
fn a_session_too_long_by_a_heartbeat_ends_and_the_heartbeat_is_an_orphan() {
    check(&expect![[r#"
        timeout 30
        max_length 1h
        09:00 ada
        09:29 ada
        09:58 ada heartbeat
        10:01 ada heartbeat
        =>
        ada 09:00-09:58, activities: 3, foreground: 10m, idle: 48m, TooLong
        ada 10:01 heartbeat: orphan
    "#]]);
}

#[test]
fn a_silence_that_reaches_the_timeout_is_the_reason_even_past_max_length() {
    check(&expect![[r#"
        timeout 30
        max_length 1h
        09:00 ada
        09:29 ada
        10:01 ada
        =>
        ada 09:00-09:29, activities: 2, foreground: 5m, idle: 24m, TimedOut
        ada 10:01-10:01, activities: 1, open
    "#]]);
}

#[test]
fn there_is_no_limit_on_length_unless_it_is_set() {
    check(&expect![[r#"
        timeout 24h
        00:00 ada
        23:00 ada
        46:00 ada
        69:00 ada
        =>
        ada 00:00-69:00, activities: 4, foreground: 15m, idle: 68h45m, open
    "#]]);
}

// In the background.

#[test]
fn the_background_timeout_equals_the_timeout_unless_it_is_set() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:01 ada backgrounded
        09:30:59.999999 ada foregrounded
        =>
        ada 09:00-09:30:59.999999, activities: 3, foreground: 1m, idle: 29m59s999999us, open
    "#]]);
}

#[test]
fn a_gap_of_the_background_timeout_ends_the_session() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada opened
        09:01 ada backgrounded
        09:01:10 ada foregrounded
        =>
        ada 09:00-09:01, activities: 2, foreground: 1m, timeout: 10s of background, TimedOut
        ada 09:01:10-09:01:10, activities: 1, open
    "#]]);
}

#[test]
fn a_gap_one_microsecond_under_the_background_timeout_does_not() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada opened
        09:01 ada backgrounded
        09:01:09.999999 ada foregrounded
        =>
        ada 09:00-09:01:09.999999, activities: 3, foreground: 1m, idle: 9s999999us, open
    "#]]);
}

#[test]
fn the_background_timeout_may_be_longer() {
    check(&expect![[r#"
        timeout 5
        background 60
        09:00 ada opened
        09:01 ada backgrounded
        10:00:59.999999 ada foregrounded
        10:05:59.999999 ada screen
        =>
        ada 09:00-10:00:59.999999, activities: 3, foreground: 1m, idle: 59m59s999999us, TimedOut
        ada 10:05:59.999999-10:05:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn in_the_foreground_the_background_timeout_says_nothing() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada opened
        09:29 ada screen
        =>
        ada 09:00-09:29, activities: 2, foreground: 5m, idle: 24m, open
    "#]]);
}

#[test]
fn while_something_plays_in_the_background_the_timeout_counts_from_its_end() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada playing_started remaining=60m
        09:01 ada backgrounded
        10:29:59.999999 ada foregrounded
        =>
        ada 09:00-10:29:59.999999, activities: 3, foreground: 1m, playing: 59m, idle: 29m59s999999us, open
    "#]]);
}

#[test]
fn silence_after_playing_in_the_background_ends_at_the_timeout_itself() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada playing_started remaining=60m
        09:01 ada backgrounded
        10:30 ada foregrounded
        =>
        ada 09:00-09:01, activities: 2, foreground: 1m, TimedOut
        ada 10:30-10:30, activities: 1, open
    "#]]);
}

#[test]
fn once_playing_has_stopped_in_the_background_the_background_timeout_applies() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada playing_started remaining=60m
        09:01 ada backgrounded
        09:02 ada playing_stopped
        09:02:10 ada foregrounded
        =>
        ada 09:00-09:02, activities: 3, foreground: 1m, playing: 1m, timeout: 10s of background, TimedOut
        ada 09:02:10-09:02:10, activities: 1, open
    "#]]);
}

#[test]
fn playing_that_ends_as_the_app_leaves_the_screen_plays_no_more() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada playing_started remaining=1m
        09:01 ada backgrounded
        09:01:10 ada foregrounded
        =>
        ada 09:00-09:01, activities: 2, foreground: 1m, timeout: 10s of background, TimedOut
        ada 09:01:10-09:01:10, activities: 1, open
    "#]]);
}

#[test]
fn playing_that_ends_one_microsecond_after_the_app_leaves_the_screen_still_plays() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada playing_started remaining=60000001us
        09:01 ada backgrounded
        09:01:10 ada foregrounded
        =>
        ada 09:00-09:01:10, activities: 3, foreground: 1m, playing: 1us, idle: 9s999999us, open
    "#]]);
}

#[test]
fn opened_returns_to_the_foreground() {
    check(&expect![[r#"
        background 10s
        09:00 ada backgrounded
        09:00:01 ada opened
        09:01 ada screen
        =>
        ada 09:00:01-09:01, activities: 2, foreground: 59s, open
        ada 09:00 backgrounded: orphan
    "#]]);
}

#[test]
fn foregrounded_returns_to_the_foreground() {
    check(&expect![[r#"
        background 10s
        09:00 ada backgrounded
        09:00:01 ada foregrounded
        09:01 ada screen
        =>
        ada 09:00:01-09:01, activities: 2, foreground: 59s, open
        ada 09:00 backgrounded: orphan
    "#]]);
}

#[test]
fn a_screen_returns_to_the_foreground() {
    check(&expect![[r#"
        background 10s
        09:00 ada backgrounded
        09:00:01 ada screen
        09:01 ada screen
        =>
        ada 09:00:01-09:01, activities: 2, foreground: 59s, open
        ada 09:00 backgrounded: orphan
    "#]]);
}

#[test]
fn a_page_returns_to_the_foreground() {
    check(&expect![[r#"
        background 10s
        09:00 ada backgrounded
        09:00:01 ada page
        09:01 ada screen
        =>
        ada 09:00:01-09:01, activities: 2, foreground: 59s, open
        ada 09:00 backgrounded: orphan
    "#]]);
}

#[test]
fn an_action_returns_to_the_foreground() {
    check(&expect![[r#"
        background 10s
        09:00 ada backgrounded
        09:00:01 ada action
        09:01 ada screen
        =>
        ada 09:00:01-09:01, activities: 2, foreground: 59s, open
        ada 09:00 backgrounded: orphan
    "#]]);
}

#[test]
fn a_heartbeat_leaves_the_app_in_the_background() {
    check(&expect![[r#"
        background 10s
        09:00 ada screen
        09:01 ada backgrounded
        09:01:05 ada heartbeat
        09:01:15 ada screen
        =>
        ada 09:00-09:01:05, activities: 3, foreground: 1m, idle: 5s, timeout: 10s of background, TimedOut
        ada 09:01:15-09:01:15, activities: 1, open
    "#]]);
}

#[test]
fn playing_signals_leave_the_app_in_the_background() {
    check(&expect![[r#"
        background 10s
        09:00 ada screen
        09:01 ada backgrounded
        09:01:01 ada playing_started
        09:01:02 ada playing_progress
        09:01:03 ada playing_stopped
        09:01:13 ada screen
        =>
        ada 09:00-09:01:03, activities: 5, foreground: 1m, playing: 2s, idle: 1s, timeout: 10s of background, TimedOut
        ada 09:01:13-09:01:13, activities: 1, open
    "#]]);
}

#[test]
fn after_a_session_closed_in_the_background_the_next_begins_in_the_foreground() {
    check(&expect![[r#"
        background 10s
        09:00 ada screen
        09:01 ada backgrounded
        09:01:01 ada closed
        09:02 ada playing_started remaining=1s
        09:02:02 ada playing_stopped
        09:03 ada heartbeat
        =>
        ada 09:00-09:01:01, activities: 3, foreground: 1m, idle: 1s, Closed
        ada 09:02-09:03, activities: 3, foreground: 1m, open
    "#]]);
}

// The parts of a session.

#[test]
fn a_silence_of_exactly_idle_after_is_foreground() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        09:05 ada
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, open
    "#]]);
}

#[test]
fn a_silence_one_microsecond_longer_is_idle_by_that() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        09:05:00.000001 ada
        =>
        ada 09:00-09:05:00.000001, activities: 2, foreground: 5m, idle: 1us, open
    "#]]);
}

#[test]
fn idle_after_can_be_set() {
    check(&expect![[r#"
        timeout 30
        idle_after 1m
        09:00 ada
        09:05 ada
        =>
        ada 09:00-09:05, activities: 2, foreground: 1m, idle: 4m, open
    "#]]);
}

#[test]
fn nothing_is_idle_while_something_plays() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        10:00 ada
        =>
        ada 09:00-10:00, activities: 2, foreground: 1h, open
    "#]]);
}

#[test]
fn idle_after_counts_from_the_end_of_playing() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        10:06 ada
        =>
        ada 09:00-10:06, activities: 2, foreground: 1h5m, idle: 1m, open
    "#]]);
}

#[test]
fn in_the_background_a_silence_is_idle_at_once() {
    check(&expect![[r#"
        timeout 30
        09:00 ada screen
        09:01 ada backgrounded
        09:02 ada foregrounded
        =>
        ada 09:00-09:02, activities: 3, foreground: 1m, idle: 1m, open
    "#]]);
}

#[test]
fn playing_in_the_background_is_playing_until_it_ends_and_then_idle() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=10m
        09:01 ada backgrounded
        09:20 ada foregrounded
        =>
        ada 09:00-09:20, activities: 3, foreground: 1m, playing: 9m, idle: 10m, open
    "#]]);
}

#[test]
fn playing_is_believed_to_the_next_signal() {
    check(&expect![[r#"
        timeout 30
        09:00 ada screen
        09:00 ada playing_started remaining=60m
        09:00 ada backgrounded
        09:10 ada playing_stopped
        09:20 ada foregrounded
        =>
        ada 09:00-09:20, activities: 5, playing: 10m, idle: 10m, open
    "#]]);
}

#[test]
fn without_a_lifecycle_everything_counts_as_foreground() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        09:04 ada
        09:08 ada
        =>
        ada 09:00-09:08, activities: 3, foreground: 8m, open
    "#]]);
}

#[test]
fn the_music_case_is_one_session_and_three_hours_of_playing() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:00:30 ada playing_started remaining=60m
        09:01 ada backgrounded
        10:00:30 ada playing_progress remaining=60m
        11:00:30 ada playing_progress remaining=61m
        12:01 ada playing_stopped
        =>
        ada 09:00-12:01, activities: 6, foreground: 1m, playing: 3h, open
    "#]]);
}

#[test]
fn the_music_case_has_not_ended_at_minute_31() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:00:30 ada playing_started remaining=60m
        09:01 ada backgrounded
        now 09:31
        10:00:30 ada playing_progress remaining=60m
        11:00:30 ada playing_progress remaining=61m
        now 12:31:29.999999
        =>
        ada 09:00-11:00:30, activities: 5, foreground: 1m, playing: 1h59m30s, open
    "#]]);
}

#[test]
fn the_music_case_ends_thirty_minutes_after_the_music() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:00:30 ada playing_started remaining=60m
        09:01 ada backgrounded
        10:00:30 ada playing_progress remaining=60m
        11:00:30 ada playing_progress remaining=61m
        now 12:31:30
        =>
        ada 09:00-11:00:30, activities: 5, foreground: 1m, playing: 1h59m30s, TimedOut
    "#]]);
}

#[test]
fn without_playing_signals_the_music_case_ends_at_minute_31() {
    check(&expect![[r#"
        timeout 30
        09:00 ada opened
        09:01 ada backgrounded
        now 09:31
        =>
        ada 09:00-09:01, activities: 2, foreground: 1m, TimedOut
    "#]]);
}

#[test]
fn the_social_case_is_one_session_at_thirty_minutes() {
    check(&expect![[r#"
        timeout 30
        24 times, 20m apart:
        09:00 ada opened
        09:03 ada backgrounded
        =>
        ada 09:00-16:43, activities: 48, foreground: 1h12m, idle: 6h31m, open
    "#]]);
}

#[test]
fn the_social_case_is_twenty_four_sessions_at_fifteen_minutes() {
    check(&expect![[r#"
        timeout 15
        24 times, 20m apart:
        09:00 ada opened
        09:03 ada backgrounded
        =>
        ada 09:00-09:03, activities: 2, foreground: 3m, TimedOut
        ada 09:20-09:23, activities: 2, foreground: 3m, TimedOut
        ada 09:40-09:43, activities: 2, foreground: 3m, TimedOut
        ada 10:00-10:03, activities: 2, foreground: 3m, TimedOut
        ada 10:20-10:23, activities: 2, foreground: 3m, TimedOut
        ada 10:40-10:43, activities: 2, foreground: 3m, TimedOut
        ada 11:00-11:03, activities: 2, foreground: 3m, TimedOut
        ada 11:20-11:23, activities: 2, foreground: 3m, TimedOut
        ada 11:40-11:43, activities: 2, foreground: 3m, TimedOut
        ada 12:00-12:03, activities: 2, foreground: 3m, TimedOut
        ada 12:20-12:23, activities: 2, foreground: 3m, TimedOut
        ada 12:40-12:43, activities: 2, foreground: 3m, TimedOut
        ada 13:00-13:03, activities: 2, foreground: 3m, TimedOut
        ada 13:20-13:23, activities: 2, foreground: 3m, TimedOut
        ada 13:40-13:43, activities: 2, foreground: 3m, TimedOut
        ada 14:00-14:03, activities: 2, foreground: 3m, TimedOut
        ada 14:20-14:23, activities: 2, foreground: 3m, TimedOut
        ada 14:40-14:43, activities: 2, foreground: 3m, TimedOut
        ada 15:00-15:03, activities: 2, foreground: 3m, TimedOut
        ada 15:20-15:23, activities: 2, foreground: 3m, TimedOut
        ada 15:40-15:43, activities: 2, foreground: 3m, TimedOut
        ada 16:00-16:03, activities: 2, foreground: 3m, TimedOut
        ada 16:20-16:23, activities: 2, foreground: 3m, TimedOut
        ada 16:40-16:43, activities: 2, foreground: 3m, open
    "#]]);
}

// Whose timeout applies.

#[test]
fn the_platform_is_narrower_than_the_app() {
    check(&expect![[r#"
        timeout 30
        platform ios 10m
        09:00 ada platform=ios
        09:10 ada platform=ios
        09:20 bob platform=web
        09:49:59.999999 bob platform=web
        =>
        ada 09:00-09:00, activities: 1, timeout: 10m of platform, TimedOut
        ada 09:10-09:10, activities: 1, timeout: 10m of platform, open
        bob 09:20-09:49:59.999999, activities: 2, foreground: 5m, idle: 24m59s999999us, open
    "#]]);
}

#[test]
fn the_audience_is_narrower_than_the_platform() {
    check(&expect![[r#"
        timeout 30
        platform ios 10m
        audience vip 60m
        member ada vip
        09:00 ada platform=ios
        09:59:59.999999 ada platform=ios
        09:00 bob platform=ios
        09:59:59.999999 bob platform=ios
        =>
        ada 09:00-09:59:59.999999, activities: 2, foreground: 5m, idle: 54m59s999999us, timeout: 1h of audience, open
        bob 09:00-09:00, activities: 1, timeout: 10m of platform, TimedOut
        bob 09:59:59.999999-09:59:59.999999, activities: 1, timeout: 10m of platform, open
    "#]]);
}

#[test]
fn a_users_own_is_narrower_than_the_audience() {
    check(&expect![[r#"
        timeout 30
        platform ios 10m
        audience vip 60m
        member ada vip
        own ada 5m
        09:00 ada platform=ios
        09:04:59.999999 ada platform=ios
        09:09:59.999999 ada platform=ios
        =>
        ada 09:00-09:04:59.999999, activities: 2, foreground: 4m59s999999us, timeout: 5m of user, TimedOut
        ada 09:09:59.999999-09:09:59.999999, activities: 1, timeout: 5m of user, open
    "#]]);
}

#[test]
fn of_two_audiences_the_first_rule_applies() {
    check(&expect![[r#"
        audience vip 60m
        audience new 5m
        member ada new
        member ada vip
        09:00 ada
        =>
        ada 09:00-09:00, activities: 1, timeout: 1h of audience, open
    "#]]);
}

#[test]
fn the_platform_of_the_last_activity_names_the_timeout() {
    check(&expect![[r#"
        timeout 30
        platform ios 10m
        09:00 ada platform=ios
        09:05 ada platform=web
        09:34:59.999999 ada platform=ios
        09:44:59.999999 ada
        =>
        ada 09:00-09:34:59.999999, activities: 3, foreground: 10m, idle: 24m59s999999us, timeout: 10m of platform, TimedOut
        ada 09:44:59.999999-09:44:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn an_orphan_names_no_timeout() {
    check(&expect![[r#"
        timeout 30
        platform ios 1m
        09:00 ada heartbeat platform=ios
        09:00:01 ada screen
        09:02 ada screen
        =>
        ada 09:00:01-09:02, activities: 2, foreground: 1m59s, open
        ada 09:00 heartbeat: orphan
    "#]]);
}

#[test]
fn the_background_timeout_is_a_source_of_its_own() {
    check(&expect![[r#"
        timeout 30
        background 10s
        own ada 45m
        09:00 ada screen
        09:01 ada backgrounded
        =>
        ada 09:00-09:01, activities: 2, foreground: 1m, timeout: 10s of background, open
    "#]]);
}

#[test]
fn the_rule_in_force_when_the_gap_begins_decides() {
    check(&expect![[r#"
        timeout 30
        from 09:10
        timeout 60
        09:09:59.999999 ada
        09:39:59.999999 ada
        =>
        ada 09:09:59.999999-09:09:59.999999, activities: 1, TimedOut
        ada 09:39:59.999999-09:39:59.999999, activities: 1, timeout: 1h of app, open
    "#]]);
}

#[test]
fn a_rule_is_in_force_from_its_very_date_on() {
    check(&expect![[r#"
        timeout 30
        from 09:10
        timeout 60
        09:10 ada
        10:09:59.999999 ada
        =>
        ada 09:10-10:09:59.999999, activities: 2, foreground: 5m, idle: 54m59s999999us, timeout: 1h of app, open
    "#]]);
}

#[test]
fn a_gap_that_begins_after_playing_is_judged_by_the_rule_of_that_moment() {
    check(&expect![[r#"
        timeout 30
        from 10:00
        timeout 60
        09:00 ada playing_started remaining=60m
        10:59:59.999999 ada
        =>
        ada 09:00-10:59:59.999999, activities: 2, foreground: 1h5m, idle: 54m59s999999us, timeout: 1h of app, open
    "#]]);
}

#[test]
fn a_gap_that_begins_one_microsecond_before_the_date_is_judged_by_the_old_rule() {
    check(&expect![[r#"
        timeout 30
        from 10:00:00.000001
        timeout 60
        09:00 ada playing_started remaining=60m
        10:59:59.999999 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 10:59:59.999999-10:59:59.999999, activities: 1, timeout: 1h of app, open
    "#]]);
}

#[test]
fn no_rule_holds_before_its_date_because_something_was_to_go_on_playing() {
    check(&expect![[r#"
        timeout 30
        from 12:00
        timeout 30
        max_length 10m
        09:00 ada playing_started remaining=4h
        09:30 ada screen
        =>
        ada 09:00-09:30, activities: 2, foreground: 30m, open
    "#]]);
}

#[test]
fn a_limit_on_length_holds_from_its_date_on() {
    check(&expect![[r#"
        timeout 30
        from 09:20
        max_length 10m
        09:00 ada
        09:20 ada
        09:20:00.000001 ada
        =>
        ada 09:00-09:20, activities: 2, foreground: 5m, idle: 15m, TooLong
        ada 09:20:00.000001-09:20:00.000001, activities: 1, open
    "#]]);
}

#[test]
fn of_two_versions_of_one_date_the_later_given_holds() {
    check(&expect![[r#"
        timeout 30
        from 09:00
        timeout 10
        from 09:00
        timeout 20
        09:00 ada
        =>
        ada 09:00-09:00, activities: 1, timeout: 20m of app, open
    "#]]);
}

#[test]
fn a_version_given_later_may_have_an_earlier_date() {
    check(&expect![[r#"
        timeout 30
        from 10:00
        timeout 10
        from 09:00
        timeout 20
        09:00 ada
        10:00 ada
        =>
        ada 09:00-09:00, activities: 1, timeout: 20m of app, TimedOut
        ada 10:00-10:00, activities: 1, timeout: 10m of app, open
    "#]]);
}

// Late, early, and twice.

#[test]
fn exactly_seventy_two_hours_is_not_late() {
    check(&expect![[r#"
        09:00 ada received=81:00
        =>
        ada 09:00-09:00, activities: 1, open
    "#]]);
}

#[test]
fn one_microsecond_more_than_seventy_two_hours_is_late() {
    check(&expect![[r#"
        09:00 ada received=81:00:00.000001
        =>
        ada 09:00: late
    "#]]);
}

#[test]
fn allowed_lateness_can_be_set() {
    check(&expect![[r#"
        lateness 1h
        09:00 ada received=10:00
        09:01 ada received=10:01:00.000001
        =>
        ada 09:00-09:00, activities: 1, open
        ada 09:01: late
    "#]]);
}

#[test]
fn exactly_five_minutes_ahead_is_no_future() {
    check(&expect![[r#"
        09:05 ada received=09:00
        =>
        ada 09:05-09:05, activities: 1, open
    "#]]);
}

#[test]
fn one_microsecond_more_than_five_minutes_ahead_is_taken_as_happening_when_received() {
    check(&expect![[r#"
        09:05:00.000001 ada received=09:00
        =>
        ada 09:00-09:00, activities: 1, open
        ada 09:05:00.000001: happened at 09:00, from the future
    "#]]);
}

#[test]
fn a_clock_that_runs_behind_is_put_right() {
    check(&expect![[r#"
        09:00 ada sent=09:10 received=12:00
        =>
        ada 11:50-11:50, activities: 1, open
        ada 09:00: happened at 11:50
    "#]]);
}

#[test]
fn a_clock_that_runs_ahead_is_put_right() {
    check(&expect![[r#"
        15:00 ada sent=15:10 received=12:00
        =>
        ada 11:50-11:50, activities: 1, open
        ada 15:00: happened at 11:50
    "#]]);
}

#[test]
fn a_clock_is_not_put_right_without_the_moment_of_sending() {
    check(&expect![[r#"
        09:00 ada received=12:00
        =>
        ada 09:00-09:00, activities: 1, open
    "#]]);
}

#[test]
fn a_device_that_sends_before_it_happens_is_in_the_future() {
    check(&expect![[r#"
        09:10 ada sent=09:00 received=12:00
        =>
        ada 12:00-12:00, activities: 1, open
        ada 09:10: happened at 12:00, from the future
    "#]]);
}

#[test]
fn a_known_message_id_changes_nothing() {
    check(&expect![[r#"
        09:00 ada id=a
        09:10 ada id=a
        09:00 ada id=a
        =>
        ada 09:00-09:00, activities: 1, open
        ada 09:10: duplicate
        ada 09:00: duplicate
    "#]]);
}

#[test]
fn message_ids_decide_the_order_within_a_microsecond() {
    check(&expect![[r#"
        09:00 ada screen id=b
        09:00 ada closed id=a
        =>
        ada 09:00-09:00, activities: 1, open
        ada 09:00 closed: orphan
    "#]]);
}

#[test]
fn nameless_events_of_one_microsecond_end_last() {
    check(&expect![[r#"
        09:00 ada closed
        09:00 ada screen
        =>
        ada 09:00-09:00, activities: 2, Closed
        ada 09:00 closed: orphan
    "#]]);
}

#[test]
fn an_event_that_is_not_late_bridges_two_sessions() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=a
        09:40 ada id=b
        10:40 ada id=c
        09:20 ada id=d received=10:40
        =>
        ada 09:00-09:40, activities: 3, foreground: 10m, idle: 30m, TimedOut, amended: 1
        ada 10:40-10:40, activities: 1, open
        ada 09:20: amended, takes back 09:00-09:00, takes back 09:40-09:40
    "#]]);
}

#[test]
fn an_event_that_is_not_late_makes_an_earlier_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=b
        10:00 ada id=c
        08:00 ada id=a received=10:00
        =>
        ada 08:00-08:00, activities: 1, TimedOut
        ada 09:00-09:00, activities: 1, TimedOut, amended: 1
        ada 10:00-10:00, activities: 1, open
        ada 08:00: amended, takes back 09:00-09:00
    "#]]);
}

#[test]
fn an_earlier_start_turns_an_orphan_into_a_part_of_its_session() {
    check(&expect![[r#"
        timeout 30
        09:10 ada heartbeat id=b
        09:00 ada screen id=a received=09:10
        =>
        ada 09:00-09:10, activities: 2, foreground: 5m, idle: 5m, open
        ada 09:10 heartbeat: orphan
    "#]]);
}

#[test]
fn an_orphan_heard_of_late_takes_nothing_back() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=b
        09:40 ada id=c
        08:00 ada heartbeat id=a received=09:40
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:40-09:40, activities: 1, open
        ada 08:00 heartbeat: orphan
    "#]]);
}

#[test]
fn a_handover_heard_of_late_parts_a_session() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=a
        09:10 ada id=b
        09:05 ada user_changed id=u received=09:10
        =>
        ada 09:00-09:00, activities: 1, UserChanged
        ada 09:10-09:10, activities: 1, open
        ada 09:05 user_changed: silent
    "#]]);
}

#[test]
fn a_push_received_is_never_amending() {
    check(&expect![[r#"
        09:00 ada id=a
        09:31 ada id=b
        09:10 ada silent id=c received=09:31
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:31-09:31, activities: 1, open
        ada 09:10 silent: silent
    "#]]);
}

// Live.

#[test]
fn the_bell_closes_at_the_deadline() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:30
        =>
        ada 09:00-09:00, activities: 1, TimedOut
    "#]]);
}

#[test]
fn the_bell_is_silent_one_microsecond_before_the_deadline() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:29:59.999999
        =>
        ada 09:00-09:00, activities: 1, open
    "#]]);
}

#[test]
fn the_deadline_counts_from_the_end_of_playing() {
    check(&expect![[r#"
        timeout 30
        09:00 ada playing_started remaining=60m
        now 10:29:59.999999
        =>
        ada 09:00-09:00, activities: 1, open
    "#]]);
}

#[test]
fn the_bell_rings_at_the_background_timeout() {
    check(&expect![[r#"
        timeout 30
        background 10s
        09:00 ada screen
        09:00 ada backgrounded
        now 09:00:10
        =>
        ada 09:00-09:00, activities: 2, timeout: 10s of background, TimedOut
    "#]]);
}

#[test]
fn a_user_of_whom_nothing_is_known_has_no_bell() {
    check(&expect![[r#"
        now 09:00
        10:00 ada heartbeat
        now 12:00
        =>
        ada 10:00 heartbeat: orphan
    "#]]);
}

#[test]
fn an_event_heard_after_the_bell_takes_the_end_back() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:30
        09:10 ada
        =>
        ada 09:00-09:10, activities: 2, foreground: 5m, idle: 5m, open
        ada 09:10: amended, takes back 09:00-09:00
    "#]]);
}

#[test]
fn a_session_that_ends_after_all_counts_how_often_it_was_said_otherwise() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:30
        09:10 ada
        now 09:40
        09:20 ada
        now 09:50
        =>
        ada 09:00-09:20, activities: 3, foreground: 10m, idle: 10m, TimedOut, amended: 2
        ada 09:10: amended, takes back 09:00-09:00
        ada 09:20: amended, takes back 09:00-09:10
    "#]]);
}

#[test]
fn a_visit_after_the_bell_confirms_it() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:30
        09:40 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:40-09:40, activities: 1, open
    "#]]);
}

#[test]
fn closed_heard_after_the_bell_replaces_it() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:30
        09:10 ada closed
        =>
        ada 09:00-09:10, activities: 2, foreground: 5m, idle: 5m, Closed, amended: 1
        ada 09:10 closed: amended, takes back 09:00-09:00
    "#]]);
}

#[test]
fn a_handover_heard_after_the_bell_replaces_it() {
    check(&expect![[r#"
        timeout 30
        09:00 ada
        now 09:30
        09:10 ada user_changed
        =>
        ada 09:00-09:00, activities: 1, UserChanged, amended: 1
        ada 09:10 user_changed: silent, takes back 09:00-09:00
    "#]]);
}

#[test]
fn a_bell_is_taken_back_by_music_heard_of_late() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=a
        09:10 ada id=c
        now 09:40
        09:05 ada playing_started remaining=60m id=b received=09:41
        =>
        ada 09:00-09:10, activities: 3, foreground: 10m, open
        ada 09:05 playing_started: amended, takes back 09:00-09:10
    "#]]);
}

#[test]
fn a_bell_rung_after_the_music_heard_of_late_stands_with_other_facts() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=a
        09:10 ada id=c
        now 10:35
        09:05 ada playing_started remaining=60m id=b received=10:36
        =>
        ada 09:00-09:10, activities: 3, foreground: 10m, TimedOut, amended: 1
        ada 09:05 playing_started: amended, takes back 09:00-09:10
    "#]]);
}

#[test]
fn a_clock_that_goes_back_does_not_reopen() {
    check(&expect![[r#"
        timeout 30
        09:00 ada id=a
        09:05 ada id=c
        now 09:35
        now 09:00
        09:01 ada id=b received=09:35
        =>
        ada 09:00-09:05, activities: 3, foreground: 5m, TimedOut, amended: 1
        ada 09:01: amended, takes back 09:00-09:05
    "#]]);
}

#[test]
fn a_bell_at_midnight_says_what_the_file_says() {
    check(&expect![[r#"
        profile mixpanel
        23:50 ada
        now 24:20
        24:30 ada
        =>
        ada 23:50-23:50, activities: 1, TimedOut
        ada 24:30-24:30, activities: 1, open
    "#]]);
}

// How others define a session.

#[test]
fn braze_web_ends_at_thirty_minutes() {
    check(&expect![[r#"
        profile braze-web
        09:00 ada
        09:29:59.999999 ada
        09:59:59.999999 ada
        =>
        ada 09:00-09:29:59.999999, activities: 2, foreground: 5m, idle: 24m59s999999us, TimedOut
        ada 09:59:59.999999-09:59:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn braze_web_is_never_shorter_than_ten_seconds() {
    check(&expect![[r#"
        profile braze-web
        timeout 5s
        09:00 ada
        09:00:09.999999 ada
        09:00:14.999999 ada
        =>
        ada 09:00-09:00:09.999999, activities: 2, foreground: 9s999999us, TimedOut
        ada 09:00:14.999999-09:00:14.999999, activities: 1, open
    "#]]);
}

#[test]
fn braze_web_may_end_exactly_ten_seconds_after_the_start() {
    check(&expect![[r#"
        profile braze-web
        timeout 5s
        09:00 ada
        09:00:10 ada
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:00:10-09:00:10, activities: 1, open
    "#]]);
}

#[test]
fn braze_web_rings_no_earlier_than_ten_seconds_after_the_start() {
    check(&expect![[r#"
        profile braze-web
        timeout 5s
        09:00 ada
        now 09:00:09.999999
        =>
        ada 09:00-09:00, activities: 1, open
    "#]]);
}

#[test]
fn braze_web_rings_ten_seconds_after_the_start() {
    check(&expect![[r#"
        profile braze-web
        timeout 5s
        09:00 ada
        now 09:00:10
        =>
        ada 09:00-09:00, activities: 1, TimedOut
    "#]]);
}

#[test]
fn braze_mobile_ends_after_ten_seconds_in_the_background() {
    check(&expect![[r#"
        profile braze-mobile
        09:00 ada opened
        09:01 ada backgrounded
        09:01:09.999999 ada foregrounded
        09:02 ada backgrounded
        09:02:10 ada foregrounded
        =>
        ada 09:00-09:02, activities: 4, foreground: 1m50s1us, idle: 9s999999us, timeout: 10s of background, TimedOut
        ada 09:02:10-09:02:10, activities: 1, open
    "#]]);
}

#[test]
fn braze_mobile_stays_in_the_foreground() {
    check(&expect![[r#"
        profile braze-mobile
        09:00 ada opened
        09:29 ada screen
        =>
        ada 09:00-09:29, activities: 2, foreground: 5m, idle: 24m, open
    "#]]);
}

#[test]
fn ga4_ends_at_thirty_minutes() {
    check(&expect![[r#"
        profile ga4
        09:00 ada
        09:29:59.999999 ada
        09:59:59.999999 ada
        =>
        ada 09:00-09:29:59.999999, activities: 2, foreground: 5m, idle: 24m59s999999us, TimedOut
        ada 09:59:59.999999-09:59:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn amplitude_mobile_ends_at_five_minutes() {
    check(&expect![[r#"
        profile amplitude-mobile
        09:00 ada
        09:04:59.999999 ada
        09:09:59.999999 ada
        =>
        ada 09:00-09:04:59.999999, activities: 2, foreground: 4m59s999999us, TimedOut
        ada 09:09:59.999999-09:09:59.999999, activities: 1, open
    "#]]);
}

#[test]
fn mixpanel_ends_at_midnight() {
    check(&expect![[r#"
        profile mixpanel
        23:59:59.999999 ada
        24:00 ada
        =>
        ada 23:59:59.999999-23:59:59.999999, activities: 1, Midnight
        ada 24:00-24:00, activities: 1, open
    "#]]);
}

#[test]
fn mixpanel_does_not_end_just_before_midnight() {
    check(&expect![[r#"
        profile mixpanel
        23:50 ada
        23:59:59.999999 ada
        =>
        ada 23:50-23:59:59.999999, activities: 2, foreground: 5m, idle: 4m59s999999us, open
    "#]]);
}

#[test]
fn mixpanel_ends_at_midnight_of_the_zone() {
    check(&expect![[r#"
        zone +2h
        profile mixpanel
        21:50 ada
        21:59:59.999999 ada
        22:00 ada
        24:00 ada
        24:05 ada
        =>
        ada 21:50-21:59:59.999999, activities: 2, foreground: 5m, idle: 4m59s999999us, Midnight
        ada 22:00-22:00, activities: 1, TimedOut
        ada 24:00-24:05, activities: 2, foreground: 5m, open
    "#]]);
}

#[test]
fn mixpanel_follows_summer_time() {
    check(&expect![[r#"
        zone +1h
        zone 22:30 +2h
        profile mixpanel
        21:59:59.999999 ada
        22:25 ada
        22:30 ada
        22:55 ada
        23:10 ada
        =>
        ada 21:59:59.999999-22:25, activities: 2, foreground: 5m, idle: 20m1us, Midnight
        ada 22:30-23:10, activities: 3, foreground: 10m, idle: 30m, open
    "#]]);
}

#[test]
fn west_of_utc_midnight_comes_later() {
    check(&expect![[r#"
        zone -5h
        profile mixpanel
        24:00 ada
        28:59:59.999999 bob
        29:00 bob
        =>
        ada 24:00-24:00, activities: 1, open
        bob 28:59:59.999999-28:59:59.999999, activities: 1, Midnight
        bob 29:00-29:00, activities: 1, open
    "#]]);
}

#[test]
fn mixpanel_times_out_before_midnight_when_the_silence_is_long_enough() {
    check(&expect![[r#"
        profile mixpanel
        23:20 ada
        24:10 ada
        =>
        ada 23:20-23:20, activities: 1, TimedOut
        ada 24:10-24:10, activities: 1, open
    "#]]);
}

#[test]
fn matomo_starts_anew_with_another_campaign() {
    check(&expect![[r#"
        profile matomo
        09:00 ada campaign=1
        09:05 ada campaign=1
        09:10 ada
        09:15 ada campaign=2
        =>
        ada 09:00-09:10, activities: 3, foreground: 10m, NewCampaign
        ada 09:15-09:15, activities: 1, open
    "#]]);
}

#[test]
fn matomo_starts_anew_with_a_first_campaign() {
    check(&expect![[r#"
        profile matomo
        09:00 ada
        09:05 ada campaign=1
        =>
        ada 09:00-09:00, activities: 1, NewCampaign
        ada 09:05-09:05, activities: 1, open
    "#]]);
}

#[test]
fn matomo_ends_at_midnight() {
    check(&expect![[r#"
        profile matomo
        23:59 ada
        24:01 ada
        =>
        ada 23:59-23:59, activities: 1, Midnight
        ada 24:01-24:01, activities: 1, open
    "#]]);
}

#[test]
fn no_other_profile_starts_anew_with_another_campaign() {
    check(&expect![[r#"
        profile ga4
        09:00 ada campaign=1
        09:05 ada campaign=2
        =>
        ada 09:00-09:05, activities: 2, foreground: 5m, open
    "#]]);
}

#[test]
fn posthog_ends_after_exactly_a_day_at_most() {
    check(&expect![[r#"
        profile posthog
        timeout 24h
        00:00 ada
        12:00 ada
        24:00 ada
        24:00:00.000001 ada
        =>
        ada 00:00-24:00, activities: 3, foreground: 10m, idle: 23h50m, TooLong
        ada 24:00:00.000001-24:00:00.000001, activities: 1, open
    "#]]);
}

#[test]
fn snowplow_continues_at_equality() {
    check(&expect![[r#"
        profile snowplow
        09:00 ada
        09:30 ada
        10:00:00.000001 ada
        =>
        ada 09:00-09:30, activities: 2, foreground: 5m, idle: 25m, timeout: 30m1us of app, TimedOut
        ada 10:00:00.000001-10:00:00.000001, activities: 1, timeout: 30m1us of app, open
    "#]]);
}

#[test]
fn snowplow_rings_one_microsecond_later() {
    check(&expect![[r#"
        profile snowplow
        09:00 ada
        now 09:30
        =>
        ada 09:00-09:00, activities: 1, timeout: 30m1us of app, open
    "#]]);
}

#[test]
fn snowplow_rings_when_the_timeout_is_passed() {
    check(&expect![[r#"
        profile snowplow
        09:00 ada
        now 09:30:00.000001
        =>
        ada 09:00-09:00, activities: 1, timeout: 30m1us of app, TimedOut
    "#]]);
}

#[test]
fn an_exclusive_edge_holds_in_the_background_too() {
    check(&expect![[r#"
        timeout 30
        background 10s
        edge continues
        09:00 ada screen
        09:00 ada backgrounded
        09:00:10 ada screen
        =>
        ada 09:00-09:00:10, activities: 3, idle: 10s, timeout: 30m1us of app, open
    "#]]);
}

#[test]
fn no_profile_knows_playing() {
    check(&expect![[r#"
        profile ga4
        09:00 ada playing_started remaining=3h
        09:30 ada screen
        =>
        ada 09:00-09:00, activities: 1, TimedOut
        ada 09:30-09:30, activities: 1, open
    "#]]);
}
