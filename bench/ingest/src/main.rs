//! One run of load: `dwell-bench-ingest dwell|nats|parse`. Prints one line of JSON. `bench/ingest.py` calls it.

mod people;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use dwell_core::time::Timestamp;
use dwell_core::words::EventWords;
use dwell_dialect::endpoint::Endpoint;
use dwell_dialect::envelope;
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::decode;
use hdrhistogram::Histogram;
use people::People;

#[derive(Parser)]
struct Load {
    /// Where to.
    to: To,
    /// The address, as 127.0.0.1:8080.
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: String,
    /// The write key.
    #[arg(long, default_value = "")]
    key: String,
    /// How many people there are.
    #[arg(long, default_value_t = 2_000_000)]
    users: u64,
    /// How many of them are there at once.
    #[arg(long, default_value_t = 300_000)]
    there: u64,
    /// Events a second; 0 is as fast as they are taken.
    #[arg(long, default_value_t = 0)]
    rate: u64,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Every user says one thing and goes: to make so many users known.
    #[arg(long)]
    once_each: bool,
    #[arg(long, default_value_t = 16)]
    connections: u64,
    /// Events in a body.
    #[arg(long, default_value_t = 100)]
    batch: usize,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum To {
    /// Bodies over HTTP.
    Dwell,
    /// The same bodies as messages of a JetStream stream that syncs each.
    Nats,
    /// Nowhere: they are only read.
    Parse,
}

/// What one connection saw.
struct Seen {
    /// Microseconds from when a body was to be sent to its answer.
    waits: Histogram<u64>,
    refused: u64,
}

fn main() {
    let load = Load::parse();
    let began = Instant::now();
    let sent = AtomicU64::new(0);
    let seen: Vec<Seen> = match load.to {
        To::Dwell => together(&load, |number| talk(&load, number, began, &sent)),
        To::Nats => together(&load, |number| publish(&load, number, began, &sent)),
        To::Parse => vec![parse(&load, began, &sent)],
    };
    let seconds = began.elapsed().as_secs_f64();
    let mut waits = histogram();
    let mut refused = 0;
    for one in seen {
        waits.add(one.waits).expect("the same bounds");
        refused += one.refused;
    }
    let millis = |quantile| waits.value_at_quantile(quantile) as f64 / 1_000.0;
    let sent = sent.load(Ordering::Relaxed);
    println!(
        "{}",
        serde_json::json!({
            "events": sent, "seconds": seconds, "rate": sent as f64 / seconds, "refused_bodies": refused,
            "p50_ms": millis(0.5), "p99_ms": millis(0.99), "p999_ms": millis(0.999), "most_ms": waits.max() as f64 / 1_000.0,
        })
    );
}

/// Runs all connections at once.
fn together(load: &Load, one: impl Fn(u64) -> Seen + Sync) -> Vec<Seen> {
    let one = &one;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..load.connections).map(|number| scope.spawn(move || one(number))).collect();
        all.into_iter().map(|one| one.join().expect("a connection works")).collect()
    })
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("these are bounds")
}

/// When a connection's next body is to be sent, so that all together keep the rate; `None` at the end.
fn due(load: &Load, number: u64, body: u64, began: Instant) -> Option<Instant> {
    let now = Instant::now();
    let due = match load.rate {
        0 => now,
        rate => {
            let every = load.batch as f64 * load.connections as f64 / rate as f64;
            let shift = every * number as f64 / load.connections as f64;
            began + Duration::from_secs_f64(shift + every * body as f64)
        }
    };
    if began + Duration::from_secs(load.seconds) < due.max(now) {
        return None;
    }
    if now < due {
        std::thread::sleep(due - now);
    }
    Some(due)
}

fn crowd(load: &Load, number: u64) -> People {
    let users = (load.users / load.connections).max(1);
    let there = (load.there / load.connections).max(1);
    People::new(load.seed.wrapping_mul(0x9e37_79b9) ^ number << 17, number * users, users, there)
}

/// Sends bodies on one connection, one after another.
fn talk(load: &Load, number: u64, began: Instant, sent: &AtomicU64) -> Seen {
    let mut people = crowd(load, number);
    let mut stream = TcpStream::connect(&load.address).expect("the server is there");
    stream.set_nodelay(true).expect("a socket takes this");
    let mut seen = Seen { waits: histogram(), refused: 0 };
    let (mut body, mut request) = (Vec::new(), Vec::new());
    let mut count = 0;
    let share = load.users / load.connections;
    while let Some(due) = due(load, number, count, began) {
        if load.once_each {
            if share <= count * load.batch as u64 {
                break;
            }
            people = People::one_by_one(count + 1, number * share + count * load.batch as u64, load.batch as u64);
        }
        people.body(load.batch, &mut body);
        request.clear();
        write!(
            request,
            "POST /v1/batch?writeKey={} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            load.key,
            body.len()
        )
        .expect("memory takes everything");
        request.extend_from_slice(&body);
        stream.write_all(&request).expect("the server takes a request");
        match answer(&mut stream) {
            200 => {
                sent.fetch_add(load.batch as u64, Ordering::Relaxed);
            }
            429 | 503 => seen.refused += 1,
            other => panic!("the server answers {other}"),
        }
        seen.waits.saturating_record(due.elapsed().as_micros() as u64);
        count += 1;
    }
    seen
}

