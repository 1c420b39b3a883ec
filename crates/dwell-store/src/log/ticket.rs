//! What a caller holds while the log writes: one answer, awaited or waited for.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::Offset;
use crate::error::StoreError;

/// An append under way. Ready once the records are durable, or are known not to be.
///
/// It is a future of any runtime; [`Append::wait`] blocks instead. Dropping it does not stop the append.
#[must_use = "an append is acknowledged only when this says so"]
pub struct Append(Arc<Slot<Offset>>);

/// The side that answers. Dropped without an answer, it says [`StoreError::Closed`].
pub(super) struct Answer<Value>(Arc<Slot<Value>>);

pub(super) struct Slot<Value> {
    state: Mutex<State<Value>>,
    answered: Condvar,
}

struct State<Value> {
    answer: Option<Result<Value, StoreError>>,
    waker: Option<Waker>,
    over: bool,
}

/// Makes both sides of one answer.
pub(super) fn pair<Value>() -> (Answer<Value>, Arc<Slot<Value>>) {
    let state = State { answer: None, waker: None, over: false };
    let slot = Arc::new(Slot { state: Mutex::new(state), answered: Condvar::new() });
    (Answer(Arc::clone(&slot)), slot)
}

impl Append {
    pub(super) fn of(slot: Arc<Slot<Offset>>) -> Append {
        Append(slot)
    }

    /// One that is answered already.
    pub(super) fn ready(answer: Result<Offset, StoreError>) -> Append {
        let (side, slot) = pair();
        side.give(answer);
        Append(slot)
    }

    /// Blocks until the records are durable, and returns the offset of the first.
    pub fn wait(self) -> Result<Offset, StoreError> {
        self.0.wait()
    }
}

impl Future for Append {
    type Output = Result<Offset, StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock();
        match state.answer.take() {
            Some(answer) => Poll::Ready(answer),
            None if state.over => Poll::Ready(Err(StoreError::Closed)),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<Value> Slot<Value> {
    pub fn wait(&self) -> Result<Value, StoreError> {
        let mut state = self.lock();
        loop {
            if let Some(answer) = state.answer.take() {
                return answer;
            }
            if state.over {
                return Err(StoreError::Closed);
            }
            state = self.answered.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<Value>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, answer: Option<Result<Value, StoreError>>) {
        let mut state = self.lock();
        if state.over {
            return;
        }
        state.over = true;
        state.answer = answer;
        let waker = state.waker.take();
        drop(state);
        self.answered.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<Value> Answer<Value> {
    pub fn give(self, answer: Result<Value, StoreError>) {
        self.0.end(Some(answer));
    }
}

impl<Value> Drop for Answer<Value> {
    fn drop(&mut self) {
        self.0.end(None);
    }
}
