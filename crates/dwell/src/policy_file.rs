//! What was written about timeouts, in a file or in flags, becomes what is meant, once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use dwell_core::policy::{Playing, Policy, Rules, Version};
use dwell_core::profile::Profile;
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::human::parse_span;
use crate::nearest::nearest;

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

/// Reads a timeout like `30m`.
pub fn timeout(text: &str) -> Result<Timeout, String> {
    let span = parse_span(text)?;
    if span.as_micros() % 1_000_000 != 0 {
        return Err(format!("a timeout is a whole number of seconds from 1 s to 24 h, and `{text}` is not"));
    }
    Timeout::from_secs(span.whole_secs() as u64).map_err(|error| error.to_string())
}

fn profile(name: &str) -> Result<Profile, String> {
    let names: Vec<&str> = Profile::ALL.into_iter().map(Profile::name).collect();
    Profile::from_name(name).ok_or_else(|| format!("`{name}` is none of {}", names.join(", ")))
}

/// The rules, and what a policy file says besides.
#[derive(Debug, Default)]
pub struct Ruling {
    /// The rules.
    pub policy: Policy,
    /// Which audiences a user is in.
    pub audiences: BTreeMap<String, Vec<String>>,
    /// What names of events mean: name and our word.
    pub events: Vec<(String, String)>,
}

#[derive(Deserialize, Debug, Default)]
struct RawPolicy {
    #[serde(flatten)]
    always: RawVersion,
    #[serde(default)]
    versions: Vec<RawDatedVersion>,
    #[serde(default)]
    events: BTreeMap<String, String>,
}

#[derive(Deserialize, Debug)]
struct RawDatedVersion {
    effective_from: String,
    #[serde(flatten)]
    version: RawVersion,
}

#[derive(Deserialize, Debug, Default)]
struct RawVersion {
    timeout: Option<String>,
    background_timeout: Option<String>,
    max_length: Option<String>,
    playing_patience: Option<String>,
    idle_after: Option<String>,
    allowed_lateness: Option<String>,
    #[serde(default)]
    platforms: BTreeMap<String, String>,
    #[serde(default)]
    users: BTreeMap<String, String>,
    #[serde(default)]
    audiences: Vec<RawAudience>,
    #[serde(flatten)]
    unknown: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct RawAudience {
    name: String,
    timeout: String,
    #[serde(default)]
    users: Vec<String>,
}

const KEYS: [&str; 12] = [
    "timeout",
    "background_timeout",
    "max_length",
    "playing_patience",
    "idle_after",
    "allowed_lateness",
    "platforms",
    "users",
    "audiences",
    "versions",
    "events",
    "effective_from",
];

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
    parse(&text, zone).with_context(|| format!("the policy {} cannot be used", path.display()))
}

fn parse(text: &str, zone: &TimeZone) -> anyhow::Result<Ruling> {
    let raw: RawPolicy = toml::from_str(text)?;
    let mut ruling = Ruling { events: raw.events.into_iter().collect(), ..Ruling::default() };
    let always = raw.always.meant("the policy", Timestamp::MIN, &mut ruling.audiences)?;
    let mut versions = vec![always];
    for dated in raw.versions {
        let from = moment(&dated.effective_from, zone)?;
        let place = format!("the version from {}", dated.effective_from);
        versions.push(dated.version.meant(&place, from, &mut ruling.audiences)?);
    }
    ruling.policy = Policy::from_versions(versions);
    Ok(ruling)
}

impl RawVersion {
    fn meant(
        self,
        place: &str,
        effective_from: Timestamp,
        members: &mut BTreeMap<String, Vec<String>>,
    ) -> anyhow::Result<Version> {
        if let Some(key) = self.unknown.keys().next() {
            let near = nearest(key, KEYS).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            bail!("{place} has an unknown key `{key}`; {near}The keys are {}", KEYS.join(", "));
        }
        let timeout_of = |key: &str, text: &str| timeout(text).map_err(|error| anyhow!("{place}, {key}: {error}"));
        let span_of = |key: &str, text: &Option<String>| {
            text.as_deref().map(|text| parse_span(text).map_err(|error| anyhow!("{place}, {key}: {error}"))).transpose()
        };
        let background = self.background_timeout.as_deref();
        let mut rules = Rules {
            background_timeout: background.map(|text| timeout_of("background_timeout", text)).transpose()?,
            max_length: span_of("max_length", &self.max_length)?,
            ..Rules::default()
        };
        if let Some(patience) = span_of("playing_patience", &self.playing_patience)? {
            rules.playing = Playing::Reaches(patience);
        }
        rules.idle_after = span_of("idle_after", &self.idle_after)?.unwrap_or(rules.idle_after);
        rules.allowed_lateness = span_of("allowed_lateness", &self.allowed_lateness)?.unwrap_or(rules.allowed_lateness);
        let by_name = |key: &'static str, texts: BTreeMap<String, String>| {
            texts
                .into_iter()
                .map(|(name, text)| Ok((name.clone(), timeout_of(&format!("{key} {name}"), &text)?)))
                .collect::<anyhow::Result<BTreeMap<String, Timeout>>>()
        };
        let mut audiences = Vec::new();
        for audience in self.audiences {
            audiences
                .push((audience.name.clone(), timeout_of(&format!("audience {}", audience.name), &audience.timeout)?));
            for user in audience.users {
                members.entry(user).or_default().push(audience.name.clone());
            }
        }
        Ok(Version {
            effective_from,
            timeout: self.timeout.as_deref().map(|text| timeout_of("timeout", text)).transpose()?,
            platforms: by_name("platform", self.platforms)?,
            audiences,
            users: by_name("user", self.users)?,
            rules,
        })
    }
}