/// Reads an answer and returns its status.
fn answer(stream: &mut TcpStream) -> u16 {
    let mut bytes = Vec::new();
    let mut piece = [0; 16 << 10];
    loop {
        let length = stream.read(&mut piece).expect("the server answers");
        assert_ne!(length, 0, "the server closed the connection: {}", String::from_utf8_lossy(&bytes));
        bytes.extend_from_slice(&piece[..length]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.trim().parse::<usize>().ok());
        if end + 4 + length.expect("the answer says how long it is") <= bytes.len() {
            return head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it has a status");
        }
    }
}

/// Publishes bodies to a stream of NATS, one after another, each acknowledged before the next.
///
/// The protocol is that of <https://docs.nats.io/reference/reference-protocols/nats-protocol>; an acknowledgement of
/// JetStream is a message to the reply subject of what was published.
fn publish(load: &Load, number: u64, began: Instant, sent: &AtomicU64) -> Seen {
    let mut people = crowd(load, number);
    let mut stream = TcpStream::connect(&load.address).expect("the server is there");
    stream.set_nodelay(true).expect("a socket takes this");
    let mut lines = BufReader::new(stream.try_clone().expect("a socket can be shared"));
    let inbox = format!("_INBOX.bench.{number}");
    write!(stream, "CONNECT {{\"verbose\":false}}\r\nSUB {inbox} 1\r\n").expect("the server listens");
    let mut request = Vec::new();
    let mut ask = |subject: &str, body: &[u8]| {
        request.clear();
        write!(request, "PUB {subject} {inbox} {}\r\n", body.len()).expect("memory takes everything");
        request.extend_from_slice(body);
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).expect("the server takes a message");
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).expect("the server answers");
            if line.starts_with("PING") {
                stream.write_all(b"PONG\r\n").expect("the server listens");
            } else if line.starts_with("MSG") {
                let mut answer = String::new();
                lines.read_line(&mut answer).expect("the server answers");
                return answer;
            }
        }
    };
    let made = ask("$JS.API.STREAM.CREATE.bench", br#"{"name":"bench","subjects":["events"],"storage":"file","num_replicas":1}"#);
    assert!(!made.contains("\"error\""), "a stream can be made: {made}");
    let mut seen = Seen { waits: histogram(), refused: 0 };
    let mut body = Vec::new();
    while began.elapsed() < Duration::from_secs(load.seconds) {
        people.body(load.batch, &mut body);
        let asked = Instant::now();
        let answer = ask("events", &body);
        assert!(answer.contains("\"seq\""), "it is acknowledged: {answer}");
        sent.fetch_add(load.batch as u64, Ordering::Relaxed);
        seen.waits.saturating_record(asked.elapsed().as_micros() as u64);
    }
    seen
}

/// Reads bodies and throws them away.
fn parse(load: &Load, began: Instant, sent: &AtomicU64) -> Seen {
    let mut people = crowd(load, 0);
    let mut bodies = vec![Vec::new(); 64];
    bodies.iter_mut().for_each(|body| people.body(load.batch, body));
    let mut seen = Seen { waits: histogram(), refused: 0 };
    for body in bodies.iter().cycle() {
        if Duration::from_secs(load.seconds) < began.elapsed() {
            break;
        }
        let asked = Instant::now();
        sent.fetch_add(read(body), Ordering::Relaxed);
        seen.waits.saturating_record(asked.elapsed().as_micros() as u64);
    }
    seen
}

/// Returns how many events a body holds, having read each as the door does.
fn read(body: &[u8]) -> u64 {
    let (limits, words) = (Limits::default(), EventWords::default());
    let received_at = Timestamp::from_micros(1_790_000_000_000_000);
    let plain = envelope::open(body, limits.batch_bytes).expect("an envelope");
    let decoded = decode(&plain, Endpoint::Batch, received_at, &limits, &words);
    assert!(decoded.rejections.is_empty(), "every event is one");
    std::hint::black_box(decoded).events.len() as u64
}
