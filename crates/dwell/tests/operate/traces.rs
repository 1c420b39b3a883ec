//! Traces, with a collector that takes them and with one that does not answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Server, event, now};

/// A collector that takes everything.
struct Collector {
    endpoint: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Collector {
    fn new() -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let bodies = Arc::<Mutex<Vec<Value>>>::default();
        let taken = bodies.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).unwrap();
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push(line.trim().to_ascii_lowercase());
                }
                assert_eq!(head.first().map(String::as_str), Some("post /v1/traces http/1.1"));
                assert!(head.contains(&"content-type: application/json".to_owned()), "{head:?}");
                let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
                let mut body = vec![0; length.parse().unwrap()];
                reader.read_exact(&mut body).unwrap();
                taken.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\
                    content-length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Collector { endpoint, bodies }
    }

    /// All spans so far.
    fn spans(&self) -> Vec<Value> {
        let bodies = self.bodies.lock().unwrap();
        let lists = bodies.iter().map(|body| &body["resourceSpans"][0]["scopeSpans"][0]["spans"]);
        lists.flat_map(|spans| spans.as_array().unwrap().clone()).collect()
    }
}

/// What is known of a span under a name, as a text.
fn fact(span: &Value, name: &str) -> Option<String> {
    let facts = span["attributes"].as_array().unwrap();
    let value = &facts.iter().find(|fact| fact["key"] == name)?["value"];
    value["intValue"].as_str().or(value["stringValue"].as_str()).map(str::to_owned)
}

#[test]
fn a_request_is_traced_to_the_log_and_a_turn_to_its_commit() {
    let collector = Collector::new();
    let endpoint = format!("otlp.endpoint={}", collector.endpoint);
    let mut server = Server::start("timeout = \"30m\"\n", &[&endpoint, "otlp.one_in=1"]);
    for number in 0..3 {
        assert_eq!(server.send(&[event("quinn", &number.to_string()), event("zoe", &number.to_string())]), 200);
    }
    server.settle();
    server.wait("all spans are sent", |server| 9.0 <= server.metric("dwell_trace_spans_sent_total"));
    assert_eq!(server.metric("dwell_trace_spans_dropped_total"), 0.0);
    // What waits is sent at the end.
    server.stop();
    let spans = collector.spans();
    let named = |name: &str| -> Vec<&Value> { spans.iter().filter(|span| span["name"] == name).collect() };
    let parent_of = |span: &Value| spans.iter().find(|other| other["spanId"] == span["parentSpanId"]).cloned();
    let appends = named("append");
    assert_eq!(appends.len(), 3, "{spans:?}");
    for append in appends {
        assert_eq!(fact(append, "records").as_deref(), Some("2"));
        let request = parent_of(append).unwrap();
        assert_eq!(request["traceId"], append["traceId"]);
        assert_eq!(request["kind"], 2);
        assert_eq!(
            (fact(&request, "route").as_deref(), fact(&request, "status").as_deref()),
            (Some("ingest"), Some("200"))
        );
    }
    let turns = named("turn");
    let events: u32 = turns.iter().map(|turn| fact(turn, "events").unwrap().parse::<u32>().unwrap()).sum();
    assert_eq!(events, 6, "{turns:?}");
    // Those that found nothing to do are not told.
    assert!(turns.len() <= 3, "{turns:?}");
    let commits = named("commit").into_iter().filter(|commit| parent_of(commit).is_some()).count();
    assert_eq!(commits, turns.len(), "{spans:?}");
    // No id of a user, no key, no path.
    let all = serde_json::to_string(&spans).unwrap();
    assert!(!all.contains("quinn") && !all.contains("/v1/") && !all.contains(&server.write_key), "{all}");
}

#[test]
fn a_collector_that_does_not_answer_keeps_nobody_waiting() {
    // It takes connections, and says nothing on them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("otlp.endpoint=http://{}", silent.local_addr().unwrap());
    let mut server = Server::start("timeout = \"30m\"\n", &[&endpoint, "otlp.one_in=1"]);
    assert_eq!(server.send(&[event("ada", "1")]), 200);
    let memory = server.metric("process_resident_memory_bytes");
    let began = now();
    for _ in 0..4_000 {
        assert_eq!(server.ask("/healthz").0, 200);
    }
    let took = began.elapsed();
    // Were anybody kept waiting, it would be for 5 s after each 512 spans beyond the first 2,560.
    assert!(took < Duration::from_secs(10), "{took:?}");
    server.wait("what finds no room is dropped", |server| 500.0 < server.metric("dwell_trace_spans_dropped_total"));
    assert_eq!(server.metric("dwell_trace_spans_sent_total"), 0.0);
    if cfg!(target_os = "linux") {
        let more = server.metric("process_resident_memory_bytes") - memory;
        println!("{more} bytes more, {took:?}");
        assert!(more < f64::from(16 << 20), "{more} bytes more");
    }
    assert_eq!(server.send(&[event("ada", "2")]), 200);
    server.settle();
    let began = now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let said = server.said();
    assert_eq!(said.matches("the collector does not take traces").count(), 1, "{said}");
}
