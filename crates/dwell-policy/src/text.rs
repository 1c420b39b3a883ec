//! A policy as people write it, in TOML or in JSON of the same shape, becomes what is meant, once.

use std::collections::BTreeMap;

use dwell_core::event::EventKind;
use dwell_core::policy::{Playing, Policy, Rules, Version};
use dwell_core::time::{Timeout, Timestamp};
use jiff::tz::TimeZone;
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::calendar::moment;
use crate::error::PolicyError;
use crate::nearest::nearest;
use crate::span::{parse_span, timeout};

/// The most names of events that a policy may explain where it is kept for an app.
pub const MOST_WORDS: usize = 1_000;

/// The rules, and what a policy says besides.
#[derive(Clone, Debug, Default)]
pub struct Ruling {
    /// The rules.
    pub policy: Policy,
    /// Which audiences a user is in.
    pub audiences: BTreeMap<String, Vec<String>>,
    /// What names of events mean: name and our word.
    pub events: Vec<(String, String)>,
}

/// What one version of an app's policy says: rules without a date, which the version itself has.
#[derive(Clone, Debug, Default)]
pub struct Single {
    /// The rules.
    pub version: Version,
    /// Which audiences a user is in.
    pub audiences: BTreeMap<String, Vec<String>>,
    /// What names of events mean.
    pub words: BTreeMap<String, EventKind>,
}

impl Ruling {
    /// Returns what names of events mean, if all of them mean something.
    pub fn words(&self) -> Result<BTreeMap<String, EventKind>, PolicyError> {
        let words = self.events.iter().map(|(name, word)| kind_of(name, word)).collect::<Result<_, Mistake>>();
        words.map_err(Mistake::without_line)
    }
}

/// Names the tables of a version that the live server does not obey yet: those that are for some users only.
#[must_use]
pub fn not_obeyed(version: &Version) -> Vec<&'static str> {
    if version.audiences.is_empty() { Vec::new() } else { vec!["audiences"] }
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

/// Reads a policy with all its dated versions; `zone` tells where a date begins.
pub fn read(text: &str, zone: &TimeZone) -> Result<Ruling, PolicyError> {
    meant(raw(text)?, zone).map_err(|mistake| mistake.in_text(text))
}

/// Reads what one version of an app's policy says. Its date is not part of the text.
pub fn read_single(text: &str) -> Result<Single, PolicyError> {
    single(raw(text)?).map_err(|mistake| mistake.in_text(text))
}

/// Writes a policy that was given in JSON as the text that is kept, if it is one.
pub fn from_json(json: &serde_json::Value) -> Result<String, PolicyError> {
    // Mistakes are told in the words of what was given.
    let raw: RawPolicy = serde_json::from_value(json.clone()).map_err(PolicyError::Json)?;
    single(raw).map_err(Mistake::without_line)?;
    let unwritable = |error: toml::ser::Error| Mistake::at(&[], error.to_string()).without_line();
    toml::to_string(&toml::Table::try_from(json).map_err(unwritable)?).map_err(unwritable)
}

/// Writes the text of a policy as JSON of the same shape.
pub fn to_json(text: &str) -> Result<serde_json::Value, PolicyError> {
    let table: toml::Table = toml::from_str(text).map_err(|error| in_toml(error, text))?;
    serde_json::to_value(table).map_err(PolicyError::Json)
}

fn raw(text: &str) -> Result<RawPolicy, PolicyError> {
    toml::from_str(text).map_err(|error| in_toml(error, text))
}

fn in_toml(error: toml::de::Error, text: &str) -> PolicyError {
    let line = error.span().map(|span| line_at(text, span.start));
    PolicyError::Toml(Box::new(error), line)
}

