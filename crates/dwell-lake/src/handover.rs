//! Who took a device from whom, in a whole log: what one user's events do to another's session.
//!
//! A log in which no two users name the same device is not read for it.

use std::convert::Infallible;

use dwell_core::event::{Activity, EventKind, order};
use dwell_core::handover::{MOST_PEOPLE, handovers, takes_device};
use dwell_core::time::Timestamp;
use hashbrown::{HashMap, HashSet};

use crate::log::Log;
use crate::question::Question;
use crate::shuffle::users::Place;
use crate::shuffle::wide::WideEvent;
use crate::sweep::{Events, SweepError, User, Visitor, in_time_and_once};

/// Places from this one on are those of handovers.
const FIRST_HANDOVER: u32 = 1 << 31;

/// All handovers of a log, by the user who lost the device.
#[derive(Debug, Default)]
pub struct Handovers {
    of_user: HashMap<Box<str>, Vec<Handover>>,
}

/// Somebody else was seen on a device after the user.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Handover {
    at: Timestamp,
    message_id: Box<str>,
    device: u32,
}

impl Handover {
    fn activity(&self) -> Activity {
        Activity { device: self.device, ..Activity::new(self.at, EventKind::UserChanged) }
    }
}

impl Handovers {
    /// Finds all handovers of a log: the others that it is asked for decide which events count.
    pub fn find(log: &Log<'_>, question: &Question, threads: usize) -> Result<Self, SweepError<Infallible>> {
        let Some(shared) = log.shared_devices().filter(|shared| !shared.is_empty()) else {
            return Ok(Handovers::default());
        };
        let visitors = (0..threads.max(1)).map(|_| Takers { question, shared, takes: Vec::new(), places: Vec::new() });
        let mut takes = Vec::new();
        for taken in log.sweep(visitors.collect(), &|_| {})? {
            takes.extend(taken.takes);
        }
        takes.sort_by(Take::order);
        let mut found = Handovers::default();
        for of_device in takes.chunk_by(|one, other| one.device == other.device) {
            found.add(of_device, question);
        }
        Ok(found)
    }

    fn add(&mut self, takes: &[Take], question: &Question) {
        if is_crowded(takes, question) {
            return;
        }
        for (loser, place) in handovers(None, takes.iter().map(|take| &*take.user)) {
            let Take { at, message_id, device, .. } = &takes[place];
            let handover = Handover { at: *at, message_id: message_id.clone(), device: *device };
            self.of_user.entry(loser.into()).or_default().push(handover);
        }
        // Of several devices they lie one after the other.
        for take in takes {
            if let Some(all) = self.of_user.get_mut(&*take.user) {
                all.sort_by(|one, other| {
                    order((&one.activity(), &one.message_id), (&other.activity(), &other.message_id))
                });
            }
        }
    }

    /// Puts the places of a user's handovers among those of the user's events, in order.
    pub(crate) fn put_among(&self, user: &str, events: &[WideEvent], message_ids: &[u8], places: &mut Vec<u32>) {
        let Some(handovers) = self.of_user.get(user) else { return };
        let of_events = std::mem::take(places);
        let mut of_events = of_events.into_iter().peekable();
        for (number, handover) in (FIRST_HANDOVER..).zip(handovers) {
            let activity = handover.activity();
            let is_before = |place: &u32| {
                let event = &events[*place as usize];
                order((&event.activity, event.message_id(message_ids)), (&activity, &handover.message_id)).is_le()
            };
            while let Some(place) = of_events.next_if(is_before) {
                places.push(place);
            }
            places.push(number);
        }
        places.extend(of_events);
    }

    /// Returns what happened at the place of a handover of a user; `None` for the place of an event.
    pub(crate) fn at(&self, user: &str, place: u32) -> Option<Activity> {
        let number = place.checked_sub(FIRST_HANDOVER)?;
        self.of_user.get(user)?.get(number as usize).map(Handover::activity)
    }
}

/// An event with which a user took a device.
#[derive(Debug)]
struct Take {
    device: u32,
    at: Timestamp,
    message_id: Box<str>,
    kind: EventKind,
    user: Box<str>,
}

impl Take {
    fn order(&self, other: &Take) -> std::cmp::Ordering {
        let key = |take: &Take| (take.device, take.at);
        key(self).cmp(&key(other)).then_with(|| {
            let rest = |take: &Take| (take.message_id.clone(), take.kind, take.user.clone());
            rest(self).cmp(&rest(other))
        })
    }
}

/// Says whether more people than there may be were on a device within the allowed lateness.
fn is_crowded(takes: &[Take], question: &Question) -> bool {
    let mut last_seen: HashMap<&str, Timestamp> = HashMap::new();
    for take in takes {
        last_seen.insert(&take.user, take.at);
        if MOST_PEOPLE < last_seen.len() {
            let lateness = question.standing_of("").rules_at(take.at).allowed_lateness;
            last_seen.retain(|_, last| take.at.minus(lateness) <= *last);
            if MOST_PEOPLE < last_seen.len() {
                return true;
            }
        }
    }
    false
}

/// Gathers who took the devices that are shared.
struct Takers<'q> {
    question: &'q Question,
    shared: &'q HashSet<u32>,
    takes: Vec<Take>,
    places: Vec<u32>,
}

impl Visitor for Takers<'_> {
    type Error = Infallible;

    fn user(&mut self, user: &User<'_>) {
        let Events::Known { events, message_ids } = &user.events else { return };
        if !events.iter().any(|event| self.shared.contains(&event.activity.device)) {
            return;
        }
        let standing = self.question.standing_of(user.id);
        in_time_and_once(events, message_ids, standing, self.question.late, &mut self.places);
        for event in self.places.iter().map(|place| &events[*place as usize]) {
            let activity = &event.activity;
            if takes_device(activity) && self.shared.contains(&activity.device) {
                self.takes.push(Take {
                    device: activity.device,
                    at: activity.happened_at,
                    message_id: event.message_id(message_ids).into(),
                    kind: activity.kind,
                    user: user.id.into(),
                });
            }
        }
    }

    fn end_stretch(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Which devices several users name, found as events are put aside.
#[derive(Debug, Default)]
pub(crate) struct DeviceUsers {
    first: HashMap<u32, Place>,
    shared: HashSet<u32>,
}

impl DeviceUsers {
    /// Notes that a user names a device.
    #[inline]
    pub fn note(&mut self, device: u32, user: Place) {
        if device != 0 && *self.first.entry(device).or_insert(user) != user {
            self.shared.insert(device);
        }
    }

    /// Takes over what another thread noted, which begins anew.
    pub fn take(&mut self, other: &mut DeviceUsers) {
        for (device, user) in other.first.drain() {
            self.note(device, user);
        }
        self.shared.extend(other.shared.drain());
    }

    /// Returns the devices that several users name.
    pub fn into_shared(self) -> HashSet<u32> {
        self.shared
    }
}
