//! The disk of the log fails a sync: nothing is acknowledged any more, everybody can see it, and nothing acknowledged is lost.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{Server, event};

/// Ticks of the processor that a process has used, and a hundred of them are a second.
fn ticks(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.process.id())).unwrap();
    let after_name: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    after_name[11].parse::<u64>().unwrap() + after_name[12].parse::<u64>().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_sync_of_the_log_that_fails_is_seen_and_loses_nothing() {
    let there = Command::new("strace").arg("-V").stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        println!("not run: this needs strace");
        return;
    }
    // Of every thread the 20th sync and all after it. The log's thread is the only one that comes so far.
    let under = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "inject=fdatasync:error=EIO:when=20+"];
    let mut server = Server::start_under(&under, "timeout = \"30m\"\n", &[]);
    let mut acknowledged = 0_u64;
    while server.send(&[event("ada", &acknowledged.to_string())]) == 200 {
        acknowledged += 1;
        assert!(acknowledged < 100, "the sync never failed");
    }
    assert!(5 < acknowledged, "{acknowledged}");
    assert_eq!(server.send(&[event("ada", "never")]), 503, "it stays so");
    let (status, why) = server.ask("/readyz");
    assert!(status == 503 && why.contains("\"code\":\"log_failed\""), "{status} {why}");
    assert_eq!(server.metric("dwell_log_failed"), 1.0);
    // What was acknowledged becomes sessions all the same, and whoever waits for more does not keep the machine busy.
    server.settle();
    let before = ticks(&server);
    std::thread::sleep(Duration::from_secs(2));
    let used = ticks(&server) - before;
    assert!(used < 100, "{used} hundredths of a second in 2 seconds, with nothing to do");
    server.process.kill().unwrap();
    drop(server.process.wait());

    server.start_again(&[]);
    server.settle();
    let app = server.ask_json("/v1/app");
    let joined = app["events"]["joined"].as_u64().unwrap() + app["events"]["amended"].as_u64().unwrap();
    // The one that was not answered may be there.
    assert!(acknowledged <= joined && joined <= acknowledged + 1, "{acknowledged} acknowledged, {app}");
    assert_eq!(server.send(&[event("ada", "never")]), 200);
}
