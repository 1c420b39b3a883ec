//! The lab beside itself: all users as one, and the same users by platform, country, version and pattern.
//!
//! Each user counts under the value of their first activity, as where a lab is split by a column. Of each value, sessions and
//! their length are known at every second; quantiles of lengths are known of all users together.

use std::collections::BTreeMap;
use std::convert::Infallible;

use dwell_core::event::{Activity, EventKind, Weight};
use dwell_core::lab::pattern::Pattern;
use dwell_core::lab::{Lab, lengths::Grid};
use dwell_core::time::Timestamp;
use hashbrown::HashSet;

use super::{LabSweep, Sample, SampledActivities, SampledSilences};
use crate::log::Log;
use crate::question::Question;
use crate::retell::Origins;
use crate::shuffle::wide::WideEvent;
use crate::sweep::{Events, SweepError, User, Visitor};

/// By what users are told apart.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Facet {
    /// Where the app runs.
    Platform,
    /// In which country.
    Country,
    /// Which version of the app.
    Version,
    /// How they use it.
    Pattern,
}

impl Facet {
    /// All of them.
    pub const ALL: [Facet; 4] = [Facet::Platform, Facet::Country, Facet::Version, Facet::Pattern];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Facet::Platform => "platform",
            Facet::Country => "country",
            Facet::Version => "version",
            Facet::Pattern => "pattern",
        }
    }
}

/// The group of all users whose value is none of those that are shown.
pub const OTHERS: u32 = u32::MAX;

/// What was seen of all users of a log that was told by [`crate::retell::Retelling`].
#[derive(Debug)]
pub struct PeopleSweep<'q> {
    /// All users as one, under [`LabSweep::labs`] at 0.
    pub all: LabSweep<'q>,
    /// By facet and by the key of the value; of patterns, their place in [`Pattern::ALL`].
    pub groups: BTreeMap<(Facet, u32), Lab>,
    origins: &'q Origins,
    question: &'q Question,
    once: Vec<WideEvent>,
}

impl<'q> PeopleSweep<'q> {
    /// Looks at a whole log, on so many threads. A second pass comes where one is not enough.
    pub fn over(
        log: &Log<'_>,
        (question, origins): (&'q Question, &'q Origins),
        milestones: &[u32],
        threads: usize,
    ) -> Result<Self, SweepError<Infallible>> {
        let mut empty = LabSweep::empty_lab(milestones);
        loop {
            let begin = |_| PeopleSweep {
                all: LabSweep::new(question, empty.clone()),
                groups: BTreeMap::new(),
                origins,
                question,
                once: Vec::new(),
            };
            let mut swept = log.sweep((0..threads.max(1)).map(begin).collect(), &|_| {})?.into_iter();
            let mut all = swept.next().unwrap_or_else(|| begin(0));
            swept.for_each(|other| all.merge(other));
            match all.all.again() {
                Some(again) => empty = again,
                None => return Ok(all),
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        for (group, lab) in other.groups {
            match self.groups.get_mut(&group) {
                Some(mine) => mine.merge(lab),
                None => {
                    self.groups.insert(group, lab);
                }
            }
        }
    }

    /// Returns the lab of all users, and the samples.
    #[must_use]
    pub fn take_all(&mut self) -> (Lab, Sample<SampledSilences>, Sample<SampledActivities>) {
        let lab = std::mem::take(&mut self.all.labs).into_values().next();
        let sample = std::mem::replace(&mut self.all.sample, Sample::new(0));
        let lanes = std::mem::replace(&mut self.all.lanes, Sample::new(0));
        (lab.unwrap_or_else(|| self.all.empty.clone()), sample, lanes)
    }

    fn known(&mut self, user: &str, events: &[WideEvent], message_ids: &[u8]) {
        let mut once = std::mem::take(&mut self.once);
        let repeated = told_once(events, &mut once);
        self.all.known(user, &once, message_ids);
        self.all.counted.duplicate += repeated;
        let mut counted = self.all.places.iter().filter_map(|place| once.get(*place as usize));
        let first = counted.find(|event| event.activity.kind.weight() != Weight::Silent).copied();
        self.once = once;
        if let Some(first) = first {
            self.part(user, first.activity.platform, first.origin());
        }
    }

    /// Shows the activities that the lab of all users has just seen to the labs of the groups that they are in.
    fn part(&mut self, user: &str, platform: u32, origin: u32) {
        let standing = self.question.standing_of(user);
        let activities = &self.all.activities;
        let pattern = Pattern::of(activities, standing, self.question.as_of);
        let (country, version) = self.origins.values(origin);
        for (facet, value) in [
            (Facet::Platform, self.origins.shown(Facet::Platform, platform)),
            (Facet::Country, self.origins.shown(Facet::Country, country)),
            (Facet::Version, self.origins.shown(Facet::Version, version)),
            (Facet::Pattern, pattern as u32),
        ] {
            // Without a grid it knows no quantiles, and is smaller by all that they take.
            let lab = self.groups.entry((facet, value)).or_insert_with(|| Lab::new(Grid::new(&[]), &[]));
            lab.observe_user(activities, standing);
        }
    }
}

impl Visitor for PeopleSweep<'_> {
    type Error = Infallible;

    fn user(&mut self, user: &User<'_>) {
        self.all.users += 1;
        match &user.events {
            Events::Known { events, message_ids } => self.known(user.id, events, message_ids),
            Events::Actions(moments) => {
                let event = |at: &Timestamp| WideEvent::of(Activity::new(*at, EventKind::Action));
                let events: Vec<WideEvent> = moments.iter().map(event).collect();
                self.known(user.id, &events, &[]);
            }
        }
    }

    fn end_stretch(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }
}

impl WideEvent {
    /// Where it comes from, as [`crate::retell::Retelling`] put it down in the place of its name.
    const fn origin(&self) -> u32 {
        self.name
    }
}

/// Leaves out what has a derived id that was there before, and returns how many these are.
///
/// Events without an id of their own are in order of when they came in, where all else is the same: the first of them is
/// the one that counts, and if it came too late, so did the others. The ids stand where a file has its truth.
pub(crate) fn told_once(events: &[WideEvent], once: &mut Vec<WideEvent>) -> u64 {
    let mut seen = HashSet::new();
    once.clear();
    once.extend(events.iter().filter(|event| event.truth == 0 || seen.insert(event.truth)));
    for event in &mut *once {
        // What is left of it would be taken for a truth.
        event.truth = 0;
    }
    (events.len() - once.len()) as u64
}
