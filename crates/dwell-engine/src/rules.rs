//! What holds in an app.

use std::sync::Arc;

use dwell_core::policy::{Policy, Standing};
use dwell_core::time::Zone;

/// What holds for every user of an app.
#[derive(Clone, Debug)]
pub struct AppRules {
    /// The rules of sessions.
    pub standing: Standing,
    /// In which zone days are counted.
    pub zone: Zone,
}

impl AppRules {
    /// Works out what a policy means for users of whom nothing else is known.
    #[must_use]
    pub fn of(policy: &Policy, zone: Zone) -> Self {
        AppRules { standing: policy.standing_of("", &[], &[]), zone }
    }
}

/// Somebody who knows the rules of every app.
pub trait RulesOf: Send + Sync {
    /// Returns the rules of an app; the usual ones where nobody set any.
    fn rules_of(&self, app: &str) -> Arc<AppRules>;
}

/// The same rules for all apps.
impl RulesOf for Arc<AppRules> {
    fn rules_of(&self, _: &str) -> Arc<AppRules> {
        self.clone()
    }
}
