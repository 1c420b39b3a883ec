//! Clients that say nothing, too slowly or far too much, on the real socket.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::support::{Server, event, now};

/// Times that are short enough for a test.
const SHORT: [&str; 3] = ["server.first_byte_timeout=1s", "server.header_timeout=1s", "server.body_timeout=1s"];

/// The longest that anything here may take.
const LONGEST: Duration = Duration::from_secs(10);

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    stream.set_write_timeout(Some(LONGEST)).unwrap();
    stream
}

/// Reads until the server closes, and returns what it said. Fails if it does not close in time.
fn heard(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => said.extend_from_slice(&piece[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("still open after {LONGEST:?}; it said {:?}", String::from_utf8_lossy(&said))
            }
            // A reset is a close, too.
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&said).into_owned()
}

fn head(server: &Server, length: usize) -> String {
    format!("POST /v1/batch HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n", server.address)
}

/// Sends a request by hand, and returns all of the answer.
fn sent(server: &Server, more_head: &str, body: &[u8]) -> String {
    let mut stream = connect(server);
    let head = format!("{}{more_head}connection: close\r\n\r\n", head(server, body.len()));
    // Whoever is refused early may not get rid of all of it.
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)));
    heard(stream)
}

#[test]
fn whoever_says_nothing_or_says_it_too_slowly_is_closed_in_time() {
    let server = Server::start("timeout = \"30m\"\n", &SHORT);
    let began = now();
    // Nothing at all.
    assert_eq!(heard(connect(&server)), "");
    // Half a header, and then a byte at a time.
    let mut slow = connect(&server);
    slow.write_all(b"POST /v1/batch HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
    let mut writing = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while writing.write_all(b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    heard(slow);
    dripping.join().unwrap();
    // A whole header, and a body that comes a byte at a time.
    let mut slow = connect(&server);
    slow.write_all(format!("{}authorization: Basic {}\r\n\r\n", head(&server, 1_000), "eA==").as_bytes()).unwrap();
    let said = heard(slow);
    assert!(said.starts_with("HTTP/1.1 401"), "a key that nobody knows is not worth a body: {said}");
    let mut slow = connect(&server);
    slow.write_all(format!("{}\r\n", head(&server, 1_000)).as_bytes()).unwrap();
    let mut writing = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || {
        while writing.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let said = heard(slow);
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    dripping.join().unwrap();
    assert!(began.elapsed() < LONGEST, "{:?}", began.elapsed());
    assert_eq!(server.send(&[event("ada", "1")]), 200);
}

#[test]
fn who_comes_when_all_places_are_taken_is_told_to_come_again() {
    let server = Server::start(
        "timeout = \"30m\"\n",
        &["server.connections=8", "server.first_byte_timeout=60s", "server.header_timeout=60s"],
    );
    let mut taken: Vec<TcpStream> = (0..8).map(|_| connect(&server)).collect();
    // Who asked whether the server is up may still have had a place when these came: then one of them found none.
    let mut said = String::new();
    for _ in 0..50 {
        let mut one_more = connect(&server);
        one_more.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        said = heard(one_more);
        if !said.starts_with("HTTP/1.1 200") {
            break;
        }
        taken.push(connect(&server));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(said.starts_with("HTTP/1.1 503"), "{said}");
    assert!(said.contains("retry-after: 1\r\n") && said.ends_with("\"}"), "{said}");
    // A place that is given back can be had.
    taken.clear();
    server.wait("a place is free", |server| {
        let mut one_more = connect(server);
        drop(one_more.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
        heard(one_more).starts_with("HTTP/1.1 200")
    });
}

/// What the process holds, and held at most, in bytes.
fn memory(server: &Server, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
#[cfg(target_os = "linux")]
fn a_bomb_of_a_gibibyte_is_refused_and_takes_no_memory() {
    // So large a body may come in that the whole bomb does, and has to be refused where it goes off.
    let server = Server::start("timeout = \"30m\"\n", &["ingest.batch_bytes=2MiB"]);
    assert_eq!(server.send(&[event("ada", "1")]), 200);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![b' '; 1 << 20];
    for _ in 0..1024 {
        bomb.write_all(&zeros).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < 2 << 20, "{}", bomb.len());
    let key = format!("content-encoding: gzip\r\nauthorization: Basic {}\r\n", basic(&server));
    let before = memory(&server, "VmRSS");
    // What it held at most is counted from here.
    fs::write(format!("/proc/{}/clear_refs", server.process.id()), "5").unwrap();
    for _ in 0..3 {
        let said = sent(&server, &key, &bomb);
        assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    }
    let more = memory(&server, "VmHWM").saturating_sub(before);
    println!("{more} bytes more");
    assert!(more < 16 << 20, "{more} bytes more");
    assert_eq!(server.send(&[event("ada", "2")]), 200);
}

fn basic(server: &Server) -> String {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.encode(format!("{}:", server.write_key))
}

#[test]
fn what_is_nested_too_deep_or_has_too_many_headers_is_refused() {
    let server = Server::start("timeout = \"30m\"\n", &[]);
    for deep in ["[", "{\"a\":"] {
        let close = if deep == "[" { "]" } else { "}" };
        let (open, close) = (deep.repeat(50_000), close.repeat(50_000));
        let body = json!({ "writeKey": server.write_key, "batch": [] }).to_string();
        let body = body.replace(
            "[]",
            &format!(
                "[{{\"type\":\"track\",\"userId\":\"ada\",\"event\":\"x\",\"properties\":{{\"a\":{open}1{close}}}}}]"
            ),
        );
        let said = sent(&server, "", body.as_bytes());
        let (status, refused) = (&said[..12.min(said.len())], said.contains("\"rejected\":1"));
        assert!(status == "HTTP/1.1 400" || status == "HTTP/1.1 413" || refused, "{said}");
    }
    let many: String = (0..200).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(100_000));
    for flood in [many, long] {
        let said = sent(&server, &flood, b"");
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }
    assert_eq!(server.send(&[event("ada", "1")]), 200);
}

#[test]
fn an_idle_connection_is_kept_as_long_as_it_says_and_a_slow_head_on_it_is_not() {
    let server = Server::start(
        "timeout = \"30m\"\n",
        &["server.header_timeout=1s", "server.first_byte_timeout=1s", "server.idle_timeout=4s"],
    );
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let answered = |stream: &mut TcpStream| {
        stream.write_all(request).unwrap();
        let mut said = Vec::new();
        let mut piece = [0; 4096];
        while !said.ends_with(b"ok\n") {
            let read = stream.read(&mut piece).unwrap();
            assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&said));
            said.extend_from_slice(&piece[..read]);
        }
    };
    // Idle for longer than a head may take, again and again.
    let mut kept = connect(&server);
    for _ in 0..3 {
        answered(&mut kept);
        std::thread::sleep(Duration::from_millis(2_000));
    }
    answered(&mut kept);
    // Idle for too long.
    let began = now();
    heard(kept);
    let idle = began.elapsed();
    assert!(Duration::from_millis(3_500) < idle && idle < Duration::from_secs(7), "{idle:?}");
    // The head of a second request that does not end.
    let mut slow = connect(&server);
    answered(&mut slow);
    slow.write_all(b"GET /healthz HTTP/1.1\r\nx: ").unwrap();
    let began = now();
    heard(slow);
    assert!(began.elapsed() < Duration::from_millis(3_000), "{:?}", began.elapsed());
    // A stream is no idle connection, however little is said on it.
    let mut stream = connect(&server);
    let asks =
        format!("GET /v1/sessions/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n", server.read_key);
    stream.write_all(asks.as_bytes()).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let began = now();
    let mut piece = [0; 4096];
    while began.elapsed() < Duration::from_secs(6) {
        match stream.read(&mut piece) {
            Ok(read) => assert_ne!(read, 0, "closed after {:?}", began.elapsed()),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}"),
        }
    }
}

#[test]
fn two_hundred_slow_clients_do_not_stop_others() {
    let server = Server::start(
        "timeout = \"30m\"\n",
        &["server.first_byte_timeout=60s", "server.header_timeout=60s", "server.body_timeout=60s"],
    );
    let slow: Vec<TcpStream> = (0..200)
        .map(|at| {
            let mut stream = connect(&server);
            // Some in their header, some in their body.
            let head = if at % 2 == 0 {
                "POST /v1/batch HTTP/1.1\r\nx: ".to_owned()
            } else {
                format!("{}\r\n", head(&server, 1_000))
            };
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    for number in 0..50 {
        let began = now();
        assert_eq!(server.send(&[event("ada", &number.to_string())]), 200);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
    drop(slow);
}

#[test]
fn what_is_asked_is_counted_in_words_that_the_code_knows() {
    let server = Server::start("timeout = \"30m\"\n", &[]);
    for number in 0..7 {
        assert_eq!(server.send(&[event("ada", &number.to_string())]), 200);
    }
    for path in ["/v1/users/ada", "/v1/users/nobody", "/whatever/anybody/makes-up", "/wp-admin.php"] {
        server.ask(path);
    }
    let (_, metrics) = server.ask("/metrics");
    let has = |line: &str| assert!(metrics.lines().any(|one| one == line), "{line} is not in\n{metrics}");
    has("dwell_http_requests_total{route=\"ingest\",status=\"2xx\"} 7");
    has("dwell_http_requests_total{route=\"users\",status=\"2xx\"} 1");
    has("dwell_http_requests_total{route=\"users\",status=\"4xx\"} 1");
    has("dwell_http_requests_total{route=\"other\",status=\"4xx\"} 2");
    has("dwell_http_request_seconds_bucket{route=\"ingest\",le=\"+Inf\"} 7");
    has("dwell_http_request_seconds_count{route=\"ingest\"} 7");
    has("dwell_log_segments 1");
    has("dwell_connections_refused_total 0");
    assert!(!metrics.contains("makes-up") && !metrics.contains("wp-admin"), "{metrics}");
    assert!(0.0 < server.metric("dwell_log_bytes") && 0.0 < server.metric("dwell_log_syncs_total"));
    assert!(1e6 < server.metric("dwell_disk_free_bytes"));
    assert!(0.0 < server.metric("dwell_http_request_seconds_sum"));
}
