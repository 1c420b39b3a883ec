//! Reads a diary, lives it, and writes down what became of it.
//!
//! Above the arrow stand settings and what happened, in the order in which we heard of it; below it the sessions, then
//! the events that are simply part of none. Days do not wrap: 33:00 is nine in the morning of the second day.
//!
//! Every diary is lived twice: as it was heard, by the timeline, and in order, by the sessionizer alone.

use std::collections::BTreeMap;
use std::fmt::Write;

use dwell_core::event::{Activity, EventKind, Outcome, Stamps, order};
use dwell_core::law;
use dwell_core::policy::{Campaigns, Edge, Playing, Policy, Source, Standing, Version};
use dwell_core::profile::Profile;
use dwell_core::session::{ClosedSession, Session, Sessionizer};
use dwell_core::time::{Span, Timeout, Timestamp, Zone};
use dwell_core::timeline::{Stated, Timeline};
use expect_test::Expect;

/// Lives the diary above the arrow and compares what stands below it.
pub fn check(expect: &Expect) {
    let text: Vec<&str> = expect.data().lines().map(str::trim).collect();
    let written: Vec<&str> =
        text.into_iter().skip_while(|line| line.is_empty()).take_while(|line| *line != "=>").collect();
    let lived = Diary::read(&written).live();
    expect.assert_eq(&format!("{}\n=>\n{lived}", written.join("\n").trim_end()));
}

/// Writes out `24 times, 20m apart:` for the events below it.
fn repeated(lines: &[&str]) -> Vec<String> {
    let header = lines.iter().position(|line| line.ends_with("apart:")).unwrap_or(lines.len());
    let mut all: Vec<String> = lines[..header].iter().map(|line| (*line).to_owned()).collect();
    let Some((header, events)) = lines[header..].split_first() else { return all };
    let words: Vec<&str> = header.split_whitespace().collect();
    for round in 0..words[0].parse().unwrap() {
        for event in events {
            let (at, rest) = event.split_once(' ').unwrap();
            let later = (0..round).fold(moment(at), |at, _| at.plus(distance(words[2])));
            all.push(format!("{} {rest}", clock(later)));
        }
    }
    all
}

#[derive(Default)]
struct Diary {
    versions: Vec<Version>,
    zone: Zone,
    members: Vec<(String, String)>,
    platforms: Vec<String>,
    lines: Vec<Line>,
}

enum Line {
    Now(Timestamp),
    Event(Heard),
}

struct Heard {
    user: String,
    text: String,
    activity: Activity,
    message_id: String,
    received_at: Timestamp,
    from_the_future: bool,
}