fn meant(raw: RawPolicy, zone: &TimeZone) -> Result<Ruling, Mistake> {
    let mut ruling = Ruling { events: raw.events.into_iter().collect(), ..Ruling::default() };
    let always = raw.always.meant(&Place::whole(), Timestamp::MIN, &mut ruling.audiences)?;
    let mut versions = vec![always];
    for (index, dated) in raw.versions.into_iter().enumerate() {
        let place = Place {
            name: format!("the version from {}", dated.effective_from),
            path: vec!["versions".to_owned(), index.to_string()],
        };
        let from =
            moment(&dated.effective_from, zone).map_err(|problem| place.mistake(&["effective_from"], problem))?;
        versions.push(dated.version.meant(&place, from, &mut ruling.audiences)?);
    }
    ruling.policy = Policy::from_versions(versions);
    Ok(ruling)
}

fn single(raw: RawPolicy) -> Result<Single, Mistake> {
    if !raw.versions.is_empty() {
        let problem =
            "the policy of an app has one date, which is not part of its text: put each of its versions by itself";
        return Err(Mistake::at(&["versions"], problem.to_owned()));
    }
    if MOST_WORDS < raw.events.len() {
        let problem = format!("a policy may explain {MOST_WORDS} names of events, not {}", raw.events.len());
        return Err(Mistake::at(&["events"], problem));
    }
    let words = raw.events.iter().map(|(name, word)| kind_of(name, word)).collect::<Result<_, Mistake>>()?;
    let mut audiences = BTreeMap::new();
    let version = raw.always.meant(&Place::whole(), Timestamp::MIN, &mut audiences)?;
    Ok(Single { version, audiences, words })
}

fn kind_of(name: &str, word: &str) -> Result<(String, EventKind), Mistake> {
    if let Some(kind) = EventKind::from_word(word) {
        return Ok((name.to_owned(), kind));
    }
    let kinds = EventKind::ALL.map(EventKind::word);
    let near = nearest(word, kinds).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    let problem =
        format!("the policy, event {name}: `{word}` is no kind of event; {near}The kinds are {}", kinds.join(", "));
    Err(Mistake::at(&["events", name], problem))
}

impl RawVersion {
    fn meant(
        self,
        place: &Place,
        effective_from: Timestamp,
        members: &mut BTreeMap<String, Vec<String>>,
    ) -> Result<Version, Mistake> {
        if let Some(key) = self.unknown.keys().next() {
            let near = nearest(key, KEYS).map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
            let problem = format!("{} has an unknown key `{key}`; {near}The keys are {}", place.name, KEYS.join(", "));
            return Err(place.mistake(&[key], problem));
        }
        let wrong = |path: &[&str], key: &str, error| place.mistake(path, format!("{}, {key}: {error}", place.name));
        let timeout_of = |path: &[&str], key: &str, text: &str| timeout(text).map_err(|error| wrong(path, key, error));
        let span_of = |key: &str, text: &Option<String>| {
            text.as_deref().map(|text| parse_span(text).map_err(|error| wrong(&[key], key, error))).transpose()
        };
        let timeout_at =
            |key: &str, text: &Option<String>| text.as_deref().map(|text| timeout_of(&[key], key, text)).transpose();
        let mut rules = Rules {
            background_timeout: timeout_at("background_timeout", &self.background_timeout)?,
            max_length: span_of("max_length", &self.max_length)?,
            ..Rules::default()
        };
        if let Some(patience) = span_of("playing_patience", &self.playing_patience)? {
            rules.playing = Playing::Reaches(patience);
        }
        rules.idle_after = span_of("idle_after", &self.idle_after)?.unwrap_or(rules.idle_after);
        rules.allowed_lateness = span_of("allowed_lateness", &self.allowed_lateness)?.unwrap_or(rules.allowed_lateness);
        let by_name = |table: &str, what: &str, texts: BTreeMap<String, String>| {
            texts
                .into_iter()
                .map(|(name, text)| {
                    let timeout = timeout_of(&[table, &name], &format!("{what} {name}"), &text)?;
                    Ok((name, timeout))
                })
                .collect::<Result<BTreeMap<String, Timeout>, Mistake>>()
        };
        let mut audiences = Vec::new();
        for (index, audience) in self.audiences.into_iter().enumerate() {
            let path = ["audiences", &index.to_string(), "timeout"];
            let timeout = timeout_of(&path, &format!("audience {}", audience.name), &audience.timeout)?;
            audiences.push((audience.name.clone(), timeout));
            for user in audience.users {
                members.entry(user).or_default().push(audience.name.clone());
            }
        }
        Ok(Version {
            effective_from,
            timeout: timeout_at("timeout", &self.timeout)?,
            platforms: by_name("platforms", "platform", self.platforms)?,
            audiences,
            users: by_name("users", "user", self.users)?,
            rules,
        })
    }
}

