//! How much work it is to turn events into sessions: `cargo run --release -p dwell-engine --example turn_speed -- 2000000 1000000`
//! (users, then events). Events lie in memory, books on a disk.
//!
//! One user in twenty is there at any time, does something every 20 s, and leaves after 15 events on average; who comes next
//! is drawn from all. So every user has a session of about five minutes every 100 minutes. With a third number other
//! than 15, visits are so long: 1 is a session for every event, from a user who was not there before. A fourth number says
//! how many events a turn finds, 100,000 unless told otherwise, a fifth how many people share each device, and a sixth how many
//! MiB of the log a turn reads at most.

use std::sync::Arc;
use std::time::Instant;

use dwell_core::policy::Policy;
use dwell_core::time::{Timestamp, Zone};
use dwell_engine::{AppRules, Record, Worker, WorkerOptions};
use dwell_store::{Batch, Books, BooksOptions, DiskBooks, Log, MemoryLog};

/// That of the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<u64>().ok());
    let (users, events) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(1_000_000));
    let visit = numbers.next().unwrap_or(15);
    let step = numbers.next().unwrap_or(100_000);
    let people_a_device = numbers.next().unwrap_or(1).max(1);
    let usual = WorkerOptions::default();
    let turn_bytes = numbers.next().map_or(usual.turn_bytes, |mebibytes| (mebibytes as usize) << 20);
    let folder = tempfile::tempdir().expect("a folder can be made");
    let log = Arc::new(MemoryLog::default());
    let books: Arc<dyn Books> =
        Arc::new(DiskBooks::open(folder.path(), BooksOptions::default()).expect("books can be made"));
    let rules = Arc::new(AppRules::of(&Policy::default(), Zone::default()));
    let mut worker = Worker::new(log.clone(), books, Arc::new(rules), WorkerOptions { turn_bytes, ..usual });
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let begin = 1_790_000_000_000_000_i64;
    let (mut sent, mut bytes) = (0, Vec::new());
    let mut spent = std::time::Duration::ZERO;
    let mut told = 0;
    let there = (users / 20).max(1);
    let mut visitors: Vec<u64> = (0..there).map(|_| next() % users).collect();
    while sent < events {
        let mut batch = Batch::new();
        for _ in 0..100 {
            let place = (next() % there) as usize;
            let user = visitors[place];
            if next() % visit == 0 {
                visitors[place] = next() % users;
            }
            let device = user / people_a_device;
            let at = begin + (sent * 20_000_000 / there) as i64;
            Record {
                app: "app_0123456789ab",
                user: &format!("user-{user:032x}"),
                link_from: None,
                message_id: &uuid(next(), next()),
                message_id_is_derived: false,
                kind: 5,
                name: Some("song_played"),
                happened_at: at,
                received_at: at + 1_000_000,
                remaining: None,
                player: None,
                device: Some(&format!("0f3c7a2e-1b7d-4f0e-9a55-{device:012x}")),
                platform: Some(["ios", "android", "web"][(user % 3) as usize]),
                campaign: None,
                country: Some(["KR", "DE", "US", "GB", "JP"][(user % 5) as usize]),
                app_version: Some(["3.1", "3.2", "3.2.1", "4.0"][(user % 4) as usize]),
            }
            .write(&mut bytes);
            batch.push(&bytes);
            sent += 1;
        }
        log.append(batch).wait().expect("memory takes everything");
        if sent % step == 0 || events <= sent {
            let began = Instant::now();
            let now = Timestamp::from_micros(begin + (sent * 20_000_000 / there) as i64);
            while !worker.turn(now).expect("a turn works").is_idle() {}
            spent += began.elapsed();
            if told + 500_000 <= sent || events <= sent {
                println!("{sent} events of {users} users: {:.0} events/s", sent as f64 / spent.as_secs_f64());
                told = sent;
            }
        }
    }
}

/// Writes a message id as SDKs draw them.
fn uuid(one: u64, two: u64) -> String {
    let (one, two) = (one.to_be_bytes(), two.to_be_bytes());
    let part = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{}-{}-{}-{}-{}", part(&one[..4]), part(&one[4..6]), part(&one[6..]), part(&two[..2]), part(&two[2..]))
}
