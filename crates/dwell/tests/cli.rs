//! The command line as its users see it: what is printed, what is written, and how it refuses.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn dwell(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_dwell")).current_dir(folder).args(args).output().unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(folder: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&stdout(&dwell(folder, args))).unwrap()
}

/// Runs a command that must fail without a panic, and returns its exit code and what it said.
fn refused(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = dwell(folder, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

fn check_refusal(name: &str, bytes: &[u8], args: &[&str], says: &[&str]) {
    let folder = folder();
    fs::write(folder.path().join(name), bytes).unwrap();
    let (code, said) = refused(folder.path(), &[&["sessions", name], args].concat());
    assert_eq!(code, 1, "{said}");
    for words in says {
        assert!(said.contains(words), "{said:?} does not say {words:?}");
    }
}

#[test]
fn input_that_is_no_log_is_refused_with_the_place_and_the_mend() {
    let (code, said) = refused(folder().path(), &["sessions", "nobody.csv"]);
    assert_eq!((code, said.as_str()), (1, "dwell: nobody.csv: no such file\n"));
    check_refusal("empty.csv", b"", &[], &["empty.csv", "the file is empty"]);
    check_refusal("a.csv", b"who,ts\nada,1700000000\n", &["--user", "whom"], &["whom", "the columns are", "who"]);
    check_refusal("b.csv", b"nobody,ts\nada,1700000000\n", &[], &["no column looks like the user", "--user"]);
    check_refusal(
        "c.csv",
        b"user,ts\na,1700000000\nb,1700000000000\n",
        &[],
        &["do not agree on a unit", "--time-unit"],
    );
    check_refusal("d.parquet", b"PAR1 and then nothing", &[], &["d.parquet"]);
    let mut whole = flate(b"user,ts\nada,1700000000\nada,1700000001\n");
    whole.truncate(whole.len() - 6);
    check_refusal("e.csv.gz", &whole, &[], &["gzip", "breaks off", "2 rows"]);
}

fn flate(text: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("gzip is needed");
    child.stdin.take().unwrap().write_all(text).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_bad_row_never_stops_the_rest_and_is_counted_shown_and_kept() {
    let folder = folder();
    let long = "x".repeat(10_000);
    let log = format!(
        "user,ts\nada,1700000000\n,1700000001\nbo,NaN\ncleo,inf\ndara,-2208988800\neli,10413792000\n{long},1700000002\n\
         fay\ngus,1700000003,more\nada,1700000060\n"
    );
    fs::write(folder.path().join("log.csv"), &log).unwrap();
    let output = dwell(folder.path(), &["sessions", "log.csv", "--json", "--rejects", "bad.ndjson"]);
    let summary: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((summary["events"].as_u64(), summary["rows"].as_u64()), (Some(2), Some(10)));
    let rejected: u64 = summary["rejected"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(rejected, 8);
    let said = String::from_utf8(output.stderr).unwrap();
    for words in ["8 rows could not be read", "log.csv:3", "and 3 more; --rejects FILE keeps all"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(fs::read_to_string(folder.path().join("bad.ndjson")).unwrap().lines().count(), 8);
    let (code, said) = refused(folder.path(), &["sessions", "log.csv", "--strict"]);
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("log.csv:3"), "{said}");
}

#[test]
fn a_line_of_many_megabytes_is_one_bad_row() {
    let folder = folder();
    let mut log = b"user,ts\nada,1700000000\n".to_vec();
    log.extend(std::iter::repeat_n(b'x', 40_000_000));
    log.extend_from_slice(b"\nada,1700000060\n");
    fs::write(folder.path().join("log.csv"), &log).unwrap();
    let summary = json(folder.path(), &["sessions", "log.csv", "--json"]);
    assert_eq!((summary["events"].as_u64(), summary["rejected"]["line_too_long"].as_u64()), (Some(2), Some(1)));
}

#[test]
fn a_timeout_out_of_bounds_is_refused_with_the_bounds() {
    let folder = folder();
    for timeout in ["1000000000s", "0s", "86401s", "30"] {
        let (code, said) = refused(folder.path(), &["sessions", "x.csv", "--timeout", timeout]);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("from 1 s to 24 h") || said.contains("its unit"), "{said}");
    }
}

/// One user's story as CSV: minutes and events.
fn diary(events: &[(f64, &str)]) -> String {
    let line = |(minute, event): &(f64, &str)| format!("ada,{},{event}\n", 1_700_000_000_000.0 + minute * 60_000.0);
    format!("user,ts,event\n{}", events.iter().map(line).collect::<String>())
}

#[test]
fn three_hours_of_music_in_the_background_are_one_session_and_without_its_signals_are_not() {
    let folder = folder();
    let mut music = vec![(0.0, "opened"), (0.5, "playing_started"), (1.0, "backgrounded")];
    music.extend((1..=36).map(|step| (1.0 + 5.0 * f64::from(step), "playing_progress")));
    music.push((181.5, "playing_stopped"));
    music.push((185.0, "foregrounded"));
    fs::write(folder.path().join("music.csv"), diary(&music)).unwrap();
    let with = json(folder.path(), &["sessions", "music.csv", "--json"]);
    assert_eq!(with["sessions"], 1);
    assert_eq!(with["playing_us"], 180 * 60_000_000_u64 + 30_000_000);
    let silent: Vec<_> = music.iter().filter(|(_, event)| !event.starts_with("playing")).copied().collect();
    fs::write(folder.path().join("silent.csv"), diary(&silent)).unwrap();
    let without = json(folder.path(), &["sessions", "silent.csv", "--json"]);
    assert_eq!((without["sessions"].as_u64(), without["playing_us"].as_u64()), (Some(2), Some(0)));
}

#[test]
fn eight_hours_of_looking_in_every_twenty_minutes_are_one_session_or_twenty_four() {
    let folder = folder();
    let looks: Vec<(f64, &str)> =
        (0..24).flat_map(|look| (0..=3).map(move |minute| (f64::from(20 * look + minute), "view"))).collect();
    fs::write(folder.path().join("social.csv"), diary(&looks)).unwrap();
    for (timeout, sessions) in [("30m", 1), ("17m", 24), ("15m", 24)] {
        assert_eq!(
            json(folder.path(), &["sessions", "social.csv", "--timeout", timeout, "--json"])["sessions"],
            sessions
        );
    }
}

fn simulated(folder: &Path, name: &str, more: &[&str]) {
    stdout(&dwell(folder, &[&["simulate", "-o", name, "--short-ids", "--users", "200", "--days", "7"], more].concat()));
}

#[test]
fn order_threads_memory_and_format_change_nothing() {
    let folder = folder();
    let faults = ["--late", "5%", "--very-late", "1%", "--duplicated", "3%", "--skewed-clocks", "5%"];
    for name in ["log.csv", "log.ndjson", "log.parquet"] {
        simulated(folder.path(), name, &faults);
    }
    let text = fs::read_to_string(folder.path().join("log.csv")).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let header = lines.remove(0);
    lines.sort_by_key(|line| line.bytes().fold(7u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))));
    lines.extend(lines.clone().iter().take(500));
    fs::write(folder.path().join("shuffled.csv"), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    let sessions = |args: &[&str]| stdout(&dwell(folder.path(), &[&["-q", "sessions"], args, &["-o", "-"]].concat()));
    let expected = sessions(&["log.csv"]);
    assert!(100 < expected.lines().count());
    assert_eq!(sessions(&["shuffled.csv"]), expected);
    assert_eq!(sessions(&["log.csv", "--memory", "1", "--threads", "1"]), expected, "events set aside on disk");
    assert_eq!(sessions(&["log.parquet", "--threads", "3"]), expected);
    assert_eq!(sessions(&["log.ndjson"]), expected);
    assert_ne!(sessions(&["log.csv", "--restate"]), expected, "a restatement takes up late events");
}

#[test]
fn the_lab_says_what_a_replay_says() {
    let folder = folder();
    simulated(folder.path(), "log.parquet", &["--population", "mixed", "--late", "2%"]);
    let lab = json(folder.path(), &["lab", "log.parquet", "--json"]);
    for seconds in [1_u64, 7, 10, 60, 299, 300, 1800, 3600, 40_000, 86_400] {
        let timeout = format!("{seconds}s");
        let replay = json(folder.path(), &["sessions", "log.parquet", "--timeout", &timeout, "--json"]);
        let at = |list: &str| lab["curve"][list][seconds as usize - 1].clone();
        assert_eq!(at("sessions"), replay["sessions"], "{timeout}");
        assert_eq!(at("total_length_us"), replay["total_length_us"], "{timeout}");
        let row = lab["grid"].as_array().unwrap().iter().find(|row| row["timeout_s"] == seconds);
        if let Some(row) = row {
            for name in ["one_activity", "median_length_us", "p75_length_us", "p90_length_us", "p99_length_us"] {
                assert_eq!(row[name], replay[name], "{timeout} {name}");
            }
        }
    }
}

#[test]
fn the_lab_split_by_a_column_adds_up_and_writes_a_page_that_needs_nothing() {
    let folder = folder();
    simulated(folder.path(), "log.parquet", &[]);
    let lab = json(folder.path(), &["lab", "log.parquet", "--by", "platform", "--html", "lab.html", "--json"]);
    let values = lab["by"]["values"].as_array().unwrap();
    let sum: u64 = values.iter().map(|value| value["from"]["sessions"].as_u64().unwrap()).sum();
    assert_eq!(lab["compared"]["from"]["sessions"], sum);
    let page = fs::read_to_string(folder.path().join("lab.html")).unwrap();
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
    let (code, said) = refused(folder.path(), &["lab", "log.parquet", "--by", "message_id"]);
    assert_eq!(code, 1);
    assert!(said.contains("more than 40 values"), "{said}");
}

#[test]
fn every_profile_counts_and_completions_are_written() {
    let folder = folder();
    simulated(folder.path(), "log.parquet", &["--population", "music"]);
    for profile in ["braze-web", "braze-mobile", "ga4", "amplitude-mobile", "mixpanel", "matomo", "posthog", "snowplow"]
    {
        let summary = json(folder.path(), &["sessions", "log.parquet", "--profile", profile, "--json"]);
        assert!(0 < summary["sessions"].as_u64().unwrap(), "{profile}");
        assert_eq!(summary["playing_us"], 0, "{profile} knows nothing of playing");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&dwell(folder.path(), &["completions", shell])).contains("dwell"));
    }
}

