//! The people of one app: what they do, in the order in which it arrives.

use dwell_core::event::EventKind;
use dwell_core::time::Timestamp;
use dwell_simulate::{IdText, SimulatedEvent, Simulation, TrueVisit, device_id, short_id};
use serde::Serialize;

use crate::demo::story::{AppStory, Story};

/// All waves of an app, as one stream.
pub struct People {
    crowds: Vec<Crowd>,
}

/// The people of one wave.
struct Crowd {
    simulation: Simulation,
    seed: u64,
    first_user: u64,
    /// What was simulated and did not arrive yet, from `next` on.
    waiting: Vec<SimulatedEvent>,
    next: usize,
    visits: Vec<TrueVisit>,
    is_over: bool,
}

/// One event of one of them.
pub struct Deed {
    event: SimulatedEvent,
    seed: u64,
    user: u64,
}

impl People {
    /// Takes those of an app, none of whom has come yet.
    pub fn of(story: &Story, app: &AppStory) -> anyhow::Result<Self> {
        let crowd = |wave| -> anyhow::Result<Crowd> {
            let simulation = Simulation::begin(&story.recipe(wave)?)?;
            let (waiting, visits) = (Vec::new(), Vec::new());
            let (seed, first_user) = (wave.seed, wave.first_user);
            Ok(Crowd { simulation, seed, first_user, waiting, next: 0, visits, is_over: false })
        };
        Ok(People { crowds: app.waves.iter().map(crowd).collect::<anyhow::Result<_>>()? })
    }

    /// Appends what arrives up to a moment and was not told yet, in the order of its arrival.
    pub fn until(&mut self, moment: Timestamp, deeds: &mut Vec<Deed>) {
        let from = deeds.len();
        for crowd in &mut self.crowds {
            crowd.until(moment, |deed| deeds.push(deed));
        }
        deeds[from..].sort_by_key(|deed| deed.event.received_at);
    }

    /// Passes over what arrived up to a moment: it was told already. None of it is kept.
    pub fn skip_until(&mut self, moment: Timestamp) {
        for crowd in &mut self.crowds {
            crowd.until(moment, drop);
        }
    }
}

impl Crowd {
    /// Hands on what arrives up to a moment and was not handed on yet.
    fn until(&mut self, moment: Timestamp, mut hand_on: impl FnMut(Deed)) {
        loop {
            let waiting = &self.waiting[self.next..];
            let arrived = &waiting[..waiting.partition_point(|event| event.received_at <= moment)];
            for event in arrived {
                hand_on(Deed { event: *event, seed: self.seed, user: self.first_user + event.user });
            }
            self.next += arrived.len();
            if self.next < self.waiting.len() || self.is_over {
                return;
            }
            self.waiting.clear();
            self.visits.clear();
            self.next = 0;
            self.is_over = !self.simulation.fill(&mut self.waiting, &mut self.visits);
        }
    }
}

/// Versions of the app, of which each person has one.
const VERSIONS: [&str; 5] = ["4.2.0", "4.2.0", "4.2.0", "4.1.3", "3.9.1"];

/// A message as a server's SDK of Segment would send it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    user_id: String,
    message_id: String,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<Playing>,
    context: Context,
}

#[derive(Serialize)]
struct Playing {
    session_id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_length: Option<u32>,
}

#[derive(Serialize)]
struct Context {
    os: Os,
    device: Device,
    location: Location,
    app: Version,
}

#[derive(Serialize)]
struct Location {
    country: &'static str,
}

#[derive(Serialize)]
struct Version {
    version: &'static str,
}

#[derive(Serialize)]
struct Os {
    name: &'static str,
}

#[derive(Serialize)]
struct Device {
    id: String,
}

#[derive(Serialize)]
struct Body {
    batch: Vec<Message>,
}

/// Writes deeds as the body of a batch.
///
/// It says no `sentAt`: clocks are right here, and Dwell is to take each time as it is.
pub fn body_of(deeds: &[Deed]) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Body { batch: deeds.iter().map(Deed::message).collect() })
}

impl Deed {
    fn message(&self) -> Message {
        let event = &self.event;
        let (r#type, name) = match event.kind {
            EventKind::Screen => ("screen", event.name),
            EventKind::Page => ("page", event.name),
            EventKind::Opened => ("track", "Application Opened"),
            EventKind::Foregrounded => ("track", "Application Foregrounded"),
            EventKind::Backgrounded => ("track", "Application Backgrounded"),
            EventKind::Closed => ("track", "Application Terminated"),
            EventKind::PlayingStarted => ("track", "Audio Playback Started"),
            EventKind::PlayingProgress => ("track", "Audio Content Playing"),
            EventKind::PlayingStopped => ("track", "Audio Playback Paused"),
            EventKind::Action | EventKind::Heartbeat | EventKind::UserChanged | EventKind::Silent => {
                ("track", event.name)
            }
        };
        let is_track = r#type == "track";
        let playing = Playing { session_id: event.player, position: event.position, total_length: event.total_length };
        Message {
            r#type,
            event: is_track.then_some(name),
            name: (!is_track).then_some(name),
            user_id: short_id(self.user),
            message_id: IdText::of(event.message_id).to_string(),
            timestamp: dwell_policy::calendar::written(event.original),
            properties: (0 < event.player).then_some(playing),
            context: Context {
                os: Os { name: event.platform },
                device: Device { id: IdText::of(device_id(self.seed, event.user, event.device)).to_string() },
                location: Location { country: event.country },
                app: Version { version: VERSIONS[(self.user % VERSIONS.len() as u64) as usize] },
            },
        }
    }
}
