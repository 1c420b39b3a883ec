//! Who goes first where cores are short: whoever waits for an answer, then the engine, then what can wait.
//!
//! An acknowledgement is late for somebody after milliseconds. The engine is late after a second, and what a crowd does to it is
//! one long stretch of work, before which a short answer would wait for its turn. On Linux each thread has a priority of its own,
//! and hands it on to those that it starts.

use tracing::warn;

/// By how much a thread stands back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Priority {
    /// The engine and the store under its books: behind requests, before all the rest.
    Engine,
    /// What nobody waits for by the second: counting anew, exports, the archive.
    CanWait,
}

impl Priority {
    /// Returns the nice value: 0 is usual, and 19 stands back furthest.
    const fn nice(self) -> i32 {
        match self {
            Priority::Engine => 5,
            Priority::CanWait => 10,
        }
    }

    /// Gives this priority to the thread that asks for it. On systems other than Linux it does nothing.
    pub fn take(self) {
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), self.nice()) {
            warn!(%error, ?self, "what should let others go first goes on at the usual priority");
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap()
    }

    #[test]
    fn a_thread_hands_its_priority_on_and_leaves_others_theirs() {
        let usual = nice();
        let of_child = std::thread::spawn(|| {
            Priority::Engine.take();
            std::thread::spawn(nice).join().unwrap()
        });
        assert_eq!(of_child.join().unwrap(), Priority::Engine.nice());
        assert_eq!(nice(), usual);
        assert!(usual < Priority::Engine.nice() && Priority::Engine.nice() < Priority::CanWait.nice());
    }
}
