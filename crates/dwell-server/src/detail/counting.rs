//! An app's history counted anew: out of the archive and the log, by the same sweep that counts files.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use dwell_core::lab::advice::{self, Advice, AppKind};
use dwell_core::lab::pattern::Pattern;
use dwell_core::lab::{GridPoint, Lab};
use dwell_core::law::Broken;
use dwell_core::policy::Policy;
use dwell_core::time::{Timeout, Timestamp};
use dwell_engine::EngineError;
use dwell_lake::handover::Handovers;
use dwell_lake::lab::people::{Facet, OTHERS, PeopleSweep};
use dwell_lake::lab::{Counted, SampledActivities};
use dwell_lake::log::Log;
use dwell_lake::names::Names;
use dwell_lake::question::{LateEvents, Question};
use dwell_lake::retell::{Origins, Retelling, grouped};
use dwell_lake::shuffle::{Shuffle, ShuffleError};
use dwell_lake::sweep::SweepError;
use dwell_lake::write::archive::ArchivedRow;
use dwell_store::Offset;

use crate::House;
use crate::history::{self, HistoryError, Told};

/// How much memory events may take while they are counted, in bytes; those beyond go to a temporary file.
const MEMORY: u64 = 256 << 20;

/// Users are counted who reach so many sessions.
const MILESTONES: [u32; 4] = [2, 3, 5, 10];

/// So much is kept of a user for a lane.
const LANE_ACTIVITIES: usize = 1_000;

/// One thread reads and counts: the others are for events.
const THREADS: usize = 1;

/// Done so far, in thousandths of all; reading comes first and takes the longer half.
pub(crate) const ALL_DONE: u32 = 1_000;
const READ_DONE: u64 = 600;
const SWEPT_DONE: u32 = 850;

/// What is to be counted.
pub(crate) struct Order {
    pub app: String,
    /// The policy, and the number of its newest version.
    pub policy: Policy,
    pub version: u32,
    pub in_force: Timeout,
    pub began: Timestamp,
}

/// What an app's history comes to under every timeout.
pub(crate) struct Detail {
    pub order: Order,
    /// When it was done.
    pub counted_at: Timestamp,
    /// Up to where the log was read.
    pub read_up_to: Offset,
    /// How many events of the app the engine had read by then, and how many of them were found.
    pub events: u64,
    pub events_found: u64,
    /// Why it cannot be shown that the archive has all that the log has let go.
    pub unproven: Option<String>,
    /// The latest erasure that is in it.
    pub erasures: u64,
    /// When the first and the last event happened, and the latest moment that any of them tells of.
    pub time_range: Option<(i64, i64)>,
    pub told_until: Option<i64>,
    pub counted: Counted,
    pub users: u64,
    pub grid: Vec<GridPoint>,
    /// For each milestone the users who have that many sessions, by whole seconds from one on.
    pub milestones: Vec<(u32, Vec<u64>)>,
    /// What is advised, without a kind of app and for each one.
    pub advice: Vec<(Option<AppKind>, Advice)>,
    pub groups: BTreeMap<Facet, Vec<Group>>,
    pub lanes: Vec<SampledActivities>,
}

/// Users who have a value in common.
pub(crate) struct Group {
    /// The value; `None` for all others together.
    pub value: Option<String>,
    pub users: u64,
    pub activities: u64,
    /// Sessions and their length in microseconds, by whole seconds from one on.
    curve: Vec<(u64, i64)>,
}

impl Group {
    /// Returns how many sessions there are under a timeout, and their length together in microseconds.
    pub fn at(&self, timeout: Timeout) -> (u64, i64) {
        self.curve.get(timeout.as_secs() as usize - 1).copied().unwrap_or_default()
    }
}

