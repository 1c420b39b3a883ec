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
//! 4. [`resample`] asks again of users drawn anew; a valley that is not found again and again is none.

pub mod day;
pub mod grid;
pub mod resample;
pub mod valley;
pub mod words;

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use crate::presence::{Judge, Silence};
use crate::time::{MICROS_PER_SECOND, Span, Timeout, Timestamp};
use day::{CommonDay, Hours};
use grid::{BINS, PER_OCTAVE, Weights};
use resample::{BAGS, sum};
use valley::{Search, Valley};

/// The most users that are kept: those with the smallest hashes, so that the order of observing changes nothing.
pub const MAX_USERS: usize = 20_000;
/// The most gaps that are kept of one user: evenly from first to last.
pub const MAX_GAPS: usize = 500;
/// With fewer users than this nothing is advised.
pub const USERS_NEEDED: u64 = 30;
/// With fewer gaps than this nothing is advised.
pub const GAPS_NEEDED: u64 = 500;
/// A valley must lie this far below the lower of its hills.
pub const DEPTH_NEEDED: f64 = 0.25;
/// So many of the resamples must find it that deep.
pub const SHARE_NEEDED: f64 = 0.9;
/// The upper end of the interval may be so many times the lower.
pub const WIDEST: f64 = 4.0;
/// From so many times the gaps of a diligent user on a user counts the less the more they have: it is a machine.
pub const TIRELESS: f64 = 4.0;
/// Each of the two hills must have gaps of so many users.
pub const SUPPORT_NEEDED: u64 = 20;
/// Beyond a valley between visits so much of the weight may lie sixteen times and more beyond its middle.
///
/// Bursts inside of a visit have valleys of their own, often deeper than that between visits. What lies beyond such
/// a valley is a mixture: pauses inside of visits, and among them the far longer gaps between visits. What lies
/// beyond the valley between visits are returns of one kind, and few of them take sixteen times as long as usual.
pub const OUTLYING_ALLOWED: f64 = 0.05;
/// From here on a valley may be the night's doing, and is not advised.
///
/// Waking time takes the night away from people who come all day long. It cannot take it from those who come for an
/// hour a day and then no more: between this hour's gaps and the next day's lies a valley, whatever a visit is.
pub const NIGHT: Span = Span::from_hours(3);
/// How much of the difference between short and long gaps must lie within users, not between them.
pub const WITHIN_NEEDED: f64 = 0.25;

/// What kind of app it is: what is usual there, for choosing between valleys about as deep. It never makes a valley.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppKind {
    /// Feeds and talk.
    Social,
    /// Music and films.
    Media,
    /// Articles and books.
    Reading,
    /// Games.
    Game,
    /// Shops.
    Shop,
}

/// How many times shorter or longer than usual a timeout may be and still be found when the kind is known.
const REACH_OF_KIND: f64 = 16.0;

impl AppKind {
    /// All kinds.
    pub const ALL: [AppKind; 5] = [AppKind::Social, AppKind::Media, AppKind::Reading, AppKind::Game, AppKind::Shop];

    /// Returns the word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            AppKind::Social => "social",
            AppKind::Media => "media",
            AppKind::Reading => "reading",
            AppKind::Game => "game",
            AppKind::Shop => "shop",
        }
    }

    /// Finds the kind for a word; `None` for a word that is none.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        AppKind::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Returns the timeout that is usual for it.
    #[must_use]
    pub const fn usual_timeout(self) -> Timeout {
        let secs = match self {
            AppKind::Social | AppKind::Game => 5 * 60,
            AppKind::Shop => 20 * 60,
            AppKind::Media | AppKind::Reading => 30 * 60,
        };
        match Timeout::from_secs(secs) {
            Ok(timeout) => timeout,
            Err(_) => Timeout::DEFAULT,
        }
    }

    fn usual(self) -> f64 {
        f64::from(self.usual_timeout().as_secs())
    }
}

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

/// What was found.
#[derive(Clone, PartialEq, Debug)]
pub struct Advice {
    /// The answer.
    pub verdict: Verdict,
    /// Users with a gap, of those that were kept.
    pub users: u64,
    /// Their gaps.
    pub gaps: u64,
    /// Users that were left out because [`MAX_USERS`] others were kept.
    pub left_out: u64,
    /// For drawing.
    pub density: Vec<DensityPoint>,
    /// Between these two the gaps do not choose: the interval of the advice, the range between the two hills of a
    /// valley that is too shallow, or, without a valley, where all but the shortest and longest twentieth of gaps lie.
    pub convention: (Timeout, Timeout),
    /// The timeout in force.
    pub in_force: Timeout,
    /// By which share the count of sessions changes when the timeout in force is doubled; never positive.
    pub doubling: f64,
}

/// A point of the picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DensityPoint {
    /// The logarithm of the gap: 0 is a second, 1 two seconds, 12 a little over an hour.
    pub log2_secs: f64,
    /// How much lies here, to one octave, in users' own waking time: what the advice is about.
    pub own_time: f64,
    /// How much lies here by the clock.
    pub plain: f64,
}

