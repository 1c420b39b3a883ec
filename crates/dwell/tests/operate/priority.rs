//! Where cores are short, whoever waits for an answer goes first.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::Server;

/// Returns the nice value of each thread of a process, by the thread's name.
fn nice_of_threads(process: u32) -> BTreeMap<String, i32> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let nice = |task: &Path| {
        let stat = fs::read_to_string(task.join("stat")).ok()?;
        let (name, fields) = stat.split_once('(')?.1.rsplit_once(')')?;
        // The nineteenth field of all, of which the third is the first behind the name: proc(5).
        Some((name.to_owned(), fields.split_whitespace().nth(16)?.parse().ok()?))
    };
    tasks.filter_map(|task| nice(&task.unwrap().path())).collect()
}

#[test]
fn the_engine_and_its_store_stand_back_behind_requests() {
    let server = Server::start("", &["log.archive=parquet"]);
    server.settle();
    let nice = nice_of_threads(server.process.id());
    let usual = nice["dwell"];
    for (thread, stands_back) in [("engine", 5), ("fjall:worker", 5), ("archive", 10), ("dwell-log", 0)] {
        assert_eq!(nice.get(thread), Some(&(usual + stands_back).min(19)), "{thread} of {nice:?}");
    }
    let workers: Vec<&i32> = nice.iter().filter(|(name, _)| name.starts_with("tokio")).map(|(_, nice)| nice).collect();
    assert!(!workers.is_empty() && workers.iter().all(|nice| **nice == usual), "{nice:?}");
}
