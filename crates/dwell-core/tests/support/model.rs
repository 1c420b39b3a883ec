//! The rules of SESSION.md once more, written down slowly: everything is looked up anew from the whole story, nothing is
//! remembered from one event to the next but which session is open.

use dwell_core::event::{Activity, EventKind, Outcome};
use dwell_core::policy::{Campaigns, Edge, Playing, Source, Version};
use dwell_core::session::{EndReason, Session};
use dwell_core::time::Timestamp;

/// A session as the model sees it: plain numbers, in microseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    pub ordinal: u32,
    pub started_at: i64,
    pub ended_at: i64,
    pub first: u64,
    pub last: u64,
    pub activities: u64,
    pub foreground: i64,
    pub playing: i64,
    pub idle: i64,
    pub timeout: i64,
    pub source: Source,
    pub platforms: Vec<u32>,
    pub devices: Vec<u32>,
    pub campaign: u32,
    /// `None` while it is open.
    pub reason: Option<EndReason>,
}

impl Seen {
    /// Says a session in the words of the model.
    pub fn of(session: &Session, reason: Option<EndReason>) -> Seen {
        Seen {
            ordinal: session.ordinal,
            started_at: session.started_at.as_micros(),
            ended_at: session.ended_at.as_micros(),
            first: session.first,
            last: session.last,
            activities: session.activities,
            foreground: session.parts.foreground.as_micros(),
            playing: session.parts.playing.as_micros(),
            idle: session.parts.idle.as_micros(),
            timeout: session.decided.timeout.as_span().as_micros(),
            source: session.decided.source,
            platforms: session.platforms.clone(),
            devices: session.devices.clone(),
            campaign: session.campaign,
            reason,
        }
    }
}

/// One user's story and what holds for them.
pub struct Model<'a> {
    pub events: &'a [Activity],
    pub versions: &'a [Version],
    pub user: &'a str,
    pub audiences: &'a [&'a str],
    pub platforms: &'a [&'a str],
}

const STARTS: [EventKind; 6] = [
    EventKind::Opened,
    EventKind::Foregrounded,
    EventKind::Screen,
    EventKind::Page,
    EventKind::Action,
    EventKind::PlayingStarted,
];
const RETURNS: [EventKind; 5] =
    [EventKind::Opened, EventKind::Foregrounded, EventKind::Screen, EventKind::Page, EventKind::Action];
const PLAYER: [EventKind; 3] = [EventKind::PlayingStarted, EventKind::PlayingProgress, EventKind::PlayingStopped];

