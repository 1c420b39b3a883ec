//! Some users under two timeouts, side by side: what they did, and where their sessions begin and end.

use dwell_core::event::Weight;
use dwell_core::lab::timeouts_reached;
use dwell_core::policy::{Policy, Standing, Version};
use dwell_core::presence::{Ground, Presence, Silence};
use dwell_core::session::{ClosedSession, Sessionizer};
use dwell_core::time::{Span, Timeout, Timestamp};
use serde::Serialize;

use super::SampledActivities;

/// How many users are drawn.
const LANES: usize = 20;

/// A lane shows no more than this much of a user's time, from their first activity on.
pub const LANE_LENGTH: Span = Span::from_hours(7 * 24);

/// One user under both timeouts.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Lane {
    /// The user.
    pub user: String,
    /// When something was done, microseconds since 1970 in UTC.
    pub activities_us: Vec<i64>,
    /// From when to when the app was on the screen, in use.
    pub foreground_us: Vec<(i64, i64)>,
    /// From when to when something played in the background.
    pub playing_us: Vec<(i64, i64)>,
    /// From when to when neither, within a session of the longer of both timeouts.
    pub idle_us: Vec<(i64, i64)>,
    /// Sessions under the first of the compared timeouts, from start to end.
    pub from_us: Vec<(i64, i64)>,
    /// Sessions under the other.
    pub to_us: Vec<(i64, i64)>,
}

impl SampledActivities {
    /// Lets go of what no lane shows, and of all beyond so many activities.
    pub fn keep(&mut self, most: usize) {
        let shown = self.shown().len().min(most);
        self.activities.truncate(shown);
        self.activities.shrink_to_fit();
    }

    fn shown(&self) -> &[dwell_core::event::Activity] {
        let begin = self.activities.first().map_or(Timestamp::MIN, |first| first.happened_at);
        let shown = self.activities.partition_point(|activity| activity.happened_at <= begin.plus(LANE_LENGTH));
        &self.activities[..shown]
    }
}

/// Draws the sampled users whom the change from one timeout to the other changes most, the most changed first.
#[must_use]
pub fn draw(sampled: &[SampledActivities], policy: &Policy, from: Timeout, to: Timeout) -> Vec<Lane> {
    let under = |timeout: Timeout| {
        let one = |version: &Version| Version {
            timeout: Some(timeout),
            platforms: Default::default(),
            audiences: Vec::new(),
            users: Default::default(),
            ..version.clone()
        };
        Policy::from_versions(policy.versions().iter().map(one).collect()).standing_of("", &[], &[])
    };
    let (from_standing, to_standing) = (under(from), under(to));
    let sides = |user: &SampledActivities| [&from_standing, &to_standing].map(|standing| sessions(user, standing));
    // Only those that are shown are drawn: how many sessions there are says who they are.
    let mut changed: Vec<(u64, bool, &SampledActivities)> = sampled
        .iter()
        .map(|user| {
            let [before, after] = sides(user);
            let plays = !shades(user, &from_standing, Timeout::LONGEST).playing_us.is_empty();
            (before.len().abs_diff(after.len()) as u64, plays, user)
        })
        .collect();
    changed.sort_by(|one, other| {
        let key = |(by, plays, user): &(u64, bool, &SampledActivities)| {
            (std::cmp::Reverse(*by), std::cmp::Reverse(*plays), user.user.clone())
        };
        key(one).cmp(&key(other))
    });
    changed.truncate(LANES);
    let lane = |(_, _, user): (u64, bool, &SampledActivities)| {
        let [from_us, to_us] = sides(user);
        Lane { from_us, to_us, ..shades(user, &from_standing, from.max(to)) }
    };
    changed.into_iter().map(lane).collect()
}

/// Returns from when to when each session is.
fn sessions(user: &SampledActivities, standing: &Standing) -> Vec<(i64, i64)> {
    let mut sessionizer = Sessionizer::new(standing);
    let mut sessions: Vec<ClosedSession> =
        user.shown().iter().filter_map(|activity| sessionizer.observe(activity).ended).collect();
    sessions.extend(sessionizer.advance(Timestamp::MAX));
    let ends = |closed: &ClosedSession| (closed.session.started_at.as_micros(), closed.session.ended_at.as_micros());
    sessions.iter().map(ends).collect()
}

/// Finds what the user did between their activities; what no session under `longest` spans is left blank.
fn shades(user: &SampledActivities, standing: &Standing, longest: Timeout) -> Lane {
    let mut lane = Lane {
        user: user.user.clone(),
        activities_us: Vec::new(),
        foreground_us: Vec::new(),
        playing_us: Vec::new(),
        idle_us: Vec::new(),
        from_us: Vec::new(),
        to_us: Vec::new(),
    };
    let mut presence = Presence::default();
    for activity in user.shown() {
        if activity.kind.weight() != Weight::Silent {
            lane.activities_us.push(activity.happened_at.as_micros());
            if let Some(silence) = presence.silence_before(activity.happened_at, standing) {
                lane.shade(&silence, standing, longest);
            }
        }
        presence.observe(activity, standing);
    }
    lane
}

impl Lane {
    fn shade(&mut self, silence: &Silence, standing: &Standing, longest: Timeout) {
        let is_spanned = timeouts_reached(silence, standing) < longest.as_secs();
        match silence.ground {
            Ground::Background => {
                put(&mut self.playing_us, silence.after, silence.began());
                if is_spanned {
                    put(&mut self.idle_us, silence.began(), silence.until);
                }
            }
            Ground::Foreground if is_spanned => {
                let idle_after = standing.rules_at(silence.began()).idle_after;
                let until = silence.began().plus(idle_after).min(silence.until);
                put(&mut self.foreground_us, silence.after, until);
                put(&mut self.idle_us, until, silence.until);
            }
            Ground::Foreground => {}
        }
    }
}

/// Appends a stretch, if it is one; one that touches the last is put on to it.
fn put(stretches: &mut Vec<(i64, i64)>, from: Timestamp, to: Timestamp) {
    let (from, to) = (from.as_micros(), to.as_micros());
    match stretches.last_mut() {
        _ if to <= from => {}
        Some(last) if last.1 == from => last.1 = to,
        _ => stretches.push((from, to)),
    }
}
