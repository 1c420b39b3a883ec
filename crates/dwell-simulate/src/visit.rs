//! What people do while they are there: a visit becomes moments.

use dwell_core::event::EventKind;

use crate::crowd::{Crowd, Habit, MINUTE, SECOND};
use crate::curve::Curve;
use crate::name::Name;
use crate::plan::Plan;
use crate::random::{Stream, derive};

/// Something that a person did.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since 1970.
    pub at: i64,
    pub kind: EventKind,
    pub name: Name,
    /// Seconds into what plays, and how long it is, when the player says so.
    pub track: Option<(u16, u16)>,
}

/// How a player reports.
#[derive(Clone, Copy)]
enum Player {
    /// Every track as it begins, with its length, and where it is every five minutes.
    Tracks,
    /// Every five minutes that it plays, and no more.
    Terse,
    /// The beginning of one long thing, with its length.
    LongPiece,
}

/// Lives through a visit: appends its moments in order of time, and returns how long something played unseen.
pub fn live_through(crowd: &Crowd, plan: &Plan, moments: &mut Vec<Moment>) -> i64 {
    let mut stream = Stream::new(plan.key);
    let mut visit = Visit { crowd, plan, moments };
    match plan.habit {
        Habit::Social => visit.check(&mut stream),
        Habit::Popper => visit.act(plan.start, &mut stream),
        Habit::Stayer => visit.stay(&mut stream),
        Habit::Reader => visit.read(&mut stream),
        Habit::Bot => visit.crawl(&mut stream),
        Habit::Music => return visit.listen(&mut stream),
    }
    0
}

/// Returns how long the visit with this key reads: from the first page to the leaving of the last.
pub fn reading_time(crowd: &Crowd, key: u64) -> i64 {
    let mut gaps = Stream::new(derive(key, GAPS));
    let pages = gaps.between(5, 20);
    (0..pages).map(|_| crowd.tempo.of(crowd.curves.reader_gap.draw(&mut gaps))).sum()
}

/// Returns how many events a visit has, without living through it where they can be counted otherwise.
pub fn count(crowd: &Crowd, plan: &Plan, moments: &mut Vec<Moment>) -> usize {
    if plan.habit == Habit::Bot {
        return (plan.length / crawl_interval(crowd, &mut Stream::new(plan.key))) as usize + 1;
    }
    moments.clear();
    live_through(crowd, plan, moments);
    moments.len()
}

fn crawl_interval(crowd: &Crowd, stream: &mut Stream) -> i64 {
    crowd.tempo.of(stream.between(3, 8) * SECOND)
}

/// Readers draw their gaps apart from all else, since the plan must know them.
const GAPS: u64 = 1;

struct Visit<'a> {
    crowd: &'a Crowd,
    plan: &'a Plan,
    moments: &'a mut Vec<Moment>,
}

