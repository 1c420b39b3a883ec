//! Apps, keys and the configuration, as whoever sets Dwell up sees them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The binary in a folder, with an environment that holds nothing of ours.
fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.current_dir(folder).args(args).env_clear();
    command
}

fn dwell(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(folder: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&stdout(dwell(folder, &[args, &["--json"]].concat()))).unwrap()
}

fn refused(folder: &Path, args: &[&str]) -> (i32, String) {
    let output = dwell(folder, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty() && !said.contains("panicked"), "{said}");
    (output.status.code().unwrap(), said)
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{value} has no text {field}"))
}

#[test]
fn an_app_is_added_once_with_its_write_key() {
    let folder = folder();
    let added = json(folder.path(), &["apps", "add", "Radio", "--zone", "asia/seoul"]);
    assert_eq!((text(&added["app"], "name"), text(&added["app"], "zone")), ("Radio", "Asia/Seoul"));
    let key = text(&added, "write_key");
    assert!(key.starts_with("dw_w_") && text(&added["app"], "id").starts_with("app_"));
    let (code, said) = refused(folder.path(), &["apps", "add", "radio"]);
    assert_eq!(code, 1);
    assert!(said.starts_with("dwell: there is an app \"Radio\" already: app_"), "{said}");
    assert_eq!(json(folder.path(), &["apps", "list"])[0], added["app"]);
    let keys = json(folder.path(), &["keys", "list"]);
    assert_eq!((text(&keys[0], "label"), text(&keys[0], "role"), text(&keys[0], "state")), (key, "write", "valid"));
    assert!(folder.path().join("dwell-data/apps.json").exists());
}

#[test]
fn what_is_no_name_and_no_zone_is_a_wrong_flag() {
    let folder = folder();
    for (args, says) in [
        (["apps", "add", "", "--zone", "UTC"], "1 to 64 characters"),
        (["apps", "add", "Radio", "--zone", "Mars"], "is no time zone like Asia/Seoul, UTC or +09:00"),
        (["keys", "add", "--app", "Radio", "--scope=rule"], "none of read, write_policy, admin_app"),
        (["keys", "add", "--app", "Radio", "--expires=90"], "its unit"),
    ] {
        let (code, said) = refused(folder.path(), &args);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains(says), "{said}");
    }
    for args in [&["keys", "add", "--app", "Radio"][..], &["keys", "add", "--scope", "read"], &["keys", "revoke", "dw"]]
    {
        assert_eq!(refused(folder.path(), args).0, 2, "{args:?}");
    }
    assert!(!folder.path().join("dwell-data").exists(), "nothing was made");
}

#[test]
fn a_folder_that_is_not_there_is_no_empty_one() {
    let (code, said) = refused(folder().path(), &["apps", "list", "--data", "nowhere"]);
    assert_eq!(code, 1);
    assert!(said.contains("there is no data folder nowhere: add an app with `dwell apps add`"), "{said}");
}

#[test]
fn a_secret_is_shown_alone_and_once() {
    let folder = folder();
    stdout(dwell(folder.path(), &["apps", "add", "Radio"]));
    let shown = dwell(folder.path(), &["keys", "add", "--app", "Radio", "--scope", "read,write_policy"]);
    let said = String::from_utf8(shown.stderr.clone()).unwrap();
    let secret = stdout(shown);
    let secret = secret.strip_suffix('\n').unwrap();
    assert!(secret.starts_with("dw_s_") && secret.len() == 57, "{secret}");
    assert!(said.contains("shown this once") && said.contains(&secret[..13]) && !said.contains(secret), "{said}");
    let list = stdout(dwell(folder.path(), &["keys", "list"])) + &json(folder.path(), &["keys", "list"]).to_string();
    assert!(list.contains(&secret[..13]) && !list.contains(&secret[13..]), "{list}");
    assert!(list.contains("secret: read,write_policy"), "{list}");
    let quiet = dwell(folder.path(), &["-q", "keys", "add", "--app", "Radio", "--write"]);
    assert!(quiet.stderr.is_empty() && stdout(quiet).starts_with("dw_w_"));
}

