//! Floods: more connections than there are places, and heads that nobody can read. What is counted is what was done.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::support::{Server, event};

/// The longest that anything here may take.
const LONGEST: Duration = Duration::from_secs(20);

/// How much more memory a flood may take, in bytes.
const MOST_MORE: f64 = (16 << 20) as f64;

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONGEST)).unwrap();
    stream
}

/// Reads until the other side closes, and returns what it said; `None` if it still has not closed when the time to read is over.
fn heard(stream: &mut TcpStream) -> Option<String> {
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece) {
            Ok(read) if 0 < read => said.extend_from_slice(&piece[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return None,
            // A reset is a close, too.
            _ => return Some(String::from_utf8_lossy(&said).into_owned()),
        }
    }
}

/// Says something on a connection of its own, and returns the answer.
fn answer_to(server: &Server, said: &[u8]) -> String {
    let mut stream = connect(&server.address);
    // Whoever is refused early may not get rid of all of it.
    drop(stream.write_all(said));
    heard(&mut stream).expect("closed in time")
}

/// Asks for metrics again and again over one connection, which keeps its place.
struct Watcher(TcpStream);

impl Watcher {
    fn new(server: &Server) -> Watcher {
        Watcher(connect(&server.address))
    }

    /// Returns all metrics.
    fn look(&mut self) -> String {
        self.0.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut said = String::new();
        let mut piece = [0; 4096];
        loop {
            let read = self.0.read(&mut piece).unwrap();
            assert_ne!(read, 0, "closed after {said}");
            said.push_str(std::str::from_utf8(&piece[..read]).unwrap());
            let Some((head, body)) = said.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if length.parse() == Ok(body.len()) {
                return body.to_owned();
            }
        }
    }

