//! Who sends an event again through a restart or a kill is told that it is a duplicate, and nothing counts twice.

use serde_json::json;

use crate::support::{Server, event};

#[test]
fn who_sends_again_through_a_restart_is_told_of_the_latest_events() {
    let mut server = Server::start("", &["ingest.remembered=2"]);
    let all = ["a", "b", "c"].map(|id| event("ada", id));
    assert_eq!(server.told(&all)["accepted"], 3);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    server.start_again(&[]);
    server.wait("the end of the log is remembered", |server| server.metric("dwell_messages_remembered") == 2.0);
    let told = server.told(&all);
    assert_eq!((&told["accepted"], &told["duplicates"]), (&json!(1), &json!([1, 2])), "{told}");
    server.settle();
    let events = server.ask_json("/v1/app")["events"].take();
    assert_eq!(
        (&events["read"], &events["duplicate"]),
        (&json!(4), &json!(1)),
        "what the door forgot the engine knows"
    );
    let parts = ["accepted", "duplicate", "rejected"].map(|part| format!("dwell_messages_{part}_total"));
    let sum: f64 = parts.iter().map(|part| server.metric(part)).sum();
    assert_eq!((server.metric("dwell_messages_received_total"), sum), (3.0, 3.0));
}