#[test]
fn keys_are_rotated_and_revoked() {
    let folder = folder();
    stdout(dwell(folder.path(), &["apps", "add", "Radio"]));
    let old = json(folder.path(), &["keys", "add", "--app", "radio", "--scope", "read", "--expires", "90d"]);
    let new = json(folder.path(), &["keys", "rotate", text(&old, "label"), "--keep", "1h"]);
    assert_eq!((text(&new["replaces"], "label"), text(&new["replaces"], "state")), (text(&old, "label"), "valid"));
    assert_eq!(text(&new["replaces"], "replaced_by"), text(&new, "label"));
    assert!(text(&new["replaces"], "expires_at") < text(&old, "expires_at"));
    assert!(text(&old, "expires_at") <= text(&new, "expires_at"), "as long a life, begun later");
    let (code, said) = refused(folder.path(), &["keys", "rotate", text(&old, "label")]);
    assert_eq!(code, 1);
    assert!(said.contains("was replaced by"), "{said}");
    // A whole key names itself, too, for those who have nothing else of it.
    json(folder.path(), &["keys", "revoke", text(&new, "key")]);
    let (code, said) = refused(folder.path(), &["keys", "revoke", text(&new, "label")]);
    assert_eq!(code, 1);
    assert!(said.ends_with("is revoked already\n"), "{said}");
    let at_once = json(folder.path(), &["keys", "add", "--app", "Radio", "--write"]);
    let at_once = json(folder.path(), &["keys", "rotate", text(&at_once, "label"), "--keep", "0s"]);
    assert_eq!(text(&at_once["replaces"], "state"), "expired");
    let states: Vec<String> = json(folder.path(), &["keys", "list", "--app", "Radio"])
        .as_array()
        .unwrap()
        .iter()
        .map(|key| text(key, "state").to_owned())
        .collect();
    assert_eq!(states, ["valid", "valid", "revoked", "expired", "valid"]);
}

#[test]
fn one_admin_key_holds_at_a_time() {
    let folder = folder();
    stdout(dwell(folder.path(), &["apps", "add", "Radio"]));
    let first = json(folder.path(), &["keys", "add", "--admin"]);
    assert_eq!((text(&first, "role"), &first["app"]), ("admin", &Value::Null));
    let (code, said) = refused(folder.path(), &["keys", "add", "--admin"]);
    assert_eq!(code, 1);
    assert!(said.contains(&format!("rotate it with `dwell keys rotate {}`", text(&first, "label"))), "{said}");
}

#[test]
fn names_of_events_are_explained_and_forgotten() {
    let folder = folder();
    stdout(dwell(folder.path(), &["apps", "add", "Radio"]));
    let with = json(folder.path(), &["apps", "explain", "Radio", "Song Started", "playing_started"]);
    assert_eq!(text(&with["names"], "Song Started"), "playing_started");
    let (code, said) = refused(folder.path(), &["apps", "explain", "Radio", "Song Started", "singing"]);
    assert_eq!(code, 2);
    assert!(said.contains("is none of opened"), "{said}");
    let without = json(folder.path(), &["apps", "explain", "Radio", "Song Started"]);
    assert_eq!(without.get("names"), None);
}

#[test]
fn commands_at_once_lose_nothing() {
    let folder = folder();
    let start = |number: usize| {
        let mut command = command(folder.path(), &["apps", "add", &format!("app {number}")]);
        command.stdout(Stdio::null()).spawn().unwrap()
    };
    let running: Vec<_> = (0..16).map(start).collect();
    for mut one in running {
        assert!(one.wait().unwrap().success());
    }
    assert_eq!(json(folder.path(), &["apps", "list"]).as_array().unwrap().len(), 16);
}