impl Diary {
    fn read(lines: &[&str]) -> Diary {
        let mut diary =
            Diary { versions: vec![Version::default()], platforms: vec![String::new()], ..Diary::default() };
        for line in repeated(lines) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                [] => {}
                ["now", at] => diary.lines.push(Line::Now(moment(at))),
                [at, user, rest @ ..] if at.starts_with(|first: char| first.is_ascii_digit()) => {
                    let heard = diary.hear(at, user, rest);
                    diary.lines.push(Line::Event(heard));
                }
                setting => diary.set(setting),
            }
        }
        diary
    }

    fn set(&mut self, words: &[&str]) {
        let Diary { versions, zone, members, .. } = self;
        let version = versions.last_mut().unwrap();
        match words {
            ["from", at] => {
                let next = Version { effective_from: moment(at), ..version.clone() };
                versions.push(next);
            }
            ["timeout", span] => version.timeout = Some(timeout(span)),
            ["platform", name, span] => drop(version.platforms.insert((*name).into(), timeout(span))),
            ["audience", name, span] => version.audiences.push(((*name).into(), timeout(span))),
            ["member", user, audience] => members.push(((*user).into(), (*audience).into())),
            ["own", user, span] => drop(version.users.insert((*user).into(), timeout(span))),
            ["background", span] => version.rules.background_timeout = Some(timeout(span)),
            ["max_length", span] => version.rules.max_length = Some(distance(span)),
            ["patience", span] => version.rules.playing = Playing::Reaches(distance(span)),
            ["playing", "ignored"] => version.rules.playing = Playing::Ignored,
            ["idle_after", span] => version.rules.idle_after = distance(span),
            ["lateness", span] => version.rules.allowed_lateness = distance(span),
            ["shortest", span] => version.rules.shortest = distance(span),
            ["campaigns", "start_anew"] => version.rules.campaigns = Campaigns::StartAnew,
            ["edge", "continues"] => version.rules.edge = Edge::Continues,
            ["zone", east] => zone.offsets.push((Timestamp::MIN, east_of_utc(east))),
            ["zone", at, east] => zone.offsets.push((moment(at), east_of_utc(east))),
            ["midnight"] => version.rules.midnight = Some(zone.clone()),
            ["profile", name] => *version = Profile::from_name(name).unwrap().version(zone),
            other => panic!("no setting: {other:?}"),
        }
    }

    fn hear(&mut self, at: &str, user: &str, words: &[&str]) -> Heard {
        let mut activity = Activity::new(moment(at), EventKind::Action);
        let mut stamps = Stamps { original: moment(at), sent_at: None, received_at: None };
        let mut message_id = String::new();
        let mut text = format!("{user} {at}");
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                activity.kind = EventKind::from_word(word).unwrap_or_else(|| panic!("no kind: {word}"));
                text = format!("{text} {word}");
                continue;
            };
            match key {
                "remaining" => activity.remaining = Some(distance(value)),
                "player" => activity.player = value.parse().unwrap(),
                "device" => activity.device = value.parse().unwrap(),
                "campaign" => activity.campaign = value.parse().unwrap(),
                "platform" => activity.platform = self.platform(value),
                "id" => message_id = value.into(),
                "sent" => stamps.sent_at = Some(moment(value)),
                "received" => stamps.received_at = Some(moment(value)),
                other => panic!("no key: {other}"),
            }
        }
        let happened = stamps.happened();
        activity.happened_at = happened.at;
        let received_at = stamps.received_at.unwrap_or(happened.at);
        let from_the_future = happened.from_the_future;
        Heard { user: user.into(), text, activity, message_id, received_at, from_the_future }
    }

    fn platform(&mut self, name: &str) -> u32 {
        let known = self.platforms.iter().position(|other| other == name);
        known.unwrap_or_else(|| {
            self.platforms.push(name.into());
            self.platforms.len() - 1
        }) as u32
    }

    fn standing_of(&self, user: &str) -> Standing {
        let audiences: Vec<&str> =
            self.members.iter().filter(|(member, _)| member == user).map(|(_, audience)| audience.as_str()).collect();
        let platforms: Vec<&str> = self.platforms.iter().map(String::as_str).collect();
        Policy::from_versions(self.versions.clone()).standing_of(user, &audiences, &platforms)
    }

    fn live(&self) -> String {
        let users = self.lines.iter().filter_map(|line| match line {
            Line::Event(heard) => Some(heard.user.as_str()),
            Line::Now(_) => None,
        });
        let standings: BTreeMap<&str, Standing> = users.map(|user| (user, self.standing_of(user))).collect();
        let mut lives: BTreeMap<&str, Life> =
            standings.iter().map(|(user, standing)| (*user, Life::new(user, standing))).collect();
        let mut aside = String::new();
        for line in &self.lines {
            match line {
                Line::Now(now) => lives.values_mut().for_each(|life| life.ring(*now)),
                Line::Event(heard) => lives.get_mut(heard.user.as_str()).unwrap().hear(heard, &mut aside),
            }
        }
        let plain = self.versions[0].timeout.unwrap_or(Timeout::DEFAULT);
        let mut told = String::new();
        for (user, life) in &lives {
            life.is_the_same_in_order();
            life.tell(user, plain, &mut told);
        }
        told + &aside
    }
}

struct Life<'p> {
    standing: &'p Standing,
    timeline: Timeline<'p>,
    accepted: Vec<(Activity, String)>,
    now: Option<Timestamp>,
}

impl<'p> Life<'p> {
    fn new(user: &'p str, standing: &'p Standing) -> Self {
        Life { standing, timeline: Timeline::new("diary", user, standing), accepted: Vec::new(), now: None }
    }

    fn ring(&mut self, now: Timestamp) {
        self.timeline.advance(now);
        self.now = self.now.max(Some(now));
    }

    fn hear(&mut self, heard: &Heard, aside: &mut String) {
        let effects = self.timeline.observe(&heard.activity, &heard.message_id, heard.received_at);
        if !matches!(effects.outcome, Outcome::Duplicate | Outcome::Late) {
            self.accepted.push((heard.activity, heard.message_id.clone()));
        }
        let mut notes = Vec::new();
        if effects.outcome != Outcome::Joined {
            notes.push(effects.outcome.word().to_owned());
        }
        if heard.activity.happened_at != moment(heard.text.split(' ').nth(1).unwrap()) {
            notes.push(format!("happened at {}", clock(heard.activity.happened_at)));
        }
        if heard.from_the_future {
            notes.push("from the future".to_owned());
        }
        notes.extend(effects.retracted.iter().map(|old| format!("takes back {}", stretch(&old.closed.session))));
        if !notes.is_empty() {
            writeln!(aside, "{}: {}", heard.text, notes.join(", ")).unwrap();
        }
    }

