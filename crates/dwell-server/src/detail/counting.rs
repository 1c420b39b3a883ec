//! An app's history counted anew: out of the archive and the log, by the same sweep that counts files.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Weak;
use std::sync::atomic::{AtomicU32, Ordering};

use dwell_core::lab::advice::{self, Advice, AppKind};
use dwell_core::lab::pattern::Pattern;
use dwell_core::lab::{GridPoint, Lab};
use dwell_core::policy::Policy;
use dwell_core::time::{Timeout, Timestamp};
use dwell_engine::{Desk, EngineError, Record};
use dwell_lake::handover::Handovers;
use dwell_lake::lab::people::{Facet, OTHERS, PeopleSweep};
use dwell_lake::lab::{Counted, SampledActivities};
use dwell_lake::question::{LateEvents, Question};
use dwell_lake::read::archive::{self, ArchiveError};
use dwell_lake::retell::{Retelling, grouped};
use dwell_lake::shuffle::{Shuffle, ShuffleError};
use dwell_lake::sweep::SweepError;
use dwell_lake::write::archive::ArchivedRow;
use dwell_store::{Offset, StoreError};

use crate::House;
use crate::row::archived;

/// How much of the log is read at once, in bytes.
const READ_BYTES: usize = 8 << 20;

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
    #[error("the log cannot be read: {0}")]
    Log(#[from] StoreError),
    #[error("record {0} of the log cannot be read")]
    Record(Offset),
    #[error("the books cannot be read: {0}")]
    Books(#[from] EngineError),
    #[error("the archive cannot be read: {0}")]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Shuffle(#[from] ShuffleError),
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

/// Counts, and says how far it is. The house is held for moments only, so that it can be left.
pub(crate) fn count(house: &Weak<House>, order: Order, done: &AtomicU32) -> Result<Detail, CountError> {
    let home = house.upgrade().ok_or(CountError::Stops)?;
    // In this order: what is counted of the app then lies before the offset.
    let events = home.desk.numbers(&order.app)?.events;
    let read_up_to = home.desk.offset();
    drop(home);
    let shuffle = Shuffle::new(events, MEMORY);
    let mut telling = Telling { house, order: &order, retelling: Retelling::new(&shuffle), found: 0 };
    telling.tell(read_up_to, done)?;
    let events_found = telling.found;
    let (names, origins) = telling.retelling.end()?;
    let log = grouped(shuffle);
    let as_of = Timestamp::from_micros(log.told_until().unwrap_or(0));
    let mut question = Question::new(&order.app, &order.policy, &BTreeMap::new(), &names, as_of, LateEvents::LeftOut);
    question.handovers = Handovers::find(&log, &question, THREADS)?;
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

/// Events on their way out of archive and log.
struct Telling<'t> {
    house: &'t Weak<House>,
    order: &'t Order,
    retelling: Retelling<'t>,
    found: u64,
}

impl Telling<'_> {
    /// Tells all events of the app before an offset. What the log dropped is looked for in the archive.
    fn tell(&mut self, end: Offset, done: &AtomicU32) -> Result<(), CountError> {
        let mut at = Offset::ZERO;
        while at < end {
            let house = self.house.upgrade().ok_or(CountError::Stops)?;
            at = match house.log.read(at, READ_BYTES) {
                Ok(records) if records.is_empty() => break,
                Ok(records) => {
                    let mut rows = Vec::new();
                    for (offset, bytes) in records.iter().filter(|(offset, _)| *offset < end) {
                        let record = Record::read(bytes).ok_or(CountError::Record(offset))?;
                        if record.app == self.order.app {
                            rows.extend(archived(&record, offset));
                        }
                    }
                    self.take(&house.desk, &rows)?;
                    records.next()
                }
                Err(StoreError::Dropped { first, .. }) => {
                    let first = first.min(end);
                    self.tell_archived(&house, at, first)?;
                    first
                }
                // Nobody will ever read them.
                Err(StoreError::Quarantined { offsets }) => offsets.end,
                Err(error) => return Err(error.into()),
            };
            done.store((READ_DONE * at.number() / end.number().max(1)) as u32, Ordering::Relaxed);
        }
        Ok(())
    }

    fn tell_archived(&mut self, house: &House, from: Offset, to: Offset) -> Result<(), CountError> {
        let folder = house.archive.join(&self.order.app);
        let read = archive::read(&folder, from.number()..to.number(), |rows| match self.take(&house.desk, rows) {
            Ok(()) if self.house.strong_count() == 0 => ControlFlow::Break(CountError::Stops),
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        })?;
        match read {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(error) => Err(error),
        }
    }

    /// Hands events on under the ids of the people that theirs have become.
    fn take(&mut self, desk: &Desk, rows: &[ArchivedRow<'_>]) -> Result<(), CountError> {
        let mut places: HashMap<&str, usize> = HashMap::new();
        let mut ids = Vec::new();
        for row in rows {
            places.entry(row.user_id).or_insert_with(|| {
                ids.push(row.user_id);
                ids.len() - 1
            });
        }
        let now = desk.who_are(&self.order.app, &ids)?;
        for row in rows {
            let person = places.get(row.user_id).and_then(|place| now.get(*place)?.as_deref());
            self.retelling.take(row, person.unwrap_or(row.user_id))?;
        }
        self.found += rows.len() as u64;
        Ok(())
    }
}
