//! Named profiles: how others define a session, from the same events (SESSION.md, section 9).

use crate::policy::{Campaigns, Edge, Playing, Rules, Version};
use crate::time::{Span, Timeout, Zone};

/// Somebody else's definition of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    /// Braze on the web: 30 min, never less than 10 s after the start.
    BrazeWeb,
    /// Braze on phones: 10 s in the background.
    BrazeMobile,
    /// Google Analytics 4: 30 min.
    Ga4,
    /// Amplitude on phones: 5 min.
    AmplitudeMobile,
    /// Mixpanel: 30 min, and midnight.
    Mixpanel,
    /// Matomo: 30 min, midnight, and another campaign.
    Matomo,
    /// PostHog: 30 min, at most 24 h.
    PostHog,
    /// Snowplow's trackers: a gap longer than 30 min.
    Snowplow,
}

impl Profile {
    /// All of them.
    pub const ALL: [Profile; 8] = [
        Profile::BrazeWeb,
        Profile::BrazeMobile,
        Profile::Ga4,
        Profile::AmplitudeMobile,
        Profile::Mixpanel,
        Profile::Matomo,
        Profile::PostHog,
        Profile::Snowplow,
    ];

    /// Returns its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Profile::BrazeWeb => "braze-web",
            Profile::BrazeMobile => "braze-mobile",
            Profile::Ga4 => "ga4",
            Profile::AmplitudeMobile => "amplitude-mobile",
            Profile::Mixpanel => "mixpanel",
            Profile::Matomo => "matomo",
            Profile::PostHog => "posthog",
            Profile::Snowplow => "snowplow",
        }
    }

    /// Finds the profile with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Profile::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Says in a few words what its rule is.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Profile::BrazeWeb => "30 min of silence, never less than 10 s after the start",
            Profile::BrazeMobile => "10 s in the background",
            Profile::Ga4 => "30 min of silence",
            Profile::AmplitudeMobile => "5 min of silence",
            Profile::Mixpanel => "30 min of silence, or midnight",
            Profile::Matomo => "30 min of silence, or midnight, or another campaign",
            Profile::PostHog => "30 min of silence, or 24 h in all",
            Profile::Snowplow => "more than 30 min of silence",
        }
    }

    /// Returns its rules as a version of a policy. `zone` tells where midnight is.
    ///
    /// None of them knows playing in the background: a signal reaches only itself.
    #[must_use]
    pub fn version(self, zone: &Zone) -> Version {
        let mut rules = Rules { playing: Playing::Ignored, ..Rules::default() };
        let mut timeout = Timeout::DEFAULT;
        match self {
            Profile::Ga4 => {}
            Profile::BrazeWeb => rules.shortest = Span::from_secs(10),
            Profile::BrazeMobile => rules.background_timeout = Timeout::from_secs(10).ok(),
            Profile::AmplitudeMobile => timeout = Timeout::from_secs(300).unwrap_or(Timeout::DEFAULT),
            Profile::Mixpanel => rules.midnight = Some(zone.clone()),
            Profile::Matomo => {
                rules.midnight = Some(zone.clone());
                rules.campaigns = Campaigns::StartAnew;
            }
            Profile::PostHog => rules.max_length = Some(Span::from_hours(24)),
            Profile::Snowplow => rules.edge = Edge::Continues,
        }
        Version { timeout: Some(timeout), rules, ..Version::default() }
    }
}
