//! Lets threads through one after the other, in order of their numbers.

use std::sync::{Condvar, Mutex, PoisonError};

/// Keeps what is to be written in order, though several threads make it.
#[derive(Debug, Default)]
pub struct Turnstile {
    next: Mutex<Turn>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Turn {
    next: usize,
    given_up: bool,
}

impl Turnstile {
    /// Waits for the turn of `number`, does the work, and lets the next one through; `None` when work was given up.
    pub fn pass<T, E>(&self, number: usize, work: impl FnOnce() -> Result<T, E>) -> Option<Result<T, E>> {
        let mut turn = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        while turn.next < number && !turn.given_up {
            turn = self.changed.wait(turn).unwrap_or_else(PoisonError::into_inner);
        }
        if turn.given_up {
            return None;
        }
        let done = work();
        turn.next = number + 1;
        turn.given_up = done.is_err();
        drop(turn);
        self.changed.notify_all();
        Some(done)
    }

    /// Lets everybody go who waits: somebody whose turn would come cannot go on.
    pub fn give_up(&self) {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).given_up = true;
        self.changed.notify_all();
    }
}
