//! Events of a server, out of its log or its archive, told once more: to be counted as those of a file are.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use dwell_core::time::Span;
use hashbrown::HashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::batch::{Detail, Details, EventBatch, Users};
use crate::lab::people::{Facet, OTHERS};
use crate::log::Log;
use crate::names::Names;
use crate::shuffle::{Shuffle, ShuffleError, Shuffler};
use crate::write::archive::ArchivedRow;

/// So many events are handed on together.
const BATCH_EVENTS: usize = 8 * 1024;

/// So many values of a facet are shown by themselves; all others are one.
const SHOWN_VALUES: usize = 8;

/// Takes events in any order, and groups them by user.
pub struct Retelling<'s> {
    shuffler: Shuffler<'s>,
    names: Arc<Names>,
    origins: Origins,
    users: StringBuilder,
    happened_at: Vec<i64>,
    details: Details,
}

/// Where events come from: the country and the version of each, and which values are shown by themselves.
#[derive(Debug, Default)]
pub struct Origins {
    numbers: HashMap<(u32, u32), u32>,
    all: Vec<(u32, u32)>,
    /// How many events have each value.
    events: HashMap<(Facet, u32), u64>,
}

impl Origins {
    fn number(&mut self, country: u32, version: u32) -> u32 {
        let Origins { numbers, all, .. } = self;
        *numbers.entry((country, version)).or_insert_with(|| {
            all.push((country, version));
            all.len() as u32
        })
    }

    fn count(&mut self, facet: Facet, value: u32) {
        *self.events.entry((facet, value)).or_default() += 1;
    }

    /// Returns the keys of country and version behind a number; 0 knows neither.
    pub(crate) fn values(&self, origin: u32) -> (u32, u32) {
        origin.checked_sub(1).and_then(|place| self.all.get(place as usize).copied()).unwrap_or_default()
    }

    /// Returns the key under which a value counts: its own, or that of all others.
    pub(crate) fn shown(&self, facet: Facet, value: u32) -> u32 {
        if self.events.contains_key(&(facet, value)) { value } else { OTHERS }
    }

    /// Keeps the values with the most events of each facet. `texts` decide where these are as many.
    fn choose(&mut self, texts: &[Arc<str>]) {
        let mut all: Vec<((Facet, u32), u64)> = self.events.drain().collect();
        let text = |key: u32| texts.get(key as usize);
        all.sort_by(|((facet, value), events), ((other_facet, other_value), other_events)| {
            let by_events = facet.cmp(other_facet).then_with(|| other_events.cmp(events));
            by_events.then_with(|| text(*value).cmp(&text(*other_value)))
        });
        for of_facet in all.chunk_by(|one, other| one.0.0 == other.0.0) {
            self.events.extend(of_facet.iter().take(SHOWN_VALUES).copied());
        }
    }
}

impl<'s> Retelling<'s> {
    /// Begins with no events.
    #[must_use]
    pub fn new(shuffle: &'s Shuffle) -> Self {
        Retelling {
            shuffler: Shuffler::new(shuffle),
            names: Arc::default(),
            origins: Origins::default(),
            users: StringBuilder::new(),
            happened_at: Vec::new(),
            details: Details::default(),
        }
    }

    /// Takes an event. `user` is who did it: the person that the id of the event has become, if it has.
    pub fn take(&mut self, event: &ArchivedRow<'_>, user: &str) -> Result<(), ShuffleError> {
        let key = |text: Option<&str>| text.map_or(0, |text| self.names.key(text));
        let (platform, country, version) = (key(event.platform), key(event.country), key(event.app_version));
        let start = self.details.message_ids.len() as u32;
        self.details.message_ids.push_str(event.message_id.unwrap_or_default());
        let detail = Detail {
            kind: event.kind,
            name: self.origins.number(country, version),
            remaining: event.remaining.map(Span::from_micros),
            player: key(event.player),
            device: key(event.device),
            platform,
            campaign: key(event.campaign),
            by: 0,
            truth: event.derived_message_id.map_or(0, |id| xxh3_64(id.as_bytes()).max(1)),
            received_at: Some(event.received_at),
            message_id: (start, self.details.message_ids.len() as u32),
        };
        for (facet, value) in [(Facet::Platform, platform), (Facet::Country, country), (Facet::Version, version)] {
            self.origins.count(facet, value);
        }
        self.users.append_value(user);
        self.happened_at.push(event.happened_at);
        self.details.rows.push(detail);
        if BATCH_EVENTS <= self.happened_at.len() { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> Result<(), ShuffleError> {
        let users = Users::Plain(self.users.finish());
        let (happened_at, details) = (std::mem::take(&mut self.happened_at), std::mem::take(&mut self.details));
        let batch = EventBatch::new(users, happened_at, Some(details));
        self.shuffler.take(&batch)
    }

    /// Ends the telling. Whoever is told next asks the shuffle for its [`Log`].
    pub fn end(mut self) -> Result<(Arc<Names>, Origins), ShuffleError> {
        self.hand_on()?;
        self.shuffler.flush()?;
        self.origins.choose(&self.names.texts());
        Ok((self.names, self.origins))
    }
}

/// Groups what was told by user.
#[must_use]
pub fn grouped(shuffle: Shuffle) -> Log<'static> {
    Log::Grouped(shuffle.group())
}