/// The real logs beside the project; the project holds none of them.
fn real(name: &str) -> Option<String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("DWELL_DATA").map_or(beside, PathBuf::from);
    let path = folder.join(name);
    if !path.exists() {
        println!("{name} is not here: this test was skipped; DWELL_DATA names the folder of the real logs");
        return None;
    }
    Some(path.to_string_lossy().into_owned())
}

#[test]
fn readers_of_wikipedia_make_as_many_sessions_as_reconstructr_prints() {
    let Some(log) = real("wikireaders_reconstructr.csv.gz") else { return };
    for (timeout, sessions) in [("1800s", 22_226), ("3600s", 20_820)] {
        assert_eq!(json(Path::new("."), &["sessions", &log, "--timeout", timeout, "--json"])["sessions"], sessions);
    }
}

#[test]
fn true_visits_to_a_shop_are_found_as_well_as_is_known() {
    let Some(log) = real("ecom_synthetic_retentioneering4.csv.gz") else { return };
    for (timeout, f1) in [("10m", 0.914), ("15m", 0.981), ("30m", 1.0)] {
        let summary = json(Path::new("."), &["sessions", &log, "--truth", "sess", "--timeout", timeout, "--json"]);
        assert!((summary["truth"]["f1"].as_f64().unwrap() - f1).abs() < 0.0005, "{timeout}: {}", summary["truth"]);
    }
    let lab = json(Path::new("."), &["lab", &log, "--truth", "sess", "--json"]);
    assert!((lab["curve"]["f1"][599].as_f64().unwrap() - 0.914).abs() < 0.0005);
}

#[test]
fn every_time_a_screen_goes_off_a_session_ends() {
    let Some(log) = real("aware_screen_niimpy.csv.gz") else { return };
    let args = ["sessions", &log, "--event", "kind", "--as", "1=opened,0=closed,2=silent,3=action", "--json"];
    let summary = json(Path::new("."), &args);
    let (closed, orphans) =
        (summary["ended"]["closed"].as_u64().unwrap(), summary["outcomes"]["orphan"].as_u64().unwrap());
    // Every off ends the session that is open, or there is none to end.
    assert_eq!(closed + orphans, 1606, "{summary}");
}

#[test]
fn five_users_are_too_few_for_advice() {
    let Some(log) = real("webtrackr_panel.csv.gz") else { return };
    let lab = json(Path::new("."), &["lab", &log, "--event", "none", "--json"]);
    assert_eq!(lab["advice"]["timeout_s"], serde_json::Value::Null);
    assert!(lab["advice"]["words"].as_str().unwrap().contains("5 users"), "{}", lab["advice"]["words"]);
}