#[test]
fn a_damaged_file_is_named_with_its_line_and_left_alone() {
    let folder = folder();
    stdout(dwell(folder.path(), &["apps", "add", "Radio"]));
    let path = folder.path().join("dwell-data/apps.json");
    let damaged = fs::read_to_string(&path).unwrap().replace("\"UTC\"", "\"Mars\"");
    fs::write(&path, &damaged).unwrap();
    for args in [&["apps", "list"][..], &["apps", "add", "Films"], &["keys", "list"]] {
        let (code, said) = refused(folder.path(), args);
        assert_eq!(code, 1);
        assert!(said.contains("apps.json:7: \"Mars\" is no time zone") && said.contains("mend it there"), "{said}");
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
}

#[test]
fn the_configuration_is_shown_with_where_it_comes_from() {
    let folder = folder();
    fs::write(folder.path().join("dwell.toml"), "[server]\nlisten = \"0.0.0.0:80\"\n\n[log]\nretention = \"3d\"\n")
        .unwrap();
    let output = command(folder.path(), &["config", "check", "--data", "elsewhere", "--set", "books.cache_bytes=1GiB"])
        .env("DWELL_LOG_RETENTION", "9d")
        .output()
        .unwrap();
    let shown = stdout(output);
    for line in [
        ["server.listen", "0.0.0.0:80", "dwell.toml:2"],
        ["server.data", "elsewhere", "--data"],
        ["server.tls_key", "(none)", "default"],
        ["log.retention", "9d", "DWELL_LOG_RETENTION"],
        ["books.cache_bytes", "1GiB", "--set"],
    ] {
        let there = shown.lines().any(|row| row.split_whitespace().eq(line));
        assert!(there, "{line:?} is not in\n{shown}");
    }
    let meant = json(folder.path(), &["config", "check"]);
    assert_eq!(meant["meant"]["log"]["retention_us"], 259_200_000_000_u64);
    assert_eq!(meant["written"]["log.retention"]["from"], "dwell.toml:5");
}

#[test]
fn a_configuration_is_found_by_flag_by_variable_or_beside() {
    let folder = folder();
    for (name, port) in [("dwell.toml", 1), ("variable.toml", 2), ("flag.toml", 3)] {
        fs::write(folder.path().join(name), format!("server.listen = \"127.0.0.1:{port}\"\n")).unwrap();
    }
    let listen = |args: &[&str], variable: &str| {
        let args = [&["config", "check", "--json"], args].concat();
        let output = command(folder.path(), &args).env("DWELL_CONFIG", variable).output().unwrap();
        let report: Value = serde_json::from_str(&stdout(output)).unwrap();
        text(&report["meant"]["server"], "listen").to_owned()
    };
    assert_eq!(listen(&[], ""), "127.0.0.1:1");
    assert_eq!(listen(&[], "variable.toml"), "127.0.0.1:2");
    assert_eq!(listen(&["flag.toml"], "variable.toml"), "127.0.0.1:3");
    assert_eq!(listen(&["flag.toml", "--listen", "127.0.0.1:4"], "variable.toml"), "127.0.0.1:4");
    assert_eq!(refused(folder.path(), &["config", "check", "nobody.toml"]).0, 1);
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line_by_every_command() {
    let folder = folder();
    fs::write(folder.path().join("dwell.toml"), "[server]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    for args in [&["config", "check"][..], &["apps", "list"], &["keys", "list"]] {
        let (code, said) = refused(folder.path(), args);
        assert_eq!(code, 1);
        assert_eq!(said, "dwell: dwell.toml:2: there is no key `server.lisen`; did you mean `server.listen`?\n");
    }
    for (args, code) in
        [(["--set", "server.workers"], 2), (["--listen", "8080"], 2), (["--set", "server.workers=many"], 1)]
    {
        fs::write(folder.path().join("dwell.toml"), "").unwrap();
        assert_eq!(refused(folder.path(), &[&["config", "check"], &args[..]].concat()).0, code, "{args:?}");
    }
}

#[test]
fn files_that_the_configuration_names_are_looked_at() {
    let folder = folder();
    let check = |set: &[&str]| refused(folder.path(), &[&["config", "check"], set].concat());
    let (code, said) = check(&["--set", "server.tls_key=k.pem", "--set", "server.tls_certificate=c.pem"]);
    assert_eq!(code, 1);
    assert!(said.contains("server.tls_certificate: cannot open c.pem"), "{said}");
    fs::write(folder.path().join("policy.toml"), "timeout = \"30 parsecs\"\n").unwrap();
    let (code, said) = check(&["--set", "sessions.policy=policy.toml"]);
    assert_eq!(code, 1);
    assert!(said.contains("sessions.policy: the policy policy.toml cannot be used: the policy, timeout:"), "{said}");
}

#[test]
fn the_defaults_can_be_written_out_and_read_back() {
    let folder = folder();
    let defaults = stdout(dwell(folder.path(), &["config", "default"]));
    fs::write(folder.path().join("mine.toml"), &defaults).unwrap();
    let (mine, ours) =
        (json(folder.path(), &["config", "check", "mine.toml"]), json(folder.path(), &["config", "check"]));
    assert_eq!(mine["meant"], ours["meant"]);
}

#[test]
fn whoever_reads_a_list_may_stop_reading() {
    let folder = folder();
    let mut listing = command(folder.path(), &["config", "check"]);
    let mut listing = listing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(listing.stdout.take());
    let output = listing.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs a command that reads a password.
fn with_password(folder: &Path, args: &[&str], password: &str) -> Output {
    let mut process =
        command(folder, args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who is refused before has not read it.
    drop(process.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()));
    process.wait_with_output().unwrap()
}

#[test]
fn people_are_let_in_shown_and_shut_out() {
    let folder = folder();
    stdout(dwell(folder.path(), &["apps", "add", "Radio"]));
    let add =
        |args: &[&str], password: &str| with_password(folder.path(), &[&["accounts", "add"], args].concat(), password);
    let said = stdout(add(&["ada", "--role", "admin"], "correct horse battery"));
    assert_eq!(said, "ada may sign in as admin; a running server knows within a second\n");
    stdout(add(&["bo@example.com", "--role", "viewer", "--app", "radio"], "correct horse battery"));
    for (args, password, code, says) in [
        (&["Ada", "--role", "viewer"][..], "correct horse battery", 1, "there is an account \"ada\" already"),
        (&["cleo", "--role", "viewer"], "short", 1, "at least 12 characters, not 5"),
        (&["cleo", "--role", "king"], "correct horse battery", 2, "none of admin, analyst, viewer"),
        (&["a b", "--role", "viewer"], "correct horse battery", 2, "holds a blank"),
        (&["cleo", "--role", "viewer", "--app", "Films"], "correct horse battery", 1, "there is no app \"Films\""),
        (&["cleo"], "correct horse battery", 2, "--role"),
    ] {
        let output = add(args, password);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says) && !said.contains(password), "{args:?}: {said}");
    }
    let list = stdout(dwell(folder.path(), &["accounts", "list"]));
    assert!(list.contains("bo@example.com  viewer  Radio"), "{list}");
    let before = json(folder.path(), &["accounts", "list"]);
    assert_eq!((before.as_array().unwrap().len(), text(&before[0], "role")), (2, "admin"));
    assert!(!before.to_string().contains("argon2"), "{before}");
    stdout(with_password(folder.path(), &["accounts", "password", "ada"], "another password"));
    let after = json(folder.path(), &["accounts", "list"]);
    assert!(text(&before[0], "password_set_at") < text(&after[0], "password_set_at"));
    stdout(dwell(folder.path(), &["accounts", "remove", "ada"]));
    assert!(refused(folder.path(), &["accounts", "remove", "ada"]).1.contains("there is no account \"ada\""));
    assert_eq!(json(folder.path(), &["accounts", "list"]).as_array().unwrap().len(), 1);
}
