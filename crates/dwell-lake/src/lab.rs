//! The timeout lab over a whole log: one sweep, every timeout, split by a column if wanted.

pub mod lanes;
pub mod people;

use std::collections::{BTreeMap, BinaryHeap};
use std::convert::Infallible;

use dwell_core::event::{Activity, EventKind, Weight};
use dwell_core::lab::advice::{self, Gap};
use dwell_core::lab::{Lab, lengths::Grid, timeouts_reached};
use dwell_core::policy::Standing;
use dwell_core::presence::{Judge, Presence, Silence};
use dwell_core::time::{Timeout, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

use crate::question::Question;
use crate::sessionize::Agreement;
use crate::shuffle::wide::WideEvent;
use crate::sweep::{Events, User, Visitor, in_time_and_once};

/// How many users are sampled, and how much of each is kept.
const SAMPLED_USERS: usize = 10_000;
const SAMPLED_SILENCES: usize = 512;
const LANE_USERS: usize = 1_000;
const LANE_ACTIVITIES: usize = 4_000;

/// The largest number of values by which a lab can be split.
pub const LARGEST_SPLIT: usize = 40;

/// What is seen of a log on the way through it.
#[derive(Debug)]
pub struct LabSweep<'q> {
    question: &'q Question,
    empty: Lab,
    /// By the key of the value of the user's first event; all under 0 when nothing is split.
    pub labs: BTreeMap<u32, Lab>,
    /// Values beyond [`LARGEST_SPLIT`] were seen.
    pub too_many_values: bool,
    /// Users of whom there is any event.
    pub users: u64,
    /// Events that went into the lab, and those that did not: silent, duplicate, late.
    pub counted: Counted,
    /// How the breaks of every timeout agree with the truth in the log; `None` when it knows none.
    pub truth: Option<TruthCurve>,
    /// Users for the advice.
    pub sample: Sample<SampledSilences>,
    /// Users for the picture.
    pub lanes: Sample<SampledActivities>,
    activities: Vec<Activity>,
    places: Vec<u32>,
}

/// What became of the events of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counted {
    /// Went into the lab.
    pub activities: u64,
    /// Prove nothing.
    pub silent: u64,
    /// Had a message id that was known already.
    pub duplicate: u64,
    /// Were late.
    pub late: u64,
}

/// A sampled user's silences, for the advice: where each began and where it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampledSilences(pub Vec<(Timestamp, Timestamp)>);

/// A sampled user's activities, for the picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SampledActivities {
    /// The id.
    pub user: String,
    /// The first activities, in order.
    pub activities: Vec<Activity>,
}

/// The users with the smallest hashes: the same ones whatever thread met them.
#[derive(Clone, Debug)]
pub struct Sample<T> {
    size: usize,
    heap: BinaryHeap<Sampled<T>>,
}

#[derive(Clone, Debug)]
struct Sampled<T> {
    hash: u64,
    of: T,
}

impl<T> PartialEq for Sampled<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}
impl<T> Eq for Sampled<T> {}
impl<T> PartialOrd for Sampled<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Sampled<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.hash.cmp(&other.hash)
    }
}

impl Sample<SampledSilences> {
    /// Returns what the advice is asked of.
    #[must_use]
    pub fn into_observed(self) -> advice::Sample {
        let mut observed = advice::Sample::default();
        for (index, silences) in self.into_sorted().iter().enumerate() {
            let gaps: Vec<Gap> = silences.0.iter().map(|(reach, until)| Gap { reach: *reach, until: *until }).collect();
            observed.observe(index as u64, &gaps);
        }
        observed
    }
}

impl<T> Sample<T> {
    fn new(size: usize) -> Self {
        Sample { size, heap: BinaryHeap::new() }
    }

    fn wants(&self, hash: u64) -> bool {
        self.heap.len() < self.size || self.heap.peek().is_some_and(|largest| hash < largest.hash)
    }

    fn put(&mut self, hash: u64, of: T) {
        let sampled = Sampled { hash, of };
        if self.heap.len() < self.size {
            self.heap.push(sampled);
        } else if let Some(mut largest) = self.heap.peek_mut()
            && hash < largest.hash
        {
            *largest = sampled;
        }
    }