/// Why a history could not be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("the server stops")]
    Stops,
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error("the books cannot be read: {0}")]
    Books(#[from] EngineError),
    #[error(transparent)]
    Shuffle(#[from] ShuffleError),
    #[error("a law does not hold: {0}")]
    Law(Broken),
    #[error("a log that was put aside is not in order")]
    OutOfOrder,
}

impl From<SweepError<std::convert::Infallible>> for CountError {
    fn from(error: SweepError<std::convert::Infallible>) -> Self {
        match error {
            SweepError::Shuffle(error) => CountError::Shuffle(error),
            SweepError::NotAsPromised => CountError::OutOfOrder,
            SweepError::Visitor(never) => match never {},
        }
    }
}

/// All events of an app, by user.
pub(crate) struct Gathered {
    pub log: Log<'static>,
    pub names: Arc<Names>,
    pub origins: Origins,
    pub read_up_to: Offset,
    pub events: u64,
    pub events_found: u64,
    /// Why it cannot be shown that the archive has all that the log has let go.
    pub unproven: Option<String>,
    /// The latest erasure that is in it: after another one it is not to be shown.
    pub erasures: u64,
}

impl Gathered {
    /// Reads an app's history, and says how far it is. The house is held for moments only, so that it can be left.
    pub fn of(house: &Weak<House>, app: &str, done: &AtomicU32) -> Result<Gathered, CountError> {
        let home = house.upgrade().ok_or(CountError::Stops)?;
        // In this order: what is counted of the app then lies before the offset.
        let events = home.desk.numbers(app)?.events;
        let read_up_to = home.desk.offset();
        let erasures = home.erasures.latest(app);
        drop(home);
        let shuffle = Shuffle::new(events, MEMORY);
        let (mut retelling, mut events_found) = (Retelling::new(&shuffle), 0);
        // Events are handed on under the ids of the people that theirs have become.
        let take = |home: &House, rows: &[ArchivedRow<'_>]| -> Result<(), CountError> {
            let people = history::people(&home.desk, app, rows)?;
            for row in rows {
                retelling.take(row, people.get(row.user_id).map_or(row.user_id, String::as_str))?;
            }
            events_found += rows.len() as u64;
            Ok(())
        };
        let reached = |at: Offset| {
            done.store((READ_DONE * at.number() / read_up_to.number().max(1)) as u32, Ordering::Relaxed);
        };
        let Told { passed_over, unproven } = history::read(house, app, read_up_to, take, reached)?;
        // Who was erased was counted when they were there, and may be in the archive and in the log.
        let events_found = (events_found + passed_over).min(events.max(events_found));
        let (names, origins) = retelling.end()?;
        let log = grouped(shuffle);
        Ok(Gathered { log, names, origins, read_up_to, events, events_found, unproven, erasures })
    }

    /// Asks for the app's sessions under a policy, as of the latest moment that an event tells of.
    pub fn question(&self, app: &str, policy: &Policy) -> Result<Question, CountError> {
        let as_of = Timestamp::from_micros(self.log.told_until().unwrap_or(0));
        let mut question = Question::new(app, policy, &BTreeMap::new(), &self.names, as_of, LateEvents::LeftOut);
        question.handovers = Handovers::find(&self.log, &question, THREADS)?;
        Ok(question)
    }
}

/// Counts, and says how far it is.
pub(crate) fn count(house: &Weak<House>, order: Order, done: &AtomicU32) -> Result<Detail, CountError> {
    let gathered = Gathered::of(house, &order.app, done)?;
    let question = gathered.question(&order.app, &order.policy)?;
    let Gathered { log, names, origins, read_up_to, events, events_found, unproven, erasures } = gathered;
    let mut swept = PeopleSweep::over(&log, (&question, &origins), &MILESTONES, THREADS)?;
    done.store(SWEPT_DONE, Ordering::Relaxed);
    let groups = groups(std::mem::take(&mut swept.groups), &names.texts());
    let (lab, sample, lanes) = swept.take_all();
    let observed = sample.into_observed();
    let in_force = order.in_force;
    let kinds = std::iter::once(None).chain(AppKind::ALL.into_iter().map(Some));
    let advise = |kind| (kind, observed.advise(&advice::Question { in_force, kind, ..advice::Question::default() }));
    let advice = kinds.map(advise).collect();
    let home = house.upgrade().ok_or(CountError::Stops)?;
    Ok(Detail {
        counted_at: (home.clock)(),
        read_up_to,
        events,
        events_found,
        unproven,
        erasures,
        time_range: log.time_range(),
        told_until: log.told_until(),
        counted: swept.all.counted,
        users: lab.users(),
        // A second pass has fetched what a first one let go.
        grid: lab.grid().unwrap_or_default(),
        milestones: lab.milestones().numbers().iter().copied().zip(lab.milestones().users()).collect(),
        advice,
        groups,
        lanes: kept(lanes.into_sorted()),
        order,
    })
}

fn kept(mut lanes: Vec<SampledActivities>) -> Vec<SampledActivities> {
    lanes.iter_mut().for_each(|user| user.keep(LANE_ACTIVITIES));
    lanes
}

fn groups(labs: BTreeMap<(Facet, u32), Lab>, texts: &[std::sync::Arc<str>]) -> BTreeMap<Facet, Vec<Group>> {
    let mut groups: BTreeMap<Facet, Vec<Group>> = BTreeMap::new();
    for ((facet, key), lab) in labs {
        let value = match facet {
            _ if key == OTHERS => None,
            Facet::Pattern => Pattern::ALL.get(key as usize).map(|pattern| pattern.word().to_owned()),
            Facet::Platform | Facet::Country | Facet::Version => texts.get(key as usize).map(ToString::to_string),
        };
        let curve = lab.ledger().curve();
        groups.entry(facet).or_default().push(Group {
            value,
            users: lab.users(),
            activities: lab.activities(),
            curve: curve.iter().map(|point| (point.sessions, point.total_length.as_micros())).collect(),
        });
    }
    for of_facet in groups.values_mut() {
        // The greatest first, and all others last.
        of_facet.sort_by(|one, other| {
            let key = |group: &Group| (group.value.is_none(), std::cmp::Reverse(group.users), group.value.clone());
            key(one).cmp(&key(other))
        });
    }
    groups
}