/// Reads a moment like `2026-01-05T10:00:00Z`, or a date, which begins at midnight of the zone.
pub fn moment(text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    let micros = match text.parse::<jiff::Timestamp>() {
        Ok(moment) => moment.as_microsecond(),
        Err(_) => {
            let local: jiff::civil::DateTime = text
                .parse()
                .with_context(|| format!("`{text}` is no moment like 2026-01-05T10:00:00Z or 2026-01-05"))?;
            zone.to_timestamp(local)?.as_microsecond()
        }
    };
    Ok(Timestamp::from_micros(micros))
}

/// Writes a time zone as a table, from 1970 to 2200.
#[must_use]
pub fn zone_table(zone: &TimeZone) -> Zone {
    let seconds = |offset: jiff::tz::Offset| offset.seconds();
    let begin = jiff::Timestamp::UNIX_EPOCH;
    let mut offsets = vec![(Timestamp::MIN, seconds(zone.to_offset(begin)))];
    let end = 7_289_654_400_000_000;
    offsets.extend(
        zone.following(begin)
            .map(|change| (change.timestamp().as_microsecond(), seconds(change.offset())))
            .take_while(|(at, _)| *at < end)
            .map(|(at, offset)| (Timestamp::from_micros(at), offset)),
    );
    Zone { offsets }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str, user: &str, platform: &str, at: &str) -> u32 {
        let ruling = parse(text, &TimeZone::UTC).unwrap();
        let audiences = ruling.audiences.get(user).cloned().unwrap_or_default();
        let audiences: Vec<&str> = audiences.iter().map(String::as_str).collect();
        let standing = ruling.policy.standing_of(user, &audiences, &["", platform]);
        standing.timeout_at(moment(at, &TimeZone::UTC).unwrap(), 1).timeout.as_secs()
    }

    const POLICY: &str = r#"
        timeout = "30m"
        [platforms]
        ios = "5m"
        [users]
        ada = "2h"
        [[audiences]]
        name = "vip"
        timeout = "1h"
        users = ["ada", "bo"]
        [[versions]]
        effective_from = "2026-02-01"
        timeout = "15m"
    "#;

    #[test]
    fn the_narrowest_rule_of_a_file_wins_and_versions_have_their_date() {
        assert_eq!(seconds(POLICY, "ada", "ios", "2026-01-01"), 7200);
        assert_eq!(seconds(POLICY, "bo", "ios", "2026-01-01"), 3600);
        assert_eq!(seconds(POLICY, "cleo", "ios", "2026-01-01"), 300);
        assert_eq!(seconds(POLICY, "cleo", "web", "2026-01-31T23:59:59Z"), 1800);
        assert_eq!(seconds(POLICY, "cleo", "web", "2026-02-01"), 900);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_knows_what_was_meant() {
        let error = format!("{:#}", parse("time_out = \"30m\"", &TimeZone::UTC).unwrap_err());
        assert!(error.contains("`time_out`; did you mean `timeout`?"), "{error}");
    }

    #[test]
    fn a_timeout_out_of_bounds_is_refused_with_the_bounds() {
        for text in ["0s", "1000000000s", "86401s"] {
            let error = timeout(text).unwrap_err();
            assert!(error.contains("from 1 s to 24 h"), "{error}");
        }
        assert!(timeout("1500ms").unwrap_err().contains("whole number of seconds"));
        assert_eq!(timeout("24h").unwrap(), Timeout::LONGEST);
    }

    #[test]
    fn a_zone_with_summer_time_knows_its_days() {
        let zone = zone_table(&TimeZone::get("Europe/Berlin").unwrap());
        let at = |text| moment(text, &TimeZone::UTC).unwrap();
        let day = |text| zone.day_of(at(text));
        assert_eq!(day("2026-07-01T21:59:59Z") + 1, day("2026-07-01T22:00:00Z"));
        assert_eq!(day("2026-01-01T22:59:59Z") + 1, day("2026-01-01T23:00:00Z"));
    }
}
