//! How fast the log acknowledges: callers in threads, each with one append under way at a time.
//!
//! `cargo run --release -p dwell-store --example log_speed -- FOLDER [--callers 16] [--appends 20000] [--records 100]
//! [--bytes 350]`. The folder should lie on the disk that is meant.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use dwell_store::{Batch, DiskLog, Log, LogOptions, Offset, StoreError};

struct Plan {
    folder: PathBuf,
    callers: u64,
    appends: u64,
    records: usize,
    bytes: usize,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let number = |flag: &str, otherwise: u64| {
        let at = args.iter().position(|arg| arg == flag);
        at.and_then(|at| args.get(at + 1)).and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    };
    let Some(folder) = args.first().map(PathBuf::from) else {
        eprintln!("speed FOLDER [--callers N] [--appends N] [--records N] [--bytes N]");
        return ExitCode::from(2);
    };
    let plan = Plan {
        folder,
        callers: number("--callers", 16),
        appends: number("--appends", 20_000),
        records: number("--records", 100) as usize,
        bytes: number("--bytes", 350) as usize,
    };
    match run(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("speed: {error}");
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn run(plan: &Plan) -> Result<(), StoreError> {
    let log = DiskLog::open(&plan.folder, LogOptions::default())?;
    let left = AtomicU64::new(plan.appends);
    let begun = now();
    let used = cpu_seconds();
    let mut waits: Vec<f64> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..plan.callers).map(|_| scope.spawn(|| call(&log, &left, plan))).collect();
        callers.into_iter().flat_map(|caller| caller.join().unwrap_or_default()).collect()
    });
    let (wall, used) = (begun.elapsed().as_secs_f64(), cpu_seconds() - used);
    waits.sort_by(f64::total_cmp);
    let quantile = |part: f64| waits.get((waits.len() as f64 * part) as usize).copied().unwrap_or_default() * 1e3;
    let records = plan.appends as f64 * plan.records as f64;
    let counts = log.counts();
    println!(
        "{} callers, {} appends of {} records of {} bytes: {:.0} records/s, {:.0} MB/s, {:.2} CPU s of {wall:.2} s, {:.1} \
         appends a sync, wait p50 {:.1} ms, p99 {:.1} ms",
        plan.callers,
        plan.appends,
        plan.records,
        plan.bytes,
        records / wall,
        records * plan.bytes as f64 / wall / 1e6,
        used,
        counts.appends as f64 / counts.syncs.max(1) as f64,
        quantile(0.5),
        quantile(0.99),
    );
    let begun = now();
    let mut from = log.first();
    while from < log.next() {
        from = log.read(from, 1 << 20)?.next();
    }
    println!("read back: {:.0} records/s", from.since(Offset::ZERO) as f64 / begun.elapsed().as_secs_f64());
    drop(log);
    let begun = now();
    let log = DiskLog::open(&plan.folder, LogOptions::default())?;
    let opened = begun.elapsed().as_secs_f64();
    let begun = now();
    let verified = log.verify()?;
    println!(
        "opened in {opened:.3} s; {} MB in {} segments verified in {:.2} s",
        verified.bytes >> 20,
        verified.segments,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

fn call(log: &DiskLog, left: &AtomicU64, plan: &Plan) -> Vec<f64> {
    let record = vec![7; plan.bytes];
    let mut waits = Vec::new();
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let mut batch = Batch::with_capacity(plan.records * (plan.bytes + 4));
        for _ in 0..plan.records {
            batch.push(&record);
        }
        let begun = now();
        if let Err(error) = log.append(batch).wait() {
            eprintln!("speed: {error}");
            return waits;
        }
        waits.push(begun.elapsed().as_secs_f64());
    }
    waits
}

/// What this process has used, by `/proc`; zero where there is none.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rfind(')').map_or("", |at| &stat[at + 1..]);
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}
