//! What was written about timeouts, in a file or in flags, becomes what is meant, once.

use std::path::Path;

use anyhow::Context;
use clap::Args;
use dwell_core::policy::{Policy, Version};
use dwell_core::profile::Profile;
use dwell_core::time::{Span, Timeout};
use dwell_policy::calendar::zone_table;
use dwell_policy::span::{parse_span, timeout};
use dwell_policy::text::{self, Ruling};
use jiff::tz::TimeZone;

/// Under which rules.
#[derive(Args, Debug, Default)]
pub struct PolicyArgs {
    /// Timeout for everybody whom the policy does not name, from 1s to 24h [default: 30m]
    #[arg(long, value_parser = timeout, value_name = "SPAN")]
    pub timeout: Option<Timeout>,
    /// File with the rules of the app (TOML)
    #[arg(long, value_name = "FILE", conflicts_with = "profile")]
    pub policy: Option<std::path::PathBuf>,
    /// Count as somebody else does: braze-web, braze-mobile, ga4, amplitude-mobile, mixpanel, matomo, posthog, snowplow
    #[arg(long, value_parser = profile, value_name = "NAME")]
    pub profile: Option<Profile>,
    /// Timeout of the silence after `backgrounded` while nothing plays [default: the timeout]
    #[arg(long, value_parser = timeout, value_name = "SPAN")]
    pub background_timeout: Option<Timeout>,
    /// Longest a session may be [default: no limit]
    #[arg(long, value_parser = parse_span, value_name = "SPAN")]
    pub max_length: Option<Span>,
}

fn profile(name: &str) -> Result<Profile, String> {
    let names: Vec<&str> = Profile::ALL.into_iter().map(Profile::name).collect();
    Profile::from_name(name).ok_or_else(|| format!("`{name}` is none of {}", names.join(", ")))
}

impl PolicyArgs {
    /// Works out the rules; `zone` tells where midnight is, for profiles that know one.
    pub fn ruling(&self, zone: &TimeZone) -> anyhow::Result<Ruling> {
        let mut ruling = match (&self.policy, self.profile) {
            (Some(path), _) => read(path, zone)?,
            (None, Some(profile)) => {
                Ruling { policy: Policy::always(profile.version(&zone_table(zone))), ..Ruling::default() }
            }
            (None, None) => Ruling::default(),
        };
        let change = |version: &Version| {
            let mut version = version.clone();
            version.timeout = self.timeout.or(version.timeout);
            version.rules.background_timeout = self.background_timeout.or(version.rules.background_timeout);
            version.rules.max_length = self.max_length.or(version.rules.max_length);
            version
        };
        ruling.policy = Policy::from_versions(ruling.policy.versions().iter().map(change).collect());
        Ok(ruling)
    }
}

/// Reads a policy file.
pub fn read(path: &Path, zone: &TimeZone) -> anyhow::Result<Ruling> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the policy {}", path.display()))?;
    text::read(&text, zone).with_context(|| format!("the policy {} cannot be used", path.display()))
}