/// A part of a policy that is a version: what people call it, and the way there.
struct Place {
    name: String,
    path: Vec<String>,
}

impl Place {
    fn whole() -> Self {
        Place { name: "the policy".to_owned(), path: Vec::new() }
    }

    fn mistake(&self, path: &[&str], problem: String) -> Mistake {
        let within = path.iter().map(|step| (*step).to_owned());
        Mistake { path: self.path.iter().cloned().chain(within).collect(), problem }
    }
}

/// What is wrong with a policy, and the way there: names of keys and places in lists.
struct Mistake {
    path: Vec<String>,
    problem: String,
}

impl Mistake {
    fn at(path: &[&str], problem: String) -> Self {
        Mistake { path: path.iter().map(|step| (*step).to_owned()).collect(), problem }
    }

    fn in_text(self, text: &str) -> PolicyError {
        PolicyError::Rule { line: line_of(text, &self.path), problem: self.problem }
    }

    fn without_line(self) -> PolicyError {
        PolicyError::Rule { line: None, problem: self.problem }
    }
}

/// Finds the line of a key. The text is read once more for it: only what is wrong costs that.
fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut at = None;
    let mut table = Some(document.get_ref());
    let mut list: Option<&[Spanned<DeValue<'_>>]> = None;
    for step in path {
        let (place, value) = match (table, list) {
            (Some(table), _) => {
                let (key, value) = table.iter().find(|(key, _)| key.get_ref() == step)?;
                (key.span().start, value)
            }
            (None, Some(list)) => {
                let value = list.get(step.parse::<usize>().ok()?)?;
                (value.span().start, value)
            }
            (None, None) => return at,
        };
        at = Some(line_at(text, place));
        table = value.get_ref().as_table();
        list = value.get_ref().as_array().map(|list| &**list);
    }
    at
}

