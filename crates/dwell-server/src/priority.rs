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
    /// Returns how much is added to the nice value, of which 19 is the largest and stands back furthest.
    const fn added(self) -> i32 {
        match self {
            Priority::Engine => 5,
            Priority::CanWait => 10,
        }
    }

    /// Has the thread that asks for it stand back by so much from where it stands. On systems other than Linux it does nothing.
    pub fn take(self) {
        #[cfg(target_os = "linux")]
        {
            let this = Some(rustix::thread::gettid());
            let taken = rustix::process::getpriority_process(this)
                .and_then(|now| rustix::process::setpriority_process(this, (now + self.added()).min(19)));
            if let Err(error) = taken {
                warn!(%error, ?self, "what should let others go first goes on at the usual priority");
            }
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
        assert_eq!(of_child.join().unwrap(), (usual + Priority::Engine.added()).min(19));
        assert_eq!(nice(), usual);
        assert!(0 < Priority::Engine.added() && Priority::Engine.added() < Priority::CanWait.added());
    }
}