impl Model<'_> {
    /// Returns all sessions, the last one perhaps open, and what became of each event.
    pub fn sessions(&self) -> (Vec<Seen>, Vec<Outcome>) {
        let mut ended: Vec<(Vec<usize>, Option<EndReason>)> = Vec::new();
        let mut open: Vec<usize> = Vec::new();
        let mut outcomes = Vec::new();
        for (index, event) in self.events.iter().enumerate() {
            if event.kind == EventKind::Silent || self.is_elsewhere(index) {
                outcomes.push(Outcome::Silent);
                continue;
            }
            if let Some(reason) = self.why_it_ends(&open, index) {
                ended.push((core::mem::take(&mut open), Some(reason)));
            }
            if event.kind == EventKind::UserChanged {
                outcomes.push(Outcome::Silent);
                continue;
            }
            if open.is_empty() && !STARTS.contains(&event.kind) {
                outcomes.push(Outcome::Orphan);
                continue;
            }
            outcomes.push(Outcome::Joined);
            open.push(index);
            if event.kind == EventKind::Closed {
                ended.push((core::mem::take(&mut open), Some(EndReason::Closed)));
            }
        }
        if !open.is_empty() {
            ended.push((open, None));
        }
        let seen = ended.iter().enumerate().map(|(index, (of, reason))| self.describe(index, of, *reason)).collect();
        (seen, outcomes)
    }

    fn at(&self, index: usize) -> i64 {
        self.events[index].happened_at.as_micros()
    }

    /// The version in force: of those whose date has come the one with the latest date, the later given of two.
    fn version_at(&self, at: i64) -> Version {
        let mut in_force = Version::default();
        for version in self.versions {
            if version.effective_from <= Timestamp::from_micros(at) && in_force.effective_from <= version.effective_from
            {
                in_force = version.clone();
            }
        }
        in_force
    }

    /// Says of a device that changed hands whether the user was last seen on another, or on none that was named.
    fn is_elsewhere(&self, index: usize) -> bool {
        let event = &self.events[index];
        if event.kind != EventKind::UserChanged || event.device == 0 {
            return false;
        }
        let proves = |event: &&Activity| !matches!(event.kind, EventKind::UserChanged | EventKind::Silent);
        self.events[..index].iter().rfind(proves).is_none_or(|last| last.device != event.device)
    }

    /// Where everything that was known of screen and players was last forgotten.
    fn forgotten_before(&self, index: usize) -> usize {
        let forgets = |place: &usize| match self.events[*place].kind {
            EventKind::Closed => true,
            EventKind::UserChanged => !self.is_elsewhere(*place),
            _ => false,
        };
        (0..index).rfind(forgets).map_or(0, |place| place + 1)
    }

    /// How far presence reaches after the activity at `index`.
    fn reach(&self, index: usize) -> i64 {
        let mut reach = self.at(index);
        if self.events[index].kind == EventKind::Closed {
            return reach;
        }
        let since = self.forgotten_before(index);
        for place in since..=index {
            let signal = &self.events[place];
            let of_the_same = |other: &Activity| PLAYER.contains(&other.kind) && other.player == signal.player;
            let is_last = !self.events[place + 1..=index].iter().any(of_the_same);
            if !PLAYER.contains(&signal.kind) || !is_last || signal.kind == EventKind::PlayingStopped {
                continue;
            }
            if let Playing::Reaches(patience) = self.version_at(self.at(place)).rules.playing {
                reach = reach.max(self.at(place) + signal.remaining.unwrap_or(patience).as_micros());
            }
        }
        reach
    }

    fn is_in_background(&self, index: usize) -> bool {
        if self.events[index].kind == EventKind::Closed {
            return false;
        }
        let known = &self.events[self.forgotten_before(index)..=index];
        let says = known.iter().rfind(|event| RETURNS.contains(&event.kind) || event.kind == EventKind::Backgrounded);
        says.is_some_and(|event| event.kind == EventKind::Backgrounded)
    }

    /// The timeout for the gap after the activity at `index`, in microseconds; one more where equality continues.
    fn timeout(&self, index: usize) -> (i64, Source) {
        let reach = self.reach(index);
        let version = self.version_at(reach);
        let platform = self.platforms.get(self.events[index].platform as usize).copied().unwrap_or("");
        let audience = version.audiences.iter().find(|(name, _)| self.audiences.contains(&name.as_str()));
        let (timeout, source) = match version.rules.background_timeout {
            Some(timeout) if self.is_in_background(index) && reach == self.at(index) => (timeout, Source::Background),
            _ => {
                if let Some(own) = version.users.get(self.user) {
                    (*own, Source::User)
                } else if let Some((_, timeout)) = audience {
                    (*timeout, Source::Audience)
                } else if let Some(timeout) = version.platforms.get(platform) {
                    (*timeout, Source::Platform)
                } else if let Some(timeout) = version.timeout {
                    (timeout, Source::App)
                } else {
                    (dwell_core::time::Timeout::DEFAULT, Source::Default)
                }
            }
        };
        let longer = if version.rules.edge == Edge::Continues { 1 } else { 0 };
        (i64::from(timeout.as_secs()) * 1_000_000 + longer, source)
    }

    fn why_it_ends(&self, open: &[usize], next: usize) -> Option<EndReason> {
        let (first, last) = (*open.first()?, *open.last()?);
        let (at, event) = (self.at(next), &self.events[next]);
        let reach = self.reach(last);
        let rules = self.version_at(if at < reach { at } else { reach }).rules;
        let length = at - self.at(first);
        if reach + self.timeout(last).0 <= at && rules.shortest.as_micros() <= length {
            return Some(EndReason::TimedOut);
        }
        if let Some(zone) = rules.midnight
            && zone.day_of(self.events[last].happened_at) < zone.day_of(event.happened_at)
        {
            return Some(EndReason::Midnight);
        }
        if event.kind == EventKind::UserChanged {
            return Some(EndReason::UserChanged);
        }
        if let Some(longest) = rules.max_length
            && longest.as_micros() < length
        {
            return Some(EndReason::TooLong);
        }
        let another = event.campaign != 0 && event.campaign != self.events[first].campaign;
        if rules.campaigns == Campaigns::StartAnew && another {
            return Some(EndReason::NewCampaign);
        }
        None
    }

    fn describe(&self, index: usize, of: &[usize], reason: Option<EndReason>) -> Seen {
        let (first, last) = (of[0], of[of.len() - 1]);
        let (mut foreground, mut playing, mut idle) = (0, 0, 0);
        for pair in of.windows(2) {
            let (from, until) = (self.at(pair[0]), self.at(pair[1]));
            let silent_from = self.reach(pair[0]).min(until);
            let (played, quiet) = (silent_from - from, until - silent_from);
            if self.is_in_background(pair[0]) {
                playing += played;
                idle += quiet;
            } else {
                let attentive = quiet.min(self.version_at(silent_from).rules.idle_after.as_micros());
                foreground += played + attentive;
                idle += quiet - attentive;
            }
        }
        let keys = |key: fn(&Activity) -> u32| {
            let mut keys: Vec<u32> = of.iter().map(|index| key(&self.events[*index])).filter(|key| *key != 0).collect();
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let (timeout, source) = self.timeout(last);
        Seen {
            ordinal: index as u32 + 1,
            started_at: self.at(first),
            ended_at: self.at(last),
            first: first as u64,
            last: last as u64,
            activities: of.len() as u64,
            foreground,
            playing,
            idle,
            timeout,
            source,
            platforms: keys(|event| event.platform),
            devices: keys(|event| event.device),
            campaign: self.events[first].campaign,
            reason,
        }
    }
}
