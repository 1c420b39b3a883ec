//! What the process itself takes, where the system tells it in `/proc`, as Linux does.

use std::fs;
use std::time::Duration;

use dwell_server::Process;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Asks the system; `None` where it does not say.
pub fn seen() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    // One of them is the folder itself, which is open while it is read.
    let open_fds = (fs::read_dir("/proc/self/fd").ok()?.count() as u64).saturating_sub(1);
    let most_fds = getrlimit(Resource::Nofile).current;
    told(&stat, &boot, page_size() as u64, clock_ticks_per_second()).map(|told| Process { open_fds, most_fds, ..told })
}

/// Understands both texts; see `man 5 proc`.
fn told(stat: &str, boot: &str, page: u64, ticks: u64) -> Option<Process> {
    // Before the last bracket stands the name of the program, which may hold anything. Behind it the third field is first.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticked = |count: u64| Duration::from_micros(count.saturating_mul(1_000_000) / ticks.max(1));
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Process {
        resident_bytes: field(24)?.saturating_mul(page),
        cpu_time: ticked(field(14)?.saturating_add(field(15)?)),
        started_at: Duration::from_secs(booted).saturating_add(ticked(field(22)?)),
        open_fds: 0,
        most_fds: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_from_behind_the_name_of_the_program() {
        let stat =
            "77 (a) b) S 1 1 1 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 9 0 12345 99999 4096 18446744073709551615 1";
        let process = told(stat, "cpu 1 2 3\nbtime 1000\nprocesses 4\n", 4096, 100).unwrap();
        assert_eq!(process.cpu_time, Duration::from_secs(3));
        assert_eq!(process.resident_bytes, 16 << 20);
        assert_eq!(process.started_at, Duration::from_millis(1_123_450));
    }

    #[test]
    fn what_is_not_told_is_not_known() {
        assert_eq!(told("", "", 4096, 100), None);
        assert_eq!(told("77 (dwell) S 1 1", "btime 1000", 4096, 100), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_seen() {
        let process = seen().unwrap();
        assert!(1 << 20 < process.resident_bytes && 3 <= process.open_fds, "{process:?}");
        let now = u64::try_from(crate::clock::now().as_micros()).unwrap();
        let age = Duration::from_micros(now).saturating_sub(process.started_at);
        assert!(age < Duration::from_secs(3_600), "{process:?}");
    }
}
