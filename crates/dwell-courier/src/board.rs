//! What is known of all endpoints, for whoever asks while the courier works.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::answer::Kind;
use crate::endpoint::{Endpoint, EndpointId};
use crate::progress::Progress;

/// An endpoint, and how far deliveries to it have come.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Who it is.
    pub endpoint: Endpoint,
    /// How far deliveries have come.
    pub progress: Progress,
    /// What of this machine keeps them from going on, like a file that cannot be read.
    pub problem: Option<String>,
}

impl Standing {
    /// Returns its state in a word: `stuck` when this machine is at fault, else that of its progress.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.problem.is_some() { "stuck" } else { self.progress.state() }
    }
}

/// What is known of all endpoints. Empty until the courier has looked.
#[derive(Debug, Default)]
pub struct Board {
    standings: Mutex<BTreeMap<EndpointId, Standing>>,
    letters: [AtomicU64; Kind::ALL.len()],
    died: AtomicU64,
}

impl Board {
    /// Returns what is known of an endpoint.
    #[must_use]
    pub fn one(&self, id: &EndpointId) -> Option<Standing> {
        self.lock().get(id).cloned()
    }

    /// Returns what is known of the endpoints of an app, in order of their ids.
    #[must_use]
    pub fn of(&self, app: &str) -> Vec<Standing> {
        self.lock().values().filter(|standing| standing.endpoint.app.as_str() == app).cloned().collect()
    }

    /// Returns how many letters came to what since the start.
    #[must_use]
    pub fn letters(&self) -> [(Kind, u64); Kind::ALL.len()] {
        std::array::from_fn(|place| (Kind::ALL[place], self.letters[place].load(Ordering::Relaxed)))
    }

    /// Returns how many deliveries were given up since the start.
    #[must_use]
    pub fn died(&self) -> u64 {
        self.died.load(Ordering::Relaxed)
    }

    /// Returns how many dead letters are kept, and how many were forgotten for lack of room.
    #[must_use]
    pub fn dead(&self) -> (usize, u64) {
        let all = self.lock();
        let kept = all.values().map(|standing| standing.progress.dead.len()).sum();
        (kept, all.values().map(|standing| standing.progress.forgotten).sum())
    }

    /// Returns how many numbers of feeds were dropped before it was their turn, of all endpoints.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lock().values().map(|standing| standing.progress.lost).sum()
    }

    /// Returns how many endpoints are in each state.
    #[must_use]
    pub fn states(&self) -> [(&'static str, usize); 4] {
        let all = self.lock();
        ["on", "failing", "off", "stuck"]
            .map(|state| (state, all.values().filter(|standing| standing.state() == state).count()))
    }

    pub(crate) fn count(&self, kind: Kind) {
        let place = Kind::ALL.iter().position(|one| *one == kind);
        if let Some(counter) = place.and_then(|place| self.letters.get(place)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count_died(&self, count: u64) {
        self.died.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<EndpointId, Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