/// The answer.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// There is a valley.
    Advises {
        /// The timeout, round where the interval allows it.
        timeout: Timeout,
        /// The lower end of the interval: nineteen in twenty resamples found it at least here.
        low: Timeout,
        /// The upper end.
        high: Timeout,
        /// How far the valley lies below the lower hill beside it, from nought to one.
        depth: f64,
    },
    /// There is none, or it is not certain enough.
    Refuses(Refusal),
}

/// Why nothing is advised.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Refusal {
    /// Too few people to speak for the others.
    TooFewUsers {
        /// There are so many.
        users: u64,
        /// There should be so many.
        needed: u64,
    },
    /// Too few gaps.
    TooFewGaps {
        /// There are so many.
        gaps: u64,
        /// There should be so many.
        needed: u64,
    },
    /// One hill only.
    NoValley,
    /// A dent, not a valley.
    Shallow {
        /// It is so deep.
        depth: f64,
        /// It should be so deep.
        needed: f64,
    },
    /// Other users would say otherwise.
    Unsteady {
        /// So many of the resamples find it.
        share: f64,
        /// So many should.
        needed: f64,
    },
    /// Somewhere in here, but where is open.
    Wide {
        /// The lower end of the interval.
        low: Timeout,
        /// The upper end.
        high: Timeout,
    },
    /// It parts bursts, or visits and something longer: what lies beyond it is no hill of one kind.
    Nested {
        /// The valley.
        at: Timeout,
        /// So much of the weight beyond it lies sixteen times and more beyond its middle.
        outlying: f64,
        /// So much may.
        allowed: f64,
    },
    /// There are several, and nobody said what kind of app it is.
    Several {
        /// The first.
        first: Timeout,
        /// The last.
        last: Timeout,
    },
    /// It lies so late that it may be no more than the night between one day's doings and the next day's.
    Night {
        /// The valley.
        at: Timeout,
    },
    /// A hill is the work of a few.
    Thin {
        /// So many users have gaps there; many users are counted in at most 400 bags.
        users: u64,
        /// So many should.
        needed: u64,
    },
    /// Some users have short gaps and others long ones: two crowds, not visits.
    TwoCrowds {
        /// So much of the difference lies within users.
        within: f64,
        /// So much should.
        needed: f64,
    },
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

    /// Answers, in time proportional to the gaps and a constant (some 10 million steps) for the resamples.
    #[must_use]
    pub fn advise(&self, question: &Question) -> Advice {
        let weighed = self.weigh();
        let total = sum(&weighed.bags, &vec![1.0; weighed.bags.len()]);
        let own_time = grid::density(&total);
        let plain_time = grid::density(&weighed.plain);
        let users = self.users.values().filter(|user| 0 < user.count).count() as u64;
        let gaps = self.users.values().map(|user| user.count).sum();
        let (verdict, convention) = self.judge(question, (users, gaps), &weighed);
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

    fn judge(&self, question: &Question, counts: (u64, u64), weighed: &Weighed) -> (Verdict, (Timeout, Timeout)) {
        let middle = middle(&weighed.plain);
        let refuse = |refusal, convention| (Verdict::Refuses(refusal), convention);
        let (users, gaps) = counts;
        if users < USERS_NEEDED {
            return refuse(Refusal::TooFewUsers { users, needed: USERS_NEEDED }, middle);
        }
        if gaps < GAPS_NEEDED {
            return refuse(Refusal::TooFewGaps { gaps, needed: GAPS_NEEDED }, middle);
        }
        let search = self.search(question);
        let valley = match one_valley(weighed, search, question.kind) {
            Ok(valley) => valley,
            Err(refusal) => return refuse(refusal, middle),
        };
        let hills = (seconds_of(valley.hills.0 as f64), seconds_of(valley.hills.1 as f64));
        if let Some(refusal) = doubt(weighed, valley, question.kind) {
            return refuse(refusal, hills);
        }
        let again = resample::resample(&weighed.bags, search, valley.at, question.seed);
        let deep = again.iter().flatten().filter(|again| DEPTH_NEEDED <= again.depth);
        let mut places: Vec<f64> = deep.map(|again| again.at).collect();
        let share = places.len() as f64 / again.len() as f64;
        if share < SHARE_NEEDED {
            return refuse(Refusal::Unsteady { share, needed: SHARE_NEEDED }, hills);
        }
        places.sort_by(f64::total_cmp);
        // The scale has bins, so nothing is known more exactly than to half of one.
        let low = places[places.len() / 20].min(valley.at) - 0.5;
        let high = places[places.len() - 1 - places.len() / 20].max(valley.at) + 0.5;
        let interval = (seconds_of(low), seconds_of(high));
        if WIDEST * grid::seconds(low) < grid::seconds(high) {
            return refuse(Refusal::Wide { low: interval.0, high: interval.1 }, interval);
        }
        let timeout = words::round(seconds_of(valley.at), interval.0, interval.1);
        (Verdict::Advises { timeout, low: interval.0, high: interval.1, depth: valley.depth }, interval)
    }

    fn search(&self, question: &Question) -> Search {
        let clock = self.resolution();
        let (mut shortest, mut longest) =
            (f64::from(Timeout::SHORTEST.as_secs()), f64::from(Timeout::LONGEST.as_secs()));
        shortest = shortest.max(4.0 * clock);
        if let Some(kind) = question.kind {
            shortest = shortest.max(kind.usual() / REACH_OF_KIND);
            longest = longest.min(kind.usual() * REACH_OF_KIND);
        }
        Search { shortest, longest }
    }

    /// Returns the seconds to which the clock of the log is exact.
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
        let mut weighed = Weighed { bags: Vec::new(), plain: vec![0.0; BINS] };
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

/// The gaps on the scale.
struct Weighed {
    /// In users' own time, by bag of users.
    bags: Vec<Weights>,
    /// By the clock, all users together.
    plain: Vec<f64>,
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

/// Returns the one valley that there is, or the one nearest to what is usual for the kind of app.
fn one_valley(weighed: &Weighed, search: Search, kind: Option<AppKind>) -> Result<Valley, Refusal> {
    let density = grid::density(&sum(&weighed.bags, &vec![1.0; weighed.bags.len()]));
    let found = search.find(&density);
    let support =
        |valley: &Valley| supporters(&weighed.bags, valley.hills.0).min(supporters(&weighed.bags, valley.hills.1));
    let held: Vec<Valley> = found.iter().copied().filter(|valley| SUPPORT_NEEDED <= support(valley)).collect();
    match (held.as_slice(), kind) {
        ([], _) => match found.iter().map(support).max() {
            Some(users) => Err(Refusal::Thin { users, needed: SUPPORT_NEEDED }),
            None => Err(Refusal::NoValley),
        },
        ([valley], _) => Ok(*valley),
        ([first, .., last], None) => Err(Refusal::Several { first: seconds_of(first.at), last: seconds_of(last.at) }),
        (several, Some(kind)) => valley::nearest(several, grid::place(kind.usual())).ok_or(Refusal::NoValley),
    }
}

/// Returns why a valley is none between visits, if anything speaks against it.
fn doubt(weighed: &Weighed, valley: Valley, kind: Option<AppKind>) -> Option<Refusal> {
    let at = seconds_of(valley.at);
    if valley.depth < DEPTH_NEEDED {
        return Some(Refusal::Shallow { depth: valley.depth, needed: DEPTH_NEEDED });
    }
    let within = within_users(&weighed.bags, valley);
    if within < WITHIN_NEEDED {
        return Some(Refusal::TwoCrowds { within, needed: WITHIN_NEEDED });
    }
    if kind.is_none() && OUTLYING_ALLOWED < valley.outlying {
        return Some(Refusal::Nested { at, outlying: valley.outlying, allowed: OUTLYING_ALLOWED });
    }
    if NIGHT <= at.as_span() {
        return Some(Refusal::Night { at });
    }
    None
}

/// Returns in how many bags gaps lie around the top of a hill, half an octave to either side.
fn supporters(bags: &[Weights], hill: usize) -> u64 {
    let around = hill.saturating_sub(PER_OCTAVE / 2)..(hill + PER_OCTAVE / 2).min(BINS);
    bags.iter().filter(|bag| bag[around.clone()].iter().any(|weight| 0.0 < *weight)).count() as u64
}

/// Returns how much of the difference between short and long gaps lies within users: 1 when all users have the same
/// share of long gaps, 0 when each has only gaps of one kind.
fn within_users(bags: &[Weights], valley: Valley) -> f64 {
    let (mut all, mut long, mut within) = (0.0, 0.0, 0.0);
    for bag in bags {
        let weight: f64 = bag.iter().map(|weight| f64::from(*weight)).sum();
        let beyond: f64 = bag[valley.at as usize..].iter().map(|weight| f64::from(*weight)).sum();
        if 0.0 < weight {
            all += weight;
            long += beyond;
            within += beyond * (1.0 - beyond / weight);
        }
    }
    within / (long * (1.0 - long / all)).max(f64::MIN_POSITIVE)
}

/// Returns the timeout at a place on the scale.
fn seconds_of(bin: f64) -> Timeout {
    let seconds = libm::round(grid::seconds(bin)).clamp(1.0, f64::from(Timeout::LONGEST.as_secs()));
    Timeout::from_secs(seconds as u64).unwrap_or(Timeout::DEFAULT)
}

/// Returns where all but the shortest and longest twentieth of the weight lies.
fn middle(weights: &[f64]) -> (Timeout, Timeout) {
    let total: f64 = weights.iter().sum();
    let at = |share: f64| {
        let mut sum = 0.0;
        let bin = weights.iter().position(|weight| {
            sum += weight;
            share * total < sum
        });
        seconds_of(bin.unwrap_or(0) as f64)
    };
    (at(0.05), at(0.95))
}
