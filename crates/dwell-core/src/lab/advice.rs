//! Advice about the timeout, with the right to refuse.
//!
//! Where people come and go in visits, the gaps inside visits are short and the gaps between them long, and on the
//! scale of the logarithm a valley lies between the two: a timeout in it cuts best. Often there is none, and then any
//! timeout is a convention; this says so instead of inventing one. It is advice: nothing applies it.
//!
//! [`Sample::observe`] takes the gaps of one user, [`Sample::advise`] answers. What was tried and measured is in
//! `docs/decisions/005-advice.md`.
//!
//! The way from gaps to advice:
//! 1. [`day`] counts every gap in its user's own waking time, since sleep makes a false valley at three to six hours;
//! 2. a user's weight grows with their gaps up to that of a diligent user, and no further, so that bots do not rule;
//! 3. [`grid`] smooths the logarithms by half an octave, [`valley`] finds where they are few;
//! 4. [`judge`] doubts it, and asks again of users drawn anew ([`resample`]); what is not found again is no valley.

pub mod answer;
pub mod day;
pub mod grid;
pub mod judge;
pub mod kind;
pub mod resample;
pub mod valley;
pub mod words;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::presence::{Judge, Silence};
use crate::time::{MICROS_PER_SECOND, Span, Timeout, Timestamp};
pub use answer::{Advice, DensityPoint, Refusal, Verdict};
use day::{CommonDay, Hours};
use grid::{BINS, PER_OCTAVE};
use judge::Weighed;
pub use judge::{
    DEPTH_NEEDED, GAPS_NEEDED, NIGHT, OUTLYING_ALLOWED, SHARE_NEEDED, SUPPORT_NEEDED, USERS_NEEDED, WIDEST,
    WITHIN_NEEDED,
};
pub use kind::AppKind;
use resample::{BAGS, sum};

/// The most users that are kept: those with the smallest hashes, so that the order of observing changes nothing.
pub const MAX_USERS: usize = 20_000;
/// The most gaps that are kept of one user: evenly from first to last.
pub const MAX_GAPS: usize = 500;
/// From so many times the gaps of a diligent user on a user counts the less the more they have: it is a machine.
pub const TIRELESS: f64 = 4.0;

/// A gap that the timeout judges: from where the user's presence reached to their next activity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    /// Where the silence began.
    pub reach: Timestamp,
    /// The activity at its end.
    pub until: Timestamp,
}

impl Gap {
    /// Takes a silence if the timeout judges it; a forced break says nothing about timeouts.
    #[must_use]
    pub const fn of(silence: &Silence) -> Option<Gap> {
        match silence.judge {
            Judge::Timeout => Some(Gap { reach: silence.reach, until: silence.until }),
            Judge::Background(_) | Judge::Forced(_) => None,
        }
    }

    /// Returns how long it is.
    #[must_use]
    pub const fn length(&self) -> Span {
        self.until.since(self.reach)
    }
}

/// What is kept of one gap: 8 bytes.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Seconds since midnight UTC at its beginning.
    start: u32,
    /// Its length in whole milliseconds; 49 days and more are all one.
    millis: u32,
}

/// What is kept of one user.
#[derive(Clone, Debug)]
struct UserGaps {
    hours: Hours,
    /// All gaps there were.
    count: u64,
    /// Some of them.
    kept: Vec<Kept>,
}

/// The gaps of users, as far as they are kept: at most about 80 MB.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    users: BTreeMap<u64, UserGaps>,
    left_out: u64,
    /// How many kept gaps fit whole milliseconds only, whole seconds, whole minutes.
    seconds_only: u64,
    minutes_only: u64,
    seen: u64,
}

/// What is asked besides the gaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question {
    /// The timeout in force.
    pub in_force: Timeout,
    /// What kind of app it is, when somebody said so.
    pub kind: Option<AppKind>,
    /// Where the drawing of users begins; the same seed gives the same answer.
    pub seed: u64,
}

impl Default for Question {
    fn default() -> Self {
        Question { in_force: Timeout::DEFAULT, kind: None, seed: 1 }
    }
}

impl Sample {
    /// Takes all gaps of one user in order, each user once.
    ///
    /// `hash` is any good hash of the user's name: when there are too many users it decides who is kept.
    pub fn observe(&mut self, hash: u64, gaps: &[Gap]) {
        if self.users.contains_key(&hash) {
            self.left_out += 1;
            return;
        }
        for gap in gaps {
            let micros = gap.length().as_micros();
            self.seen += 1;
            self.seconds_only += u64::from(micros % MICROS_PER_SECOND == 0);
            self.minutes_only += u64::from(micros % (60 * MICROS_PER_SECOND) == 0);
        }
        self.users.insert(hash, keep(gaps));
        if MAX_USERS < self.users.len() {
            self.users.pop_last();
            self.left_out += 1;
        }
    }

