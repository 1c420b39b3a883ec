//! Three embedded stores doing the work of the books, side by side: fill, read-modify-write in batches, die, come back.
//!
//! `dwell-bench-books STORE FOLDER --users 2000000 --batches 400` prints one line of figures for each step. The process
//! aborts at the end of the writes, so that opening (a second process, started by the first) is a real recovery.

mod stores;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use stores::Store;

/// Keys in one batch.
const BATCH: usize = 10_000;

/// Bytes of one value.
const VALUE: usize = 200;

struct Plan {
    store: String,
    folder: PathBuf,
    users: u64,
    batches: u64,
    cache: u64,
    sync_every: u64,
    reopen: bool,
}

fn main() -> ExitCode {
    let Some(plan) = plan() else {
        eprintln!(
            "dwell-bench-books fjall|redb|rocksdb FOLDER [--users N] [--batches N] [--cache BYTES] [--sync-every N]"
        );
        return ExitCode::from(2);
    };
    if plan.reopen {
        reopen(&plan);
        return ExitCode::SUCCESS;
    }
    if std::env::var_os("BOOKS_CHILD").is_none() {
        let run = |reopen: bool| {
            let mut command = Command::new(std::env::current_exe().expect("own path"));
            command.args(std::env::args_os().skip(1)).env("BOOKS_CHILD", "1");
            if reopen {
                command.arg("--reopen");
            }
            command.status().expect("start")
        };
        run(false);
        run(true);
        run(true);
        return ExitCode::SUCCESS;
    }
    write(&plan);
    std::process::abort();
}

fn plan() -> Option<Plan> {
    let mut args = std::env::args().skip(1);
    let mut plan = Plan {
        store: args.next()?,
        folder: PathBuf::from(args.next()?),
        users: 2_000_000,
        batches: 400,
        cache: 256 << 20,
        sync_every: 20,
        reopen: false,
    };
    while let Some(flag) = args.next() {
        if flag == "--reopen" {
            plan.reopen = true;
            continue;
        }
        let value = args.next()?.parse().ok()?;
        match flag.as_str() {
            "--users" => plan.users = value,
            "--batches" => plan.batches = value,
            "--cache" => plan.cache = value,
            "--sync-every" => plan.sync_every = value,
            _ => return None,
        }
    }
    Some(plan)
}

fn write(plan: &Plan) {
    let mut store = stores::open(&plan.store, &plan.folder, plan.cache);
    let clock = Meter::start();
    let mut batch = Vec::with_capacity(BATCH);
    let mut committed = 0;
    for user in 0..plan.users {
        batch.push((key(user), value(user, 0)));
        if batch.len() == BATCH {
            commit(&mut *store, &mut batch, &mut committed, plan.sync_every);
        }
    }
    commit(&mut *store, &mut batch, &mut committed, plan.sync_every);
    store.sync();
    clock.report("fill", plan, plan.users);

    let clock = Meter::start();
    let mut worst = 0_f64;
    let mut random = 0x9e37_79b9_7f4a_7c15;
    for round in 0..plan.batches {
        let begun = Instant::now();
        let mut keys: Vec<[u8; 20]> = (0..BATCH).map(|_| key(next(&mut random) % plan.users)).collect();
        keys.sort_unstable();
        keys.dedup();
        let found = store.load(&keys);
        for (key, old) in keys.into_iter().zip(found) {
            let mut new = old.expect("every user was filled in");
            new[..8].copy_from_slice(&round.to_le_bytes());
            batch.push((key, new));
        }
        commit(&mut *store, &mut batch, &mut committed, plan.sync_every);
        worst = worst.max(begun.elapsed().as_secs_f64());
    }
    store.sync();
    clock.report("read-modify-write", plan, plan.batches * BATCH as u64);
    println!("  slowest batch {:.0} ms", worst * 1e3);
}

fn commit(store: &mut dyn Store, batch: &mut Vec<([u8; 20], Vec<u8>)>, committed: &mut u64, sync_every: u64) {
    *committed += 1;
    batch.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    store.commit(batch, *committed);
    batch.clear();
    if committed.is_multiple_of(sync_every) {
        store.sync();
    }
}

fn reopen(plan: &Plan) {
    let clock = Meter::start();
    let mut store = stores::open(&plan.store, &plan.folder, plan.cache);
    let found = store.load(&[key(plan.users / 2)]);
    assert!(found[0].is_some());
    let offset = store.offset();
    clock.report("open after abort", plan, 1);
    println!("  offset {offset}");
    let clock = Meter::start();
    let mut random = 7;
    let count = 100_000;
    let mut worst = 0_f64;
    for _ in 0..count {
        let begun = Instant::now();
        assert!(store.load(&[key(next(&mut random) % plan.users)])[0].is_some());
        worst = worst.max(begun.elapsed().as_secs_f64());
    }
    clock.report("single gets", plan, count);
    println!("  slowest get {:.2} ms", worst * 1e3);
}

/// The key of a user: an app of four bytes, then what a hash makes of the user.
fn key(user: u64) -> [u8; 20] {
    let mut key = [0; 20];
    key[3] = 1;
    key[4..12].copy_from_slice(&mix(user).to_be_bytes());
    key[12..20].copy_from_slice(&user.to_be_bytes());
    key
}

/// A value as books have them: half of it counters that are mostly small, half of it ids that look random.
fn value(user: u64, round: u64) -> Vec<u8> {
    let mut value = vec![0; VALUE];
    value[..8].copy_from_slice(&round.to_le_bytes());
    for at in (8..VALUE / 2).step_by(8) {
        value[at] = mix(user + at as u64) as u8;
    }
    for at in (VALUE / 2..VALUE - 8).step_by(8) {
        value[at..at + 8].copy_from_slice(&mix(user ^ at as u64).to_le_bytes());
    }
    value
}

fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(1);
    mix(*state)
}

struct Meter {
    wall: Instant,
    cpu: f64,
}

impl Meter {
    fn start() -> Meter {
        Meter { wall: Instant::now(), cpu: cpu_seconds() }
    }

    fn report(&self, step: &str, plan: &Plan, operations: u64) {
        let wall = self.wall.elapsed().as_secs_f64();
        let cpu = cpu_seconds() - self.cpu;
        println!(
            "{} users {} cache {} MB | {step}: {operations} in {wall:.2} s = {:.0}/s, CPU {cpu:.2} s, RSS {} MB, peak {} MB, disk {} MB",
            plan.store,
            plan.users,
            plan.cache >> 20,
            operations as f64 / wall,
            status("VmRSS:") / 1024,
            status("VmHWM:") / 1024,
            bytes_in(&plan.folder) >> 20,
        );
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("stat");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("name") + 2..].split(' ').collect();
    let ticks = fields[11].parse::<f64>().expect("utime") + fields[12].parse::<f64>().expect("stime");
    ticks / 100.0
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with(field)).expect("field");
    line.split_whitespace().nth(1).expect("number").parse().expect("number")
}

fn bytes_in(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let about = entry.metadata().ok()?;
            Some(if about.is_dir() { bytes_in(&entry.path()) } else { about.blocks() * 512 })
        })
        .sum()
}
