//! Whose timeout applies, since when, and why.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::time::{Span, Timeout, Timestamp, Zone};

/// All rules of one app: versions, each in force from a date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    versions: Vec<Version>,
}

/// One version of an app's rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// From when on it is in force.
    pub effective_from: Timestamp,
    /// The app's timeout; `None` leaves it at [`Timeout::DEFAULT`].
    pub timeout: Option<Timeout>,
    /// Timeouts by the name of the platform.
    pub platforms: BTreeMap<String, Timeout>,
    /// Timeouts by the name of the audience; a user in several gets that of the first one.
    pub audiences: Vec<(String, Timeout)>,
    /// Users' own timeouts.
    pub users: BTreeMap<String, Timeout>,
    /// Everything that is the same for all users of the app.
    pub rules: Rules,
}

/// The rules of an app that no platform, audience or user changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Applies to the gap after `backgrounded` while nothing plays; `None` is the timeout itself.
    pub background_timeout: Option<Timeout>,
    /// The longest that a session may be; `None` is no limit.
    pub max_length: Option<Span>,
    /// What playing signals are worth.
    pub playing: Playing,
    /// How much of a silence in the foreground still counts as being there.
    pub idle_after: Span,
    /// The largest `received_at - happened_at` with which an event may still change a session.
    pub allowed_lateness: Span,
    /// Ends sessions at midnight of this zone; only named profiles ask for it.
    pub midnight: Option<Zone>,
    /// What another campaign does.
    pub campaigns: Campaigns,
    /// A silence does not end a session before it is this long from its start on; only named profiles ask for it.
    pub shortest: Span,
    /// Who decides at equality.
    pub edge: Edge,
}

/// What playing signals are worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Playing {
    /// They reach to the end of what plays, or this far when its end is not known.
    Reaches(Span),
    /// They reach only themselves, as others see it.
    Ignored,
}

/// What it means when another campaign brings the user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Campaigns {
    /// Nothing.
    Ignored,
    /// A new session, as Matomo has it.
    StartAnew,
}

/// What a gap exactly as long as the timeout does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// It ends the session: ours.
    Ends,
    /// It does not, as Snowplow's trackers have it.
    Continues,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            background_timeout: None,
            max_length: None,
            playing: Playing::Reaches(Span::from_minutes(10)),
            idle_after: Span::from_minutes(5),
            allowed_lateness: Span::from_hours(72),
            midnight: None,
            campaigns: Campaigns::Ignored,
            shortest: Span::ZERO,
            edge: Edge::Ends,
        }
    }
}

impl Default for Version {
    fn default() -> Self {
        Version {
            effective_from: Timestamp::MIN,
            timeout: None,
            platforms: BTreeMap::new(),
            audiences: Vec::new(),
            users: BTreeMap::new(),
            rules: Rules::default(),
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Policy { versions: alloc::vec![Version::default()] }
    }
}

/// The timeout that applies, and which rule said so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decided {
    /// How long a silence must last.
    pub timeout: Timeout,
    /// Who said so.
    pub source: Source,
}

/// Which rule decided a timeout, the narrowest last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Source {
    /// Nobody decided anything: 30 minutes.
    Default,
    /// The app's rule.
    App,
    /// The rule of the platform.
    Platform,
    /// The rule of an audience.
    Audience,
    /// The user's own.
    User,
    /// The app was in the background, and nothing played.
    Background,
}

impl Source {
    /// All sources, in their order.
    pub const ALL: [Source; 6] =
        [Source::Default, Source::App, Source::Platform, Source::Audience, Source::User, Source::Background];

    /// Returns the word for it in files and answers.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Source::Default => "default",
            Source::App => "app",
            Source::Platform => "platform",
            Source::Audience => "audience",
            Source::User => "user",
            Source::Background => "background",
        }
    }
}

impl Policy {
    /// Returns a policy of one version that has always been in force.
    #[must_use]
    pub fn always(version: Version) -> Self {
        Policy { versions: alloc::vec![Version { effective_from: Timestamp::MIN, ..version }] }
    }