impl Visit<'_> {
    fn check(&mut self, stream: &mut Stream) {
        self.arrive(stream);
        self.look_until(self.plan.end(), &self.crowd.curves.social_gap, stream);
        self.leave(stream);
    }

    fn stay(&mut self, stream: &mut Stream) {
        self.arrive(stream);
        let tempo = self.crowd.tempo;
        let mut at = self.plan.start;
        loop {
            let silent = stream.per_mille(60);
            let curve = if silent { &self.crowd.curves.stayer_silence } else { &self.crowd.curves.stayer_gap };
            at += tempo.of(curve.draw(stream));
            if self.plan.end() <= at {
                break;
            }
            self.look(at, stream);
        }
        self.leave(stream);
    }

    fn read(&mut self, stream: &mut Stream) {
        let mut gaps = Stream::new(derive(self.plan.key, GAPS));
        let pages = gaps.between(5, 20);
        let mut at = self.plan.start;
        for _ in 0..pages {
            if self.plan.end() < at {
                return;
            }
            self.push(at, EventKind::Page, Name::page(stream));
            at += self.crowd.tempo.of(self.crowd.curves.reader_gap.draw(&mut gaps));
        }
    }

    fn crawl(&mut self, stream: &mut Stream) {
        let interval = crawl_interval(self.crowd, stream);
        let mut at = self.plan.start;
        while at <= self.plan.end() {
            self.push(at, EventKind::Page, Name::page(stream));
            at += interval;
        }
    }

    fn listen(&mut self, stream: &mut Stream) -> i64 {
        let choosing = self.crowd.tempo.of(stream.between(30 * SECOND, 110 * SECOND));
        let plays_from = (self.plan.start + choosing).min(self.plan.end() - 1);
        let away_from = plays_from + stream.between(SECOND, 8 * SECOND);
        let end = self.plan.end();
        self.arrive(stream);
        self.look_until(plays_from, &self.crowd.curves.social_gap, stream);
        self.play(plays_from, end, stream);
        if end <= away_from {
            return 0;
        }
        self.push(away_from, EventKind::Backgrounded, Name::of_kind(EventKind::Backgrounded));
        let mut seen = 0;
        let looks_back = stream.per_mille(300);
        let from = away_from + stream.between(MINUTE, (end - away_from).max(2 * MINUTE));
        let until = from + stream.between(5 * SECOND, MINUTE);
        if looks_back && until < end {
            self.push(from, EventKind::Foregrounded, Name::of_kind(EventKind::Foregrounded));
            self.act((from + until) / 2, stream);
            self.push(until, EventKind::Backgrounded, Name::of_kind(EventKind::Backgrounded));
            seen = until - from;
        }
        // Four of ten players fall silent without a word: the phone is in a tunnel, or out of power.
        if stream.per_mille(600) {
            self.push(end, EventKind::PlayingStopped, Name::of_kind(EventKind::PlayingStopped));
        }
        self.moments.sort_by_key(|moment| (moment.at, moment.kind));
        end - away_from - seen
    }

    /// Signals that something plays.
    fn play(&mut self, from: i64, end: i64, stream: &mut Stream) {
        let player = match stream.below(10) {
            0..4 => Player::Tracks,
            4..8 => Player::Terse,
            _ => Player::LongPiece,
        };
        match player {
            Player::Tracks => self.play_tracks(from, end, stream),
            Player::Terse => {
                self.signal(from, EventKind::PlayingStarted, None);
                self.progress(from, end, stream, |_| None);
            }
            Player::LongPiece => {
                let length = ((end - from) / SECOND + 1) as u16;
                self.signal(from, EventKind::PlayingStarted, Some((0, length)));
            }
        }
    }

    fn play_tracks(&mut self, from: i64, end: i64, stream: &mut Stream) {
        let first = self.moments.len();
        let mut at = from;
        while at < end {
            let length = stream.between(170, 240);
            self.signal(at, EventKind::PlayingStarted, Some((0, length as u16)));
            at += length * SECOND;
        }
        let tracks: Vec<Moment> = self.moments[first..].to_vec();
        self.progress(from, end, stream, |now| {
            let begun = tracks.partition_point(|track| track.at <= now);
            let track = tracks.get(begun.checked_sub(1)?)?;
            Some((((now - track.at) / SECOND) as u16, track.track?.1))
        });
    }

    /// Says about every five minutes that something still plays.
    fn progress(&mut self, from: i64, end: i64, stream: &mut Stream, track: impl Fn(i64) -> Option<(u16, u16)>) {
        let mut at = from + stream.between(280 * SECOND, 320 * SECOND);
        while at < end {
            self.signal(at, EventKind::PlayingProgress, track(at));
            at += stream.between(280 * SECOND, 320 * SECOND);
        }
    }

    fn arrive(&mut self, stream: &mut Stream) {
        let kind = if stream.per_mille(400) { EventKind::Opened } else { EventKind::Foregrounded };
        self.push(self.plan.start, kind, Name::of_kind(kind));
    }

    /// Most leave by putting the app away, a few close it, and the others are not seen to go.
    fn leave(&mut self, stream: &mut Stream) {
        let kind = match stream.below(100) {
            0..65 => EventKind::Backgrounded,
            65..68 => EventKind::Closed,
            _ => return,
        };
        self.push(self.plan.end(), kind, Name::of_kind(kind));
    }

    fn look_until(&mut self, until: i64, gap: &Curve, stream: &mut Stream) {
        let mut at = self.plan.start + self.crowd.tempo.of(gap.draw(stream));
        while at < until {
            self.look(at, stream);
            at += self.crowd.tempo.of(gap.draw(stream));
        }
    }

    fn look(&mut self, at: i64, stream: &mut Stream) {
        if stream.per_mille(250) {
            self.push(at, EventKind::Screen, Name::screen(stream));
        } else {
            self.act(at, stream);
        }
    }

    fn act(&mut self, at: i64, stream: &mut Stream) {
        self.push(at, EventKind::Action, Name::action(stream, self.crowd.event_names));
    }

    fn signal(&mut self, at: i64, kind: EventKind, track: Option<(u16, u16)>) {
        self.moments.push(Moment { at, kind, name: Name::of_kind(kind), track });
    }

    fn push(&mut self, at: i64, kind: EventKind, name: Name) {
        self.moments.push(Moment { at, kind, name, track: None });
    }
}
