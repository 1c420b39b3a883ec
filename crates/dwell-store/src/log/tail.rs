//! Up to where the log is durable, and who waits for it to move.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Offset;

/// The end of what is durable.
pub(super) struct Tail {
    state: Mutex<State>,
    moved: Condvar,
}

struct State {
    next: Offset,
    closed: bool,
    wakers: Vec<Waker>,
}

impl Tail {
    pub fn at(next: Offset) -> Arc<Tail> {
        let state = State { next, closed: false, wakers: Vec::new() };
        Arc::new(Tail { state: Mutex::new(state), moved: Condvar::new() })
    }

    /// The offset that the next record will get.
    pub fn next(&self) -> Offset {
        self.lock().next
    }

    pub fn move_to(&self, next: Offset) {
        self.change(|state| state.next = next);
    }

    /// Nothing will come any more: nobody waits.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    pub fn wait_past(&self, offset: Offset, longest: Duration) -> Offset {
        let state = self.lock();
        let waited = self.moved.wait_timeout_while(state, longest, |state| state.next <= offset && !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.next
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.moved.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ready once the log has a durable record at the offset, or is closed. See [`Log::past`](super::Log::past).
#[must_use = "a future does nothing unless it is awaited"]
pub struct Past {
    pub(super) tail: Arc<Tail>,
    pub(super) offset: Offset,
}

impl Future for Past {
    type Output = Offset;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Offset> {
        let mut state = self.tail.lock();
        if self.offset < state.next || state.closed {
            return Poll::Ready(state.next);
        }
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}
