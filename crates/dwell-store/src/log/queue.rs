//! What waits to be written, with a bound.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::ticket::Answer;
use super::{Batch, Offset};
use crate::error::StoreError;

/// Something for the writer to do.
pub(super) enum Request {
    Append { batch: Batch, payload_crc: u32, answer: Answer<Offset> },
    DropBefore { offset: Offset, answer: Answer<Offset> },
}

impl Request {
    fn size(&self) -> usize {
        match self {
            Request::Append { batch, .. } => batch.size(),
            Request::DropBefore { .. } => 0,
        }
    }
}

/// Requests in order of arrival.
pub(super) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    limit: usize,
}

struct State {
    requests: VecDeque<Request>,
    bytes: usize,
    end: Option<End>,
}

/// Why nothing is taken any more.
#[derive(Clone)]
enum End {
    Closed,
    Poisoned(Arc<str>),
}

impl Queue {
    pub fn with_limit(limit: usize) -> Queue {
        let state = State { requests: VecDeque::new(), bytes: 0, end: None };
        Queue { state: Mutex::new(state), filled: Condvar::new(), limit }
    }

    /// Adds a request, or says why not.
    pub fn push(&self, request: Request) -> Result<(), StoreError> {
        let mut state = self.lock();
        match &state.end {
            Some(End::Closed) => return Err(StoreError::Closed),
            Some(End::Poisoned(cause)) => return Err(StoreError::Poisoned { cause: Arc::clone(cause) }),
            None => {}
        }
        let size = request.size();
        if 0 < size && 0 < state.bytes && self.limit < state.bytes + size {
            return Err(StoreError::Busy { waiting: state.bytes, limit: self.limit });
        }
        state.bytes += size;
        state.requests.push_back(request);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for requests, and takes them up to a size. `None` once the queue is closed and empty.
    pub fn take(&self, most: usize) -> Option<Vec<Request>> {
        let mut state = self.lock();
        while state.requests.is_empty() && state.end.is_none() {
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = take_from(&mut state, most);
        (!taken.is_empty()).then_some(taken)
    }

    /// Takes what is there, without waiting.
    #[cfg(feature = "simulation")]
    pub fn take_now(&self, most: usize) -> Vec<Request> {
        take_from(&mut self.lock(), most)
    }

    /// How many bytes wait.
    pub fn waiting(&self) -> usize {
        self.lock().bytes
    }

    /// Why nothing is taken any more, if the disk failed.
    pub fn failure(&self) -> Option<Arc<str>> {
        match &self.lock().end {
            Some(End::Poisoned(cause)) => Some(Arc::clone(cause)),
            Some(End::Closed) | None => None,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lock().requests.is_empty()
    }

    /// Takes nothing more. What is there will still be written.
    pub fn close(&self) {
        self.lock().end.get_or_insert(End::Closed);
        self.filled.notify_all();
    }

    /// Takes nothing more, and lets go of what is there: the disk failed.
    pub fn poison(&self, cause: Arc<str>) {
        let mut state = self.lock();
        state.end = Some(End::Poisoned(Arc::clone(&cause)));
        state.bytes = 0;
        let waiting = std::mem::take(&mut state.requests);
        drop(state);
        for request in waiting {
            request.refuse(|| StoreError::Poisoned { cause: Arc::clone(&cause) });
        }
        self.filled.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Request {
    pub fn refuse(self, why: impl FnOnce() -> StoreError) {
        match self {
            Request::Append { answer, .. } | Request::DropBefore { answer, .. } => answer.give(Err(why())),
        }
    }
}

fn take_from(state: &mut State, most: usize) -> Vec<Request> {
    let mut taken = Vec::new();
    let mut size = 0;
    while let Some(request) = state.requests.pop_front() {
        size += request.size();
        if !taken.is_empty() && most < size {
            state.requests.push_front(request);
            break;
        }
        state.bytes -= request.size();
        taken.push(request);
    }
    taken
}
