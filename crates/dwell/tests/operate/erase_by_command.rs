//! Exported and erased by commands, beside a server that runs and without one.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::{Server, dwell, event};

fn users(server: &Server, args: &[&str]) -> Output {
    let data = server.data.to_str().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dwell"));
    command.current_dir(server.folder.path()).arg("users").args(args).args(["--app", "news", "--data", data]);
    command.output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_command_exports_and_erases_somebody_of_a_server_that_runs() {
    let mut server = Server::start("timeout = \"30m\"\n", &[]);
    assert_eq!(server.send(&[event("ada", "1"), event("bo", "2")]), 200);
    server.settle();
    let exported = lines(&users(&server, &["export", "--user", "ada"]));
    assert_eq!(exported.last().unwrap()["type"], json!("end"));
    let over_http = server.ask("/v1/users/ada/export").1;
    let of_events =
        |lines: &[Value]| lines.iter().filter(|line| line["type"] == json!("event")).cloned().collect::<Vec<_>>();
    let over_http: Vec<Value> = over_http.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(of_events(&exported), of_events(&over_http));
    assert_eq!(of_events(&exported).len(), 1);
    let refused = users(&server, &["export", "--user", "nobody", "-o", "nobody.ndjson"]);
    assert!(!refused.status.success());
    assert!(!server.folder.path().join("nobody.ndjson").exists(), "no file that might be taken for all");
    let unsure = users(&server, &["erase", "--user", "ada"]);
    assert!(!unsure.status.success(), "nobody is there to type the id once more");
    assert!(!server.data.join("erasures.json").exists());
    let erased = users(&server, &["erase", "--user", "ada", "--yes", "--wait", "--json"]);
    let erased: Value = serde_json::from_slice(&erased.stdout).unwrap();
    assert_eq!((&erased["state"], &erased["ids"]), (&json!("erased"), &json!(1)), "{erased}");
    assert_eq!(server.ask("/v1/users/ada").0, 404);
    assert!(!users(&server, &["export", "--user", "ada"]).status.success());

    // Without a server it is noted, and done at the next start.
    server.stop();
    let noted = users(&server, &["erase", "--user", "bo", "--yes"]);
    assert!(noted.status.success(), "{}", String::from_utf8_lossy(&noted.stderr));
    assert!(!users(&server, &["export", "--user", "bo"]).status.success(), "the books are asked by a server only");
    server.start_again(&[]);
    let data = server.data.to_str().unwrap().to_owned();
    server.wait("bo is erased", |server| {
        let list = dwell(server.folder.path(), &["users", "erasures", "--app", "news", "--data", &data, "--json"]);
        list[0]["user"] == json!("bo") && list[0]["state"] == json!("erased") && list[1]["user"] == json!("ada")
    });
    assert_eq!(server.ask("/v1/users/bo").0, 404);
    let list = fs::read_to_string(server.data.join("erasures.json")).unwrap();
    assert!(list.contains("\"bo\""), "{list}");
}

/// How many files of the log hold these bytes.
fn files_with(server: &Server, bytes: &[u8]) -> usize {
    let files = fs::read_dir(server.data.join("log")).unwrap();
    // A file may be dropped meanwhile.
    let read = files.filter_map(|entry| fs::read(entry.unwrap().path()).ok());
    read.filter(|file| file.windows(bytes.len()).any(|window| window == bytes)).count()
}

#[test]
fn who_was_erased_is_forgotten_by_name_when_the_log_has_let_go() {
    let settings = ["log.archive=none", "log.segment_bytes=1MiB", "log.retention=1h"];
    let mut server = Server::start("timeout = \"30m\"\n", &settings);
    assert_eq!(server.send(&[event("somebody-erased", "1")]), 200);
    server.settle();
    let erased = users(&server, &["erase", "--user", "somebody-erased", "--yes", "--wait", "--json"]);
    assert!(erased.status.success(), "{}", String::from_utf8_lossy(&erased.stderr));
    // As much as fills files of the log.
    for number in 0..60 {
        let many: Vec<Value> = (0..400).map(|one| event("cy", &format!("{number}-{one}-{:0>90}", 0))).collect();
        assert_eq!(server.send(&many), 200);
    }
    server.settle();
    let list = |server: &Server| fs::read_to_string(server.data.join("erasures.json")).unwrap();
    let is_told = |server: &Server| server.feed().iter().any(|told| told.to_string().contains("somebody-erased"));
    assert!(list(&server).contains("somebody-erased") && is_told(&server));
    assert_eq!(files_with(&server, b"somebody-erased"), 1);
    server.stop();
    for entry in fs::read_dir(server.data.join("log")).unwrap() {
        let file = fs::File::options().write(true).open(entry.unwrap().path()).unwrap();
        let modified = file.metadata().unwrap().modified().unwrap();
        file.set_modified(modified - std::time::Duration::from_secs(7_200)).unwrap();
    }
    server.start_again(&[]);
    server.wait("the log has let go", |server| files_with(server, b"somebody-erased") == 0);
    // It is looked each minute, and at the start.
    server.stop();
    server.start_again(&[]);
    server.wait("it is forgotten by name", |server| !list(server).contains("somebody-erased"));
    assert!(!is_told(&server));
    assert!(list(&server).contains("\"is_out_of_log\": true"), "{}", list(&server));
}