/// Counts from 1.
fn line_at(text: &str, place: usize) -> usize {
    1 + text.bytes().take(place).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dwell_core::time::Span;
    use serde_json::json;

    fn seconds(text: &str, user: &str, platform: &str, at: &str) -> u32 {
        let ruling = read(text, &TimeZone::UTC).unwrap();
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
        let error = read("time_out = \"30m\"", &TimeZone::UTC).unwrap_err().to_string();
        assert!(error.contains("`time_out`; did you mean `timeout`?"), "{error}");
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (text, line, says) in [
            ("timeout = 30", 1, "string"),
            ("\ntimeout = \"30\"", 2, "the policy, timeout: "),
            ("[platforms]\nios = \"5m\"\nweb = \"0s\"", 3, "the policy, platform web: "),
            ("[users]\n\n\"ada.b\" = \"9d\"", 3, "the policy, user ada.b: "),
            ("[[audiences]]\nname=\"a\"\ntimeout=\"1h\"\n[[audiences]]\nname=\"b\"\ntimeout=\"x\"", 6, "audience b: "),
            ("timeout = \"30m\"\ntime_out = \"30m\"", 2, "did you mean `timeout`?"),
            ("timeout = \"30m\"\n\n[[versions]]\neffective_from = \"soon\"", 4, "is no moment"),
            (
                "[[versions]]\neffective_from = \"2026-01-01\"\nmax_length = \"1\"",
                3,
                "the version from 2026-01-01, max",
            ),
            ("a = \n", 1, ""),
        ] {
            let error = read(text, &TimeZone::UTC).unwrap_err();
            assert_eq!(error.line(), Some(line), "{text}: {error}");
            assert!(error.sentence().starts_with(&format!("line {line}: ")), "{}", error.sentence());
            assert!(error.sentence().contains(says), "{text}: {}", error.sentence());
            assert!(!error.sentence().contains('\n'), "{}", error.sentence());
        }
    }

    #[test]
    fn the_policy_of_an_app_has_no_dates_and_knows_its_kinds_of_events() {
        let single = read_single("timeout = \"5m\"\n[events]\n\"Ride Ended\" = \"closed\"").unwrap();
        assert_eq!(single.version.timeout.map(Timeout::as_secs), Some(300));
        assert_eq!(single.words, BTreeMap::from([("Ride Ended".to_owned(), EventKind::Closed)]));
        let error = read_single(POLICY).unwrap_err();
        assert_eq!(error.line(), Some(11), "{error}");
        let error = read_single("[events]\nx = \"close\"").unwrap_err();
        assert!(
            error.sentence().starts_with("line 2: the policy, event x: `close` is no kind"),
            "{}",
            error.sentence()
        );
        assert!(error.sentence().contains("did you mean `closed`?"), "{}", error.sentence());
    }

    #[test]
    fn json_of_the_same_shape_means_the_same_and_comes_back() {
        let json = json!({
            "timeout": "15m",
            "background_timeout": "1m",
            "platforms": { "ios": "5m", "a b": "1h" },
            "audiences": [{ "name": "vip", "timeout": "1h", "users": ["bo"] }],
            "events": { "Ride Ended": "closed" },
        });
        let text = from_json(&json).unwrap();
        assert_eq!(to_json(&text).unwrap(), json);
        let single = read_single(&text).unwrap();
        assert_eq!(single.version.platforms.get("a b").map(|timeout| timeout.as_secs()), Some(3600));
        assert_eq!(single.audiences, BTreeMap::from([("bo".to_owned(), vec!["vip".to_owned()])]));
        assert_eq!(from_json(&json!({})).unwrap(), "");
    }

    #[test]
    fn mistakes_without_line_are_told_without_a_line() {
        for (json, says) in [
            (json!({ "timeout": 30 }), "invalid type: integer `30`"),
            (json!({ "timeout": null, "time_out": "1m" }), "did you mean `timeout`?"),
            (json!({ "platforms": { "ios": "0s" } }), "the policy, platform ios: "),
            (json!([]), "invalid type"),
            (json!("timeout = '5m'"), "invalid type"),
            (json!({ "versions": [{ "effective_from": "2026-01-01" }] }), "put each of its versions by itself"),
            (json!({ "other": { "deep": [null] } }), ""),
        ] {
            let error = from_json(&json).unwrap_err();
            assert!(error.sentence().contains(says) && !error.sentence().starts_with("line"), "{}", error.sentence());
        }
    }

    #[test]
    fn the_sum_of_what_is_read_back_is_what_was_written() {
        let span = |text: &str| parse_span(text).unwrap();
        let text = "playing_patience = \"20m\"\nidle_after = \"1m\"\nallowed_lateness = \"1h\"\nmax_length = \"12h\"";
        let rules = read_single(text).unwrap().version.rules;
        let read: [Option<Span>; 4] = [
            match rules.playing {
                Playing::Reaches(patience) => Some(patience),
                Playing::Ignored => None,
            },
            Some(rules.idle_after),
            Some(rules.allowed_lateness),
            rules.max_length,
        ];
        assert_eq!(read, [Some(span("20m")), Some(span("1m")), Some(span("1h")), Some(span("12h"))]);
    }
}
