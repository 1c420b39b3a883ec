//! The story: who the people of the demo are, since when, and up to when a server was told of them.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dwell_core::time::{Span, Timestamp};
use dwell_keys::access::{Scope, Scopes};
use dwell_keys::registry::{NewApp, Purpose, Registry};
use dwell_keys::whole_file;
use dwell_policy::policies::{Base, NOTICE, NewVersion, Policies};
use dwell_simulate::{Faults, Population, Recipe, TEN_YEARS};
use serde::{Deserialize, Serialize};

/// Its name in the data folder.
const FILE: &str = "demo.json";

/// The largest that is read.
const LONGEST_FILE: u64 = 1 << 20;

/// Who a visitor of the page is.
pub const VISITOR: &str = "you";

/// The app of which the visitor's page is a part.
const VISITED: &str = "Music";

const DAY: Span = Span::from_hours(24);

/// How many days after the first start somebody still comes for the first time. Who came once goes on to come.
const DAYS_OF_JOINING: u32 = 7;

/// When people began to come, as shares of the past before the first start (in sixtieths), and how many of a hundred they are.
///
/// The later, the more: so the apps grow, and today is lively although the whole past is loaded in seconds.
const WAVES: [(u32, u64); 4] = [(60, 4), (20, 8), (7, 18), (2, 70)];

/// What goes wrong on the way.
const FAULTS: Faults = Faults { lost: 0.0, duplicated: 0.01, late: 0.01, very_late: 0.0, skewed_clocks: 0.0 };

/// An app as it is made.
struct Sample {
    name: &'static str,
    zone: &'static str,
    population: Population,
    policy: &'static str,
    note: &'static str,
}

const SAMPLES: [Sample; 3] = [
    Sample {
        name: "Social",
        zone: "Asia/Seoul",
        population: Population::Social,
        policy: "timeout = \"15m\"      # people look in for three minutes, and again after twenty\n",
        note: "people look in often and shortly",
    },
    Sample {
        name: VISITED,
        zone: "Europe/Berlin",
        population: Population::Music,
        policy: "timeout = \"30m\"      # counted from the end of what plays\n\n\
                 [users]\nyou = \"30s\"          # the visitor of /demo, who wants to see it happen\n",
        note: "the visitor of the demo has a timeout of their own",
    },
    Sample {
        name: "Reader",
        zone: "America/New_York",
        population: Population::Readers,
        policy: "timeout = \"20m\"      # a page is read for eight minutes at most\n",
        note: "reading is silent",
    },
];

/// Everything that must be known to go on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Story {
    /// With which people sign in: the admin key of this data folder.
    pub login: String,
    /// Microseconds since 1970: before it, nobody came.
    pub from: i64,
    /// Microseconds since 1970: the server was told of everything that arrived up to it.
    pub told_until: i64,
    /// Share of events that arrive twice.
    pub duplicated: f64,
    /// Share of events that arrive minutes to two days after they happened.
    pub late: f64,
    /// The apps.
    pub apps: Vec<AppStory>,
}

/// One app and its people.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AppStory {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// With which its people's events are sent.
    pub write_key: String,
    /// Opens what is known of the app; made for the app of the visitor only.
    pub read_key: Option<String>,
    /// Its people, by when they began to come.
    pub waves: Vec<Wave>,
}

/// People who began to come at about the same time.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wave {
    /// The seed of all chance.
    pub seed: u64,
    /// The word for who they are.
    pub population: String,
    /// How many.
    pub users: u64,
    /// The number of the first of them within the app.
    pub first_user: u64,
    /// Microseconds since 1970: a midnight in UTC.
    pub from: i64,
    /// Over how many days they come for the first time.
    pub days: u32,
}

/// How large a demo is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// People in each app.
    pub users: u64,
    /// Days before today.
    pub days: u32,
    /// The seed of all chance.
    pub seed: u64,
}

impl Story {
    /// Reads the story of a folder; `None` where there is none.
    pub fn read(folder: &Path) -> anyhow::Result<Option<Self>> {
        let path = path_of(folder);
        let Some((bytes, _)) = whole_file::read(&path, LONGEST_FILE)? else { return Ok(None) };
        let story = serde_json::from_slice(&bytes);
        story.map(Some).with_context(|| format!("{} is not as it was written: begin with --fresh", path.display()))
    }