    /// Answers, in time proportional to the gaps and a constant (some 15 million steps) for the resamples.
    #[must_use]
    pub fn advise(&self, question: &Question) -> Advice {
        let weighed = self.weigh();
        let total = sum(&weighed.bags, &vec![1.0; weighed.bags.len()]);
        let own_time = grid::density(&total);
        let plain_time = grid::density(&weighed.plain);
        let users = self.users.values().filter(|user| 0 < user.count).count() as u64;
        let gaps = self.users.values().map(|user| user.count).sum();
        let (verdict, convention) = judge::judge(question, (users, gaps), &weighed);
        let density = (0..BINS)
            .map(|bin| DensityPoint {
                log2_secs: (bin as f64 + 0.5) / PER_OCTAVE as f64,
                own_time: own_time[bin],
                plain: plain_time[bin],
            })
            .collect();
        Advice {
            verdict,
            users,
            gaps,
            left_out: self.left_out,
            density,
            convention,
            in_force: question.in_force,
            doubling: self.doubling(question.in_force),
        }
    }

    fn resolution(&self) -> f64 {
        let nearly_all = |some: u64| self.seen * 99 <= some * 100;
        if nearly_all(self.minutes_only) {
            60.0
        } else if nearly_all(self.seconds_only) {
            1.0
        } else {
            0.001
        }
    }

    /// Returns by which share the count of sessions changes when a timeout is doubled.
    fn doubling(&self, in_force: Timeout) -> f64 {
        let twice = Span::from_micros(2 * in_force.as_span().as_micros());
        let (mut before, mut after) = (self.users.len() as f64, self.users.len() as f64);
        for user in self.users.values() {
            let each = user.count as f64 / user.kept.len().max(1) as f64;
            for kept in &user.kept {
                let gap = Span::from_micros(i64::from(kept.millis) * 1000);
                if in_force.is_reached_by(gap) {
                    before += each;
                    after += if twice <= gap { each } else { 0.0 };
                }
            }
        }
        if before == 0.0 { 0.0 } else { after / before - 1.0 }
    }

    fn weigh(&self) -> Weighed {
        let common = CommonDay::learn(self.users.values().map(|user| &user.hours));
        let enough = diligent(self.users.values().map(|user| user.count));
        let clock = self.resolution();
        let mut weighed = Weighed { bags: Vec::new(), plain: vec![0.0; BINS], clock };
        let with_gaps = self.users.values().filter(|user| !user.kept.is_empty());
        for (index, user) in with_gaps.enumerate() {
            let weight = influence(user.count as f64, enough) / user.kept.len() as f64;
            let day = common.of(&user.hours);
            let mut own = [0.0; BINS];
            let mut plain = [0.0; BINS];
            for kept in &user.kept {
                let gap = f64::from(kept.millis) / 1000.0;
                if gap < 1.0 {
                    continue;
                }
                let speed = day.own_time(f64::from(kept.start), gap) / gap;
                let (low, high) = (gap - clock / 2.0, gap + clock / 2.0);
                grid::spread(&mut own, low * speed, high * speed, weight);
                grid::spread(&mut plain, low, high, weight);
            }
            for (total, plain) in weighed.plain.iter_mut().zip(plain) {
                *total += f64::from(plain);
            }
            if index < BAGS {
                weighed.bags.push([0.0; BINS]);
            }
            let bag = &mut weighed.bags[index % BAGS];
            for (total, own) in bag.iter_mut().zip(own) {
                *total += own;
            }
        }
        weighed
    }
}

fn keep(gaps: &[Gap]) -> UserGaps {
    let moments = gaps.first().map(|gap| gap.reach).into_iter().chain(gaps.iter().map(|gap| gap.until));
    let hours = Hours::count(moments.map(Timestamp::as_micros));
    let many = gaps.len().min(MAX_GAPS);
    let kept = (0..many)
        .map(|index| {
            let gap = &gaps[index * gaps.len() / many];
            let start = gap.reach.as_micros().rem_euclid(86_400 * MICROS_PER_SECOND) / MICROS_PER_SECOND;
            let millis = (gap.length().as_micros() / 1000).min(i64::from(u32::MAX));
            Kept { start: start as u32, millis: millis as u32 }
        })
        .collect();
    UserGaps { hours, count: gaps.len() as u64, kept }
}

/// Returns how many gaps a diligent user has: three quarters of users with gaps have no more.
fn diligent(counts: impl Iterator<Item = u64>) -> f64 {
    let mut counts: Vec<u64> = counts.filter(|count| 0 < *count).collect();
    counts.sort_unstable();
    counts.get(counts.len() * 3 / 4).map_or(1.0, |count| *count as f64)
}

/// Returns how much a user with `count` gaps counts: as many gaps as they have, no more than a diligent user has, and
/// less again when they have more than [`TIRELESS`] times what a diligent user has, since nobody does.
fn influence(count: f64, diligent: f64) -> f64 {
    count.min(diligent) * (TIRELESS * diligent / count).min(1.0)
}