    fn merge(&mut self, other: Self) {
        for sampled in other.heap {
            self.put(sampled.hash, sampled.of);
        }
    }

    /// Returns the sampled, in order of their hashes.
    #[must_use]
    pub fn into_sorted(self) -> Vec<T> {
        self.heap.into_sorted_vec().into_iter().map(|sampled| sampled.of).collect()
    }
}

/// Silences between activities that follow one another, by the number of timeouts they reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TruthCurve {
    breaks: Vec<u64>,
    bonds: Vec<u64>,
}

impl TruthCurve {
    fn new() -> Self {
        let all = Timeout::LONGEST.as_secs() as usize + 1;
        TruthCurve { breaks: vec![0; all], bonds: vec![0; all] }
    }

    fn merge(&mut self, other: &TruthCurve) {
        for (mine, theirs) in self.breaks.iter_mut().zip(&other.breaks) {
            *mine += theirs;
        }
        for (mine, theirs) in self.bonds.iter_mut().zip(&other.bonds) {
            *mine += theirs;
        }
    }

    /// Returns the agreement under every timeout from 1 s to 24 h.
    #[must_use]
    pub fn agreement(&self) -> Vec<Agreement> {
        let all: u64 = self.breaks.iter().sum();
        let (mut both, mut only_ours) = (all, self.bonds.iter().sum::<u64>());
        let mut curve = Vec::with_capacity(self.breaks.len() - 1);
        for (breaks, bonds) in self.breaks.iter().zip(&self.bonds).take(self.breaks.len() - 1) {
            both -= breaks;
            only_ours -= bonds;
            curve.push(Agreement { both, only_ours, only_true: all - both });
        }
        curve
    }
}

impl<'q> LabSweep<'q> {
    /// Begins with nothing.
    #[must_use]
    pub fn new(question: &'q Question, empty: Lab) -> Self {
        LabSweep {
            question,
            empty,
            labs: BTreeMap::new(),
            too_many_values: false,
            users: 0,
            counted: Counted::default(),
            truth: None,
            sample: Sample::new(SAMPLED_USERS),
            lanes: Sample::new(LANE_USERS),
            activities: Vec::new(),
            places: Vec::new(),
        }
    }

    /// Returns an empty lab on the standard grid.
    #[must_use]
    pub fn empty_lab(milestones: &[u32]) -> Lab {
        Lab::new(Grid::standard(), milestones)
    }

    /// Returns the empty lab with which all users have to be looked at again, if lengths were let go that turn out to be
    /// needed.
    #[must_use]
    pub fn again(&self) -> Option<Lab> {
        let lab = self.labs.values().find(|lab| lab.grid().is_err())?;
        // One lab of a split cannot know what the others miss: the second pass keeps everything for all.
        let is_split = 1 < self.labs.len();
        let room = |lab: &Lab| Lab::with_room(Grid::standard(), lab.milestones().numbers(), usize::MAX);
        Some(if is_split { room(lab) } else { lab.again() })
    }

    /// Adds what another sweep saw of other users.
    pub fn merge(&mut self, other: LabSweep<'q>) {
        for (by, lab) in other.labs {
            match self.labs.get_mut(&by) {
                Some(mine) => mine.merge(lab),
                None => {
                    self.labs.insert(by, lab);
                }
            }
        }
        self.too_many_values |= other.too_many_values || LARGEST_SPLIT < self.labs.len();
        self.users += other.users;
        self.counted.activities += other.counted.activities;
        self.counted.silent += other.counted.silent;
        self.counted.duplicate += other.counted.duplicate;
        self.counted.late += other.counted.late;
        match (&mut self.truth, other.truth) {
            (Some(mine), Some(theirs)) => mine.merge(&theirs),
            (mine @ None, theirs) => *mine = theirs,
            (Some(_), None) => {}
        }
        self.sample.merge(other.sample);
        self.lanes.merge(other.lanes);
    }