    /// Laws L1, L3, L4 and L6, on every page.
    fn is_the_same_in_order(&self) {
        let mut sorted = self.accepted.clone();
        sorted.sort_by(|one, other| order((&one.0, &one.1), (&other.0, &other.1)));
        sorted.retain(|(activity, _)| activity.kind != EventKind::Silent);
        let mut sessionizer = Sessionizer::new(self.standing);
        let mut closed: Vec<ClosedSession> =
            sorted.iter().filter_map(|(activity, _)| sessionizer.observe(activity).ended).collect();
        let mut timeline = self.timeline.clone();
        if let Some(now) = self.now {
            closed.extend(sessionizer.advance(now));
            timeline.advance(now);
        }
        assert_eq!(timeline.closed().map(|stated| stated.closed.clone()).collect::<Vec<_>>(), closed);
        assert_eq!(timeline.open(), sessionizer.open());
        assert_eq!(timeline.deadline(), sessionizer.deadline());
        let open = sessionizer.finish();
        for (earlier, later) in closed.iter().zip(closed.iter().skip(1).map(|next| &next.session).chain(&open)) {
            law::in_order(&earlier.session, earlier.reason, later).unwrap();
        }
        for session in closed.iter().map(|closed| &closed.session).chain(&open) {
            law::parts_add_up(session).unwrap();
        }
    }

    fn tell(&self, user: &str, plain: Timeout, told: &mut String) {
        for Stated { closed: ClosedSession { session, reason }, amended, .. } in self.timeline.closed() {
            let again = if *amended == 0 { String::new() } else { format!(", amended: {amended}") };
            writeln!(told, "{user} {}, {reason:?}{again}", describe(session, plain)).unwrap();
        }
        if let Some(session) = self.timeline.open() {
            writeln!(told, "{user} {}, open", describe(session, plain)).unwrap();
        }
    }
}

fn stretch(session: &Session) -> String {
    format!("{}-{}", clock(session.started_at), clock(session.ended_at))
}

/// Describes a session; parts of no length and the plain timeout go without saying.
fn describe(session: &Session, plain: Timeout) -> String {
    let mut text = format!("{}, activities: {}", stretch(session), session.activities);
    let parts = session.parts;
    for (name, part) in [("foreground", parts.foreground), ("playing", parts.playing), ("idle", parts.idle)] {
        if part != Span::ZERO {
            write!(text, ", {name}: {}", length(part)).unwrap();
        }
    }
    let decided = session.decided;
    if decided.timeout != plain || Source::App < decided.source {
        write!(text, ", timeout: {} of {}", length(decided.timeout.as_span()), decided.source.word()).unwrap();
    }
    text
}

fn clock(at: Timestamp) -> String {
    let micros = at.as_micros();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let mut text = format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    if seconds % 60 != 0 || fraction != 0 {
        write!(text, ":{:02}", seconds % 60).unwrap();
    }
    if fraction != 0 {
        write!(text, ".{fraction:06}").unwrap();
    }
    text
}

fn length(span: Span) -> String {
    let micros = span.as_micros();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let units = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (fraction, "us")];
    units.iter().filter(|(count, _)| *count != 0).map(|(count, unit)| format!("{count}{unit}")).collect()
}

/// Reads `HH:MM[:SS[.ffffff]]`.
fn moment(text: &str) -> Timestamp {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let seconds = whole.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap());
    let seconds = if whole.matches(':').count() == 1 { seconds * 60 } else { seconds };
    Timestamp::from_micros(seconds * 1_000_000 + format!("{fraction:0<6}").parse::<i64>().unwrap())
}

/// Reads `30` (minutes), `10s`, `5m`, `72h` or `1us`.
fn distance(text: &str) -> Span {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let count: i64 = text[..end].parse().unwrap();
    Span::from_micros(match &text[end..] {
        "us" => count,
        "s" => count * 1_000_000,
        "m" | "" => count * 60_000_000,
        "h" => count * 3_600_000_000,
        other => panic!("no unit: {other}"),
    })
}

fn timeout(text: &str) -> Timeout {
    Timeout::from_secs(distance(text).whole_secs() as u64).unwrap()
}

fn east_of_utc(text: &str) -> i32 {
    let hours: i32 = text.strip_suffix('h').unwrap().parse().unwrap();
    hours * 3600
}