    /// Writes it down, durably. Only the owner may read it, since it holds keys.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        whole_file::replace(&path_of(folder), &serde_json::to_vec_pretty(self)?, LONGEST_FILE)?;
        Ok(())
    }

    /// Makes the apps, their keys and policies in a new folder, as if all of it had been there since the past began.
    pub fn begin(folder: &Path, size: Size, now: Timestamp) -> anyhow::Result<Self> {
        let mut registry = Registry::make(folder)?;
        if registry.apps().next().is_some() {
            bail!("{} is the data folder of another server: choose another --folder", folder.display());
        }
        let midnight = Timestamp::from_micros(now.as_micros() - now.as_micros().rem_euclid(DAY.as_micros()));
        let from = midnight.minus(days(size.days));
        let login = registry.first_start(from)?.context("this folder has an admin key already")?;
        let policies = Policies::new(folder, Base::default());
        let mut apps = Vec::new();
        for (sample, number) in SAMPLES.iter().zip(0..) {
            let new = NewApp::parse(sample.name, sample.zone).map_err(anyhow::Error::msg)?;
            let (app, write_key) = registry.add_app(new, from)?;
            let read_key = if sample.name == VISITED {
                let scopes = Scopes::from_iter([Scope::Read]);
                Some(registry.add_key(Purpose::Secret(app.id.as_str(), scopes), None, from)?.text.reveal().to_owned())
            } else {
                None
            };
            let policy = NewVersion {
                text: sample.policy,
                author: "local:demo",
                note: sample.note,
                from: None,
                replaces: 0,
                restates: false,
            };
            policies.put(app.id.as_str(), &policy, from.minus(NOTICE))?;
            apps.push(AppStory {
                name: sample.name.to_owned(),
                id: app.id.to_string(),
                write_key: write_key.text.reveal().to_owned(),
                read_key,
                waves: waves(
                    sample.population,
                    Size { seed: size.seed.wrapping_add(1_000 * number), ..size },
                    midnight,
                ),
            });
        }
        let (from, told_until) = (from.as_micros(), from.as_micros());
        let story = Story {
            login: login.text.reveal().to_owned(),
            from,
            told_until,
            duplicated: FAULTS.duplicated,
            late: FAULTS.late,
            apps,
        };
        story.write(folder)?;
        Ok(story)
    }

    /// Returns the app that the visitor uses.
    pub fn visited(&self) -> Option<&AppStory> {
        self.apps.iter().find(|app| app.read_key.is_some())
    }

    /// Returns what the people of a wave do.
    pub fn recipe(&self, wave: &Wave) -> anyhow::Result<Recipe> {
        let population = Population::from_word(&wave.population)
            .with_context(|| format!("nobody knows who {:?} are: begin with --fresh", wave.population))?;
        Ok(Recipe {
            seed: wave.seed,
            users: wave.users,
            from: Timestamp::from_micros(wave.from),
            days: TEN_YEARS,
            joining_days: Some(wave.days),
            population,
            faults: Faults { duplicated: self.duplicated, late: self.late, ..Faults::NONE },
            ..Recipe::default()
        })
    }
}

fn path_of(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

fn days(days: u32) -> Span {
    Span::from_hours(24 * days)
}

fn waves(population: Population, size: Size, midnight: Timestamp) -> Vec<Wave> {
    let mut first_user = 0;
    let waves = WAVES.iter().zip(0..).map(|(&(sixtieths, percent), number)| {
        let before = (size.days * sixtieths).div_ceil(60);
        let users = (size.users * percent / 100).max(1);
        first_user += users;
        Wave {
            seed: size.seed.wrapping_add(number),
            population: population.word().to_owned(),
            users,
            first_user: first_user - users,
            from: midnight.minus(days(before)).as_micros(),
            days: before + DAYS_OF_JOINING,
        }
    });
    waves.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_795_500_000_000_000);

    #[test]
    fn a_story_is_read_as_it_was_begun_and_its_policies_hold_from_its_first_moment() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Story::read(folder.path()).unwrap(), None);
        let size = Size { users: 50, days: 60, seed: 7 };
        let story = Story::begin(folder.path(), size, NOW).unwrap();
        assert_eq!(Story::read(folder.path()).unwrap().as_ref(), Some(&story));
        let policies = Policies::new(folder.path(), Base::default());
        for app in &story.apps {
            let history = policies.history(&app.id).unwrap();
            assert_eq!(history.puts()[0].effective_from.as_micros(), story.from, "{}", app.name);
        }
        assert_eq!(story.visited().unwrap().name, VISITED);
        assert!(Story::begin(folder.path(), size, NOW).is_err(), "it begins twice in one folder");
    }

    #[test]
    fn nobody_of_an_app_has_the_number_of_somebody_else_and_no_two_waves_have_one_seed() {
        let folder = tempfile::tempdir().unwrap();
        let story = Story::begin(folder.path(), Size { users: 700, days: 60, seed: 7 }, NOW).unwrap();
        let mut seeds = std::collections::BTreeSet::new();
        for app in &story.apps {
            let mut next = 0;
            for wave in &app.waves {
                assert_eq!(wave.first_user, next);
                next += wave.users;
                assert!(seeds.insert(wave.seed), "{} has a seed of another wave", app.name);
                assert!(story.from <= wave.from && wave.from < NOW.as_micros());
            }
            assert_eq!(next, 700);
        }
    }
}