    fn lab_for(&mut self, by: u32) -> &mut Lab {
        let by = if self.labs.contains_key(&by) || self.labs.len() < LARGEST_SPLIT {
            by
        } else {
            self.too_many_values = true;
            self.labs.keys().next().copied().unwrap_or(by)
        };
        self.labs.entry(by).or_insert_with(|| self.empty.clone())
    }

    fn actions(&mut self, user: &str, moments: &[Timestamp]) {
        let standing = self.question.standing_of(user);
        self.counted.activities += moments.len() as u64;
        self.lab_for(0).observe_user_of_actions(moments, standing);
        let hash = xxh3_64(user.as_bytes());
        if self.sample.wants(hash) || self.lanes.wants(hash) {
            self.activities.clear();
            self.activities.extend(moments.iter().map(|at| Activity::new(*at, EventKind::Action)));
            self.sample_user(user, hash, standing);
        }
    }

    fn known(&mut self, user: &str, events: &[WideEvent], message_ids: &[u8]) {
        let standing = self.question.standing_of(user);
        self.activities.clear();
        let mut presence = Presence::default();
        let mut last_truth = 0;
        let mut lab = None;
        let mut places = std::mem::take(&mut self.places);
        let left_out = in_time_and_once(events, message_ids, standing, self.question.late, &mut places);
        self.counted.duplicate += left_out.duplicates;
        self.counted.late += left_out.late;
        let handovers = &self.question.handovers;
        handovers.put_among(user, events, message_ids, &mut places);
        for place in &places {
            if let Some(activity) = handovers.at(user, *place) {
                self.activities.push(activity);
                presence.observe(&activity, standing);
                continue;
            }
            let event = &events[*place as usize];
            let at = event.activity.happened_at;
            self.activities.push(event.activity);
            if event.activity.kind.weight() == Weight::Silent {
                self.counted.silent += 1;
                presence.observe(&event.activity, standing);
                continue;
            }
            self.counted.activities += 1;
            let silence = presence.silence_before(at, standing);
            let by = *lab.get_or_insert(event.by);
            self.lab_for(by).observe(&event.activity, silence.as_ref(), standing);
            presence.observe(&event.activity, standing);
            if event.truth != 0 {
                self.agree(silence.as_ref(), last_truth, event.truth, standing);
                last_truth = event.truth;
            }
        }
        self.places = places;
        if let Some(by) = lab {
            self.lab_for(by).end_user();
        }
        let hash = xxh3_64(user.as_bytes());
        if self.sample.wants(hash) || self.lanes.wants(hash) {
            self.sample_user(user, hash, standing);
        }
    }

    fn agree(&mut self, silence: Option<&Silence>, last: u64, truth: u64, standing: &Standing) {
        let Some(silence) = silence.filter(|_| last != 0) else { return };
        let curve = self.truth.get_or_insert_with(TruthCurve::new);
        let reached = timeouts_reached(silence, standing) as usize;
        if last != truth {
            curve.breaks[reached] += 1;
        } else {
            curve.bonds[reached] += 1;
        }
    }

    #[cold]
    fn sample_user(&mut self, user: &str, hash: u64, standing: &Standing) {
        if self.lanes.wants(hash) {
            let activities = self.activities.iter().take(LANE_ACTIVITIES).copied().collect();
            self.lanes.put(hash, SampledActivities { user: user.to_owned(), activities });
        }
        if self.sample.wants(hash) {
            let mut presence = Presence::default();
            let mut silences = Vec::new();
            for activity in &self.activities {
                if activity.kind.weight() != Weight::Silent
                    && let Some(silence) = presence.silence_before(activity.happened_at, standing)
                    && silence.judge == Judge::Timeout
                    && silences.len() < SAMPLED_SILENCES
                {
                    silences.push((silence.reach.min(silence.until), silence.until));
                }
                presence.observe(activity, standing);
            }
            self.sample.put(hash, SampledSilences(silences));
        }
    }
}

impl Visitor for LabSweep<'_> {
    type Error = Infallible;

    fn user(&mut self, user: &User<'_>) {
        self.users += 1;
        match &user.events {
            Events::Actions(times) => self.actions(user.id, times),
            Events::Known { events, message_ids } => self.known(user.id, events, message_ids),
        }
    }

    fn end_stretch(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }
}
