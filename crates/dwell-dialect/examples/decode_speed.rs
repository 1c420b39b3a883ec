//! How fast a batch is read, on one thread: `cargo run --release -p dwell-dialect --example decode_speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use dwell_core::time::Timestamp;
use dwell_core::words::EventWords;
use dwell_dialect::endpoint::Endpoint;
use dwell_dialect::envelope;
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::decode;

const EVENTS: usize = 100;
/// 2024-01-05T10:00:05Z.
const RECEIVED_AT: Timestamp = Timestamp::from_micros(1_704_448_805_000_000);

/// A batch as a phone sends it: about 350 bytes a message.
fn batch() -> Vec<u8> {
    let message = |index: usize| {
        format!(
            r#"{{"anonymousId":"3f0c1a52-7f0e-4d6b-9a51-{index:012}","messageId":"b1946ac9-2490-4f4e-8c8a-{index:012}","type":"track","userId":"user-{index}","event":"Item Viewed","timestamp":"2024-01-05T10:00:{:02}.123Z","properties":{{"sku":"A-{index}","price":12.5}},"context":{{"device":{{"id":"d-{index}"}},"os":{{"name":"Android"}},"library":{{"name":"analytics-kotlin"}}}}}}"#,
            index % 60
        )
    };
    let messages: Vec<String> = (0..EVENTS).map(message).collect();
    let batch = messages.join(",");
    format!(r#"{{"batch":[{batch}],"sentAt":"2024-01-05T10:00:04.000Z","writeKey":"key"}}"#).into_bytes()
}

#[expect(clippy::disallowed_methods, reason = "a measurement asks the machine for the time")]
fn now() -> Instant {
    Instant::now()
}

fn main() {
    let body = batch();
    let (limits, words) = (Limits::default(), EventWords::default());
    println!("{} bytes, {} a message", body.len(), body.len() / EVENTS);
    for round in 1..=5 {
        let (mut batches, started) = (0_u32, now());
        while started.elapsed() < Duration::from_secs(1) {
            for _ in 0..100 {
                let plain = envelope::open(black_box(&body), limits.batch_bytes).expect("an envelope");
                let decoded = decode(&plain, Endpoint::Batch, RECEIVED_AT, &limits, &words);
                assert!(decoded.events.len() == EVENTS && black_box(decoded).rejections.is_empty());
                batches += 1;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        let events = f64::from(batches) * EVENTS as f64 / seconds;
        let megabytes = f64::from(batches) * body.len() as f64 / seconds / 1e6;
        println!("round {round}: {events:.0} events/s, {megabytes:.0} MB/s");
    }
}
