//! What is asked of a log: under which rules, for whom, and up to when.

use std::collections::BTreeMap;
use std::sync::Arc;

use dwell_core::policy::{Policy, Standing};
use dwell_core::time::Timestamp;
use hashbrown::HashMap;

use crate::handover::Handovers;
use crate::names::Names;

/// What becomes of late events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LateEvents {
    /// They are left out and counted, as the live engine does: the default.
    LeftOut,
    /// They are taken up, as a restatement does.
    TakenUp,
}

/// The rules, and what is needed to apply them to one user after the other.
#[derive(Debug)]
pub struct Question {
    /// The app, of which a session's id is derived.
    pub app: String,
    /// Up to when the log tells: a session whose deadline lies after it is still open.
    pub as_of: Timestamp,
    /// What becomes of late events.
    pub late: LateEvents,
    /// Who took a device from whom: nobody, until it is found.
    pub handovers: Handovers,
    common: Standing,
    named: HashMap<String, Standing>,
}

impl Question {
    /// Works out what holds for whom. `audiences` names the audiences of each user who is in one.
    #[must_use]
    pub fn new(
        app: &str,
        policy: &Policy,
        audiences: &BTreeMap<String, Vec<String>>,
        names: &Names,
        as_of: Timestamp,
        late: LateEvents,
    ) -> Self {
        let texts: Vec<Arc<str>> = names.texts();
        let platforms: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let standing = |user: &str| {
            let audiences: Vec<&str> = audiences.get(user).into_iter().flatten().map(String::as_str).collect();
            policy.standing_of(user, &audiences, &platforms)
        };
        let own = policy.versions().iter().flat_map(|version| version.users.keys());
        let named = own.chain(audiences.keys()).map(|user| (user.clone(), standing(user))).collect();
        // No user has an empty id: this is what holds for everybody who is not named.
        Question { app: app.to_owned(), as_of, late, handovers: Handovers::default(), common: standing(""), named }
    }

    /// Returns what holds for a user.
    #[must_use]
    #[inline]
    pub fn standing_of(&self, user: &str) -> &Standing {
        if self.named.is_empty() {
            return &self.common;
        }
        self.named.get(user).unwrap_or(&self.common)
    }
}