    /// Takes versions in any order. Before the first one the defaults hold; of two from one moment the later given holds.
    #[must_use]
    pub fn from_versions(versions: Vec<Version>) -> Self {
        let mut all = alloc::vec![Version::default()];
        all.extend(versions);
        all.sort_by_key(|version| version.effective_from);
        all.reverse();
        all.dedup_by_key(|version| version.effective_from);
        all.reverse();
        Policy { versions: all }
    }

    /// Returns its versions, the earliest first.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// Says whether all users live under the same rules, so that one [`Standing`] serves them all.
    #[must_use]
    pub fn is_the_same_for_all(&self) -> bool {
        self.versions.iter().all(|version| version.audiences.is_empty() && version.users.is_empty())
    }

    /// Works out what holds for one user: own > audience > platform > app > default (SESSION.md, section 4).
    ///
    /// `platforms` gives the name behind each platform key, 0 first.
    #[must_use]
    pub fn standing_of(&self, user: &str, audiences: &[&str], platforms: &[&str]) -> Standing {
        let versions = self.versions.iter().map(|version| version.standing_of(user, audiences, platforms)).collect();
        Standing { versions }
    }
}

impl Version {
    fn standing_of(&self, user: &str, audiences: &[&str], platforms: &[&str]) -> StandingVersion {
        let edge = |timeout: Timeout| match self.rules.edge {
            Edge::Ends => timeout,
            Edge::Continues => timeout.exclusive(),
        };
        let decided = |timeout: &Timeout, source| Decided { timeout: edge(*timeout), source };
        let own = self.users.get(user).map(|timeout| decided(timeout, Source::User));
        let of_audience = || {
            let (_, timeout) = self.audiences.iter().find(|(name, _)| audiences.contains(&name.as_str()))?;
            Some(decided(timeout, Source::Audience))
        };
        let of_platform = |name: &&str| self.platforms.get(*name).map(|timeout| decided(timeout, Source::Platform));
        let broad = match &self.timeout {
            Some(timeout) => decided(timeout, Source::App),
            None => decided(&Timeout::DEFAULT, Source::Default),
        };
        let by_platform =
            if self.platforms.is_empty() { Vec::new() } else { platforms.iter().map(of_platform).collect() };
        let mut rules = self.rules.clone();
        rules.background_timeout = rules.background_timeout.map(edge);
        StandingVersion {
            effective_from: self.effective_from,
            narrow: own.or_else(of_audience),
            by_platform,
            broad,
            rules,
        }
    }
}

/// What holds for one user, version by version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    versions: Vec<StandingVersion>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct StandingVersion {
    effective_from: Timestamp,
    narrow: Option<Decided>,
    by_platform: Vec<Option<Decided>>,
    broad: Decided,
    rules: Rules,
}

impl Standing {
    /// Returns the rules in force at a moment.
    #[must_use]
    #[inline]
    pub fn rules_at(&self, at: Timestamp) -> &Rules {
        &self.version_at(at).rules
    }

    /// Returns the timeout in force at a moment for an activity on the platform with this key.
    #[must_use]
    #[inline]
    pub fn timeout_at(&self, at: Timestamp, platform: u32) -> Decided {
        let version = self.version_at(at);
        if let Some(decided) = version.narrow {
            return decided;
        }
        version.by_platform.get(platform as usize).copied().flatten().unwrap_or(version.broad)
    }

    /// Says whether, among actions with nothing playing, one timeout alone decides, whenever and wherever they happen.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let plain = |version: &StandingVersion| {
            version.by_platform.is_empty() && version.rules.midnight.is_none() && version.rules.max_length.is_none()
        };
        self.versions.len() == 1 && self.versions.iter().all(plain)
    }

    #[inline]
    fn version_at(&self, at: Timestamp) -> &StandingVersion {
        if self.versions.len() == 1 {
            return &self.versions[0];
        }
        let after = self.versions.partition_point(|version| version.effective_from <= at);
        &self.versions[after.saturating_sub(1)]
    }
}
