//! What holds in an app.

use std::borrow::Cow;
use std::sync::Arc;

use dwell_core::policy::{Policy, Standing};
use dwell_core::time::{Span, Zone};

/// A thousand years: longer than anything is told of.
const NEVER_LATE: Span = Span::from_hours(1_000 * 366 * 24);

/// The rules of an app.
#[derive(Clone, Debug)]
pub struct AppRules {
    policy: Policy,
    /// What holds for every user, where it is the same for all of them and on all platforms.
    for_all: Option<Standing>,
    /// In which zone days are counted.
    pub zone: Zone,
}

impl AppRules {
    /// Takes a policy, and the zone in which the app's days are counted.
    #[must_use]
    pub fn of(policy: &Policy, zone: Zone) -> Self {
        let has_platforms = policy.versions().iter().any(|version| !version.platforms.is_empty());
        let is_for_all = policy.is_the_same_for_all() && !has_platforms;
        AppRules { for_all: is_for_all.then(|| policy.standing_of("", &[], &[])), policy: policy.clone(), zone }
    }

    /// Returns the same rules, but that no event is late.
    pub(crate) fn without_lateness(&self) -> AppRules {
        let mut versions = self.policy.versions().to_vec();
        versions.iter_mut().for_each(|version| version.rules.allowed_lateness = NEVER_LATE);
        AppRules::of(&Policy::from_versions(versions), self.zone.clone())
    }

    /// Returns what holds for a user. `platforms` gives the name behind each platform key, from key 1 on.
    ///
    /// Nobody is in an audience yet.
    #[must_use]
    pub fn standing_of(&self, user: &str, platforms: &[String]) -> Cow<'_, Standing> {
        match &self.for_all {
            Some(standing) => Cow::Borrowed(standing),
            None => {
                let names: Vec<&str> = std::iter::once("").chain(platforms.iter().map(String::as_str)).collect();
                Cow::Owned(self.policy.standing_of(user, &[], &names))
            }
        }
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