    /// Looks until something is so.
    fn wait(&mut self, so: impl Fn(&str) -> bool) -> String {
        for _ in 0..300 {
            let metrics = self.look();
            if so(&metrics) {
                return metrics;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("never came to that:\n{}", self.look());
    }
}

/// The value of a metric with its labels; 0 where it is not.
fn value(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn a_flood_of_silent_connections_is_counted_takes_little_and_passes() {
    const PLACES: usize = 256;
    const FLOOD: usize = 700;
    let server = Server::start(
        "timeout = \"30m\"\n",
        &[
            "server.connections=256",
            "server.first_byte_timeout=6s",
            "server.header_timeout=1s",
            "server.idle_timeout=60s",
        ],
    );
    let mut watcher = Watcher::new(&server);
    let before = watcher.look();
    assert_eq!(value(&before, "dwell_connections_open"), 1.0);
    let mut flood: Vec<TcpStream> = (0..FLOOD).map(|_| connect(&server.address)).collect();
    let settled = |metrics: &str| {
        let all =
            value(metrics, "dwell_connections_accepted_total") + value(metrics, "dwell_connections_refused_total");
        all == (FLOOD + 1) as f64
    };
    let full = watcher.wait(settled);
    assert_eq!(value(&full, "dwell_connections_open"), PLACES as f64);
    assert_eq!(value(&full, "dwell_connections_accepted_total"), PLACES as f64);
    assert_eq!(value(&full, "dwell_connections_refused_total"), (FLOOD + 1 - PLACES) as f64);
    assert_eq!(value(&full, "dwell_connections_timed_out_total{timeout=\"first_byte\"}"), 0.0);
    // All are closed in the end. Who found no place is told so, as far as they are not too many at once.
    let said: Vec<String> = flood.iter_mut().map(|stream| heard(stream).expect("closed in time")).collect();
    let told = said.iter().filter(|said| said.starts_with("HTTP/1.1 503") && said.contains("retry-after: 1")).count();
    assert!((256..=FLOOD + 1 - PLACES).contains(&told), "{told}");
    assert_eq!(said.iter().filter(|said| said.is_empty()).count(), FLOOD - told);
    let after = watcher.wait(|metrics| value(metrics, "dwell_connections_open") == 1.0);
    let has = |name: &str, wanted: usize| assert_eq!(value(&after, name), wanted as f64, "{name} in\n{after}");
    has("dwell_connections_accepted_total", PLACES);
    has("dwell_connections_refused_total", FLOOD + 1 - PLACES);
    has("dwell_connections_timed_out_total{timeout=\"first_byte\"}", PLACES - 1);
    has("dwell_connections_timed_out_total{timeout=\"header\"}", 0);
    has("dwell_connections_timed_out_total{timeout=\"idle\"}", 0);
    drop(flood);
    // Whoever comes now is served.
    assert_eq!(server.send(&[event("ada", "1")]), 200);
    if cfg!(target_os = "linux") {
        let of = |metrics: &str, name| value(metrics, name);
        let most = of(&full, "process_resident_memory_bytes").max(of(&after, "process_resident_memory_bytes"));
        let more = most - of(&before, "process_resident_memory_bytes");
        println!("{more} bytes more");
        assert!(more < MOST_MORE, "{more} bytes more");
        assert!(of(&before, "process_open_fds") + (PLACES - 1) as f64 <= of(&full, "process_open_fds"));
        // The books may have opened some files of their own.
        assert!(of(&after, "process_open_fds") < of(&before, "process_open_fds") + 20.0, "{after}");
        assert!(0.0 < of(&after, "process_cpu_seconds_total") && 1e9 < of(&after, "process_start_time_seconds"));
        assert!(of(&after, "process_open_fds") < of(&after, "process_max_fds"));
    }
}

#[test]
fn a_flood_of_heads_that_cannot_be_read_is_counted_and_takes_little() {
    let server = Server::start("timeout = \"30m\"\n", &["server.idle_timeout=60s"]);
    let mut watcher = Watcher::new(&server);
    let before = watcher.look();
    let many: String = (0..200).map(|at| format!("x-{at}: y\r\n")).collect();
    let long = format!("x-long: {}\r\n", "y".repeat(100_000));
    for number in 0..150 {
        let flood = if number % 2 == 0 { &many } else { &long };
        let said = answer_to(&server, format!("POST /v1/batch HTTP/1.1\r\nhost: x\r\n{flood}\r\n").as_bytes());
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }
    for _ in 0..40 {
        let said = answer_to(&server, b"GET / HTTP/1.1\r\na line without a colon\r\n\r\n");
        assert!(said.starts_with("HTTP/1.1 400"), "{said}");
    }
    // Behind a request that is understood, and answered with a 4xx of ours.
    let said = answer_to(&server, b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\nno head at all\r\n\r\n");
    assert!(said.starts_with("HTTP/1.1 404") && said.contains("HTTP/1.1 400"), "{said}");
    let after = watcher.look();
    let has = |name: &str, wanted: u32| assert_eq!(value(&after, name), f64::from(wanted), "{name} in\n{after}");
    has("dwell_http_unread_total{status=\"431\"}", 150);
    has("dwell_http_unread_total{status=\"400\"}", 41);
    has("dwell_http_unread_total{status=\"414\"}", 0);
    has("dwell_http_unread_total{status=\"other\"}", 0);
    has("dwell_http_requests_total{route=\"other\",status=\"4xx\"}", 1);
    has("dwell_http_requests_total{route=\"ingest\",status=\"4xx\"}", 0);
    has("dwell_connections_accepted_total", 192);
    if cfg!(target_os = "linux") {
        let of = |metrics: &str| value(metrics, "process_resident_memory_bytes");
        let more = of(&after) - of(&before);
        println!("{more} bytes more");
        assert!(more < MOST_MORE, "{more} bytes more");
    }
    assert_eq!(server.send(&[event("ada", "1")]), 200);
}

#[test]
fn who_is_too_slow_is_counted_by_what_they_were_slow_with() {
    let server = Server::start(
        "timeout = \"30m\"\n",
        &[
            "server.first_byte_timeout=1s",
            "server.header_timeout=1s",
            "server.body_timeout=1s",
            "server.idle_timeout=2s",
        ],
    );
    const WHOLE: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    const HALF: &str = "GET /healthz HTTP/1.1\r\nx: ";
    let begins = [
        ("", ""),
        (HALF, ""),
        ("POST /v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n", ""),
        (WHOLE, ""),
        // The head of a second request.
        (WHOLE, HALF),
    ];
    // Of each begin another number.
    let mut slow: Vec<TcpStream> = Vec::new();
    for (times, (begin, then)) in begins.iter().enumerate() {
        for _ in 0..=times {
            let mut stream = connect(&server.address);
            stream.write_all(begin.as_bytes()).unwrap();
            if !then.is_empty() {
                stream.peek(&mut [0; 1]).unwrap();
                stream.write_all(then.as_bytes()).unwrap();
            }
            slow.push(stream);
        }
    }
    let said: Vec<String> = slow.iter_mut().map(|stream| heard(stream).expect("closed in time")).collect();
    assert_eq!(said.iter().filter(|said| said.starts_with("HTTP/1.1 408")).count(), 3, "{said:?}");
    assert_eq!(said.iter().filter(|said| said.starts_with("HTTP/1.1 200")).count(), 9, "{said:?}");
    let metrics = Watcher::new(&server).look();
    for (timeout, wanted) in [("first_byte", 1), ("header", 2 + 5), ("body", 3), ("idle", 4)] {
        let name = format!("dwell_connections_timed_out_total{{timeout=\"{timeout}\"}}");
        assert_eq!(value(&metrics, &name), f64::from(wanted), "{name} in\n{metrics}");
    }
    // Who leaves by themselves is none of them.
    drop(connect(&server.address));
    assert_eq!(
        answer_to(&server, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").len(),
        said[6].len() + 19
    );
    let again = Watcher::new(&server).look();
    let timed_out = |metrics: &str| -> Vec<String> {
        metrics.lines().filter(|line| line.starts_with("dwell_connections_timed_out")).map(str::to_owned).collect()
    };
    assert_eq!(timed_out(&again), timed_out(&metrics));
}

#[test]
fn over_tls_whoever_finds_no_place_is_closed_without_a_word_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .current_dir(folder.path())
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-keyout", "key.pem", "-out", "chain.pem", "-days", "2", "-subj", "/CN=localhost"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let data = folder.path().join("data");
    let settings = [
        "server.tls_certificate=chain.pem",
        "server.tls_key=key.pem",
        "server.connections=8",
        "server.first_byte_timeout=5s",
    ];
    let server = Server::start_in(folder, data, "timeout = \"30m\"\n", &settings, &[]);
    let mut flood: Vec<TcpStream> = (0..28).map(|_| connect(&server.address)).collect();
    // Twenty are closed at once. The others have a place, and say nothing for as long as they may.
    for stream in &flood {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    }
    let mut closed = 0;
    while closed < 20 {
        flood.retain_mut(|stream| match heard(stream) {
            None => true,
            Some(said) => {
                assert_eq!(said, "");
                closed += 1;
                false
            }
        });
    }
    assert_eq!((closed, flood.len()), (20, 8));
    for stream in &mut flood {
        stream.set_read_timeout(Some(LONGEST)).unwrap();
        assert_eq!(heard(stream).as_deref(), Some(""));
    }
    let curl = |more: &[&str]| {
        let asked = Command::new("curl")
            .args(["--silent", "--insecure", "--max-time", "20", "--http1.1"])
            .args(more)
            .arg(format!("https://{}/metrics", server.address))
            .output()
            .unwrap();
        String::from_utf8(asked.stdout).unwrap()
    };
    let many: Vec<String> = (0..200).flat_map(|at| ["--header".to_owned(), format!("x-{at}: y")]).collect();
    let mut many: Vec<&str> = many.iter().map(String::as_str).collect();
    many.extend(["--write-out", "%{http_code}"]);
    let said = curl(&many);
    assert_eq!(said, "431");
    let metrics = curl(&[]);
    for (name, wanted) in [
        ("dwell_connections_refused_total", 20),
        ("dwell_connections_accepted_total", 8 + 2),
        ("dwell_connections_timed_out_total{timeout=\"first_byte\"}", 8),
        ("dwell_http_unread_total{status=\"431\"}", 1),
        ("dwell_http_unread_total{status=\"400\"}", 0),
    ] {
        assert_eq!(value(&metrics, name), f64::from(wanted), "{name} in\n{metrics}");
    }
}
