//! A log that lies in order of users is swept as it is read: nothing is put aside.
//!
//! By the least and the greatest user of each row group its files promise that order, and the first and the last
//! moment. All of it is checked on the way: whoever is met twice, or out of order, ends the sweep with
//! [`SweepError::NotAsPromised`], as does all else that this way cannot do. Then the events must be put aside by user.

mod border;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use dwell_core::time::Timestamp;

use crate::batch::{EventBatch, Users};
use crate::read::{ParquetFile, Rejection, RejectionSink};
use crate::shuffle::users::Stretch;
use crate::sweep::{Events, SweepError, User, Visitor, on_threads, sort_nearly_sorted};
use border::{Borders, Fragment, Right};

/// Row groups that promise to lie in order of users.
#[derive(Debug)]
pub struct InOrder<'i> {
    parts: Vec<Part<'i>>,
    rows: u64,
    time_range: (i64, i64),
}

/// One row group, and what it promises.
#[derive(Debug)]
struct Part<'i> {
    file: &'i ParquetFile,
    group: usize,
    stretch: Stretch,
}

impl<'i> InOrder<'i> {
    /// Puts the row groups of all files in order of their users; `None` when they do not promise to have such an order,
    /// or when more is known of events than who and when.
    pub(crate) fn of(files: &[&'i ParquetFile]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut time_range = (i64::MAX, i64::MIN);
        for file in files {
            let (first, last) = file.time_range()?;
            time_range = (time_range.0.min(first.as_micros()), time_range.1.max(last.as_micros()));
            let stretches = file.stretches()?.into_iter().enumerate();
            parts.extend(stretches.map(|(group, stretch)| Part { file, group, stretch }));
        }
        parts.sort_by(|one, other| {
            let (one, other) = (&one.stretch, &other.stretch);
            one.least.cmp(&other.least).then_with(|| one.most.cmp(&other.most))
        });
        let overlap = |pair: &[Part<'_>]| pair[1].stretch.least < pair[0].stretch.most;
        // One row group alone promises nothing.
        if parts.len() < 2 || parts.windows(2).any(overlap) || !files.iter().all(|file| file.says_who_and_when_only()) {
            return None;
        }
        let rows = parts.iter().map(|part| part.stretch.events).sum();
        Some(InOrder { parts, rows, time_range })
    }

    /// Returns how many events there are.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Returns the earliest and the latest moment of all events, microseconds since 1970 in UTC.
    #[must_use]
    pub const fn time_range(&self) -> (i64, i64) {
        self.time_range
    }

    /// Shows all users to the visitors, one visitor on each thread, and returns them. `progress` hears how many events
    /// have been read.
    pub(crate) fn sweep<V: Visitor>(
        &self,
        visitors: Vec<V>,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<V>, SweepError<V::Error>> {
        let sweep = Sweep {
            parts: &self.parts,
            next: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            borders: Borders::new(self.parts.len()),
            steps: AtomicU64::new(0),
            progress,
        };
        let walks = on_threads(visitors, |visitor| Walk::new(&sweep, visitor).walk())?;
        let (mut rows, mut range) = (0, (i64::MAX, i64::MIN));
        for walk in &walks {
            rows += walk.rows;
            range = (range.0.min(walk.range.0), range.1.max(walk.range.1));
        }
        if rows != self.rows || range != self.time_range {
            return Err(SweepError::NotAsPromised);
        }
        Ok(walks.into_iter().map(|walk| walk.visitor).collect())
    }
}

/// What all threads of a sweep share.
struct Sweep<'s> {
    parts: &'s [Part<'s>],
    next: AtomicUsize,
    stop: AtomicBool,
    borders: Borders,
    steps: AtomicU64,
    progress: &'s (dyn Fn(u64) + Sync),
}

/// A thread on its way through parts.
struct Walk<'s, V> {
    sweep: &'s Sweep<'s>,
    visitor: V,
    /// Who is being read, and how many users of the part have begun, this one included.
    user: Fragment,
    users: u64,
    late: Vec<Timestamp>,
    rows: u64,
    range: (i64, i64),
}

/// Refused rows cannot be told here: they would be told again when the log is read in the other way.
struct NoneRefused;

impl RejectionSink for NoneRefused {
    fn reject(&mut self, _: Rejection) -> ControlFlow<()> {
        ControlFlow::Break(())
    }
}

impl<'s, V: Visitor> Walk<'s, V> {
    fn new(sweep: &'s Sweep<'s>, visitor: V) -> Self {
        let range = (i64::MAX, i64::MIN);
        Walk { sweep, visitor, user: Fragment::default(), users: 0, late: Vec::new(), rows: 0, range }
    }

    fn walk(mut self) -> Result<Self, SweepError<V::Error>> {
        while !self.sweep.stop.load(Ordering::Relaxed) {
            let number = self.sweep.next.fetch_add(1, Ordering::Relaxed);
            let Some(part) = self.sweep.parts.get(number) else { break };
            if let Err(error) = self.part(number, part) {
                self.sweep.stop.store(true, Ordering::Relaxed);
                self.visitor.give_up();
                return Err(error);
            }
        }
        Ok(self)
    }

    fn part(&mut self, number: usize, part: &Part<'_>) -> Result<(), SweepError<V::Error>> {
        let mut stopped = None;
        let read = part.file.read_row_group(part.group, &mut NoneRefused, |batch| match self.batch(number, &batch) {
            Ok(()) if self.sweep.stop.load(Ordering::Relaxed) => ControlFlow::Break(()),
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Some(error);
                ControlFlow::Break(())
            }
        });
        // What is wrong with the file is found again in the other way, and told there.
        match (stopped, read) {
            (Some(error), _) => Err(error),
            (None, Err(_)) => Err(SweepError::NotAsPromised),
            (None, Ok(_)) if self.sweep.stop.load(Ordering::Relaxed) => Ok(()),
            (None, Ok(_)) => self.end_part(number),
        }
    }

    fn batch(&mut self, part: usize, batch: &EventBatch) -> Result<(), SweepError<V::Error>> {
        if batch.details.is_some() {
            return Err(SweepError::NotAsPromised);
        }
        self.range = (self.range.0.min(batch.range.0), self.range.1.max(batch.range.1));
        self.rows += batch.len() as u64;
        let steps = self.sweep.steps.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64;
        (self.sweep.progress)(steps);
        let moments = &batch.happened_at;
        match &batch.users {
            Users::Plain(ids) => self.runs(part, moments, |row| ids.value(row), |row| ids.value(row)),
            Users::Dictionary { values, keys } => {
                self.runs(part, moments, |row| keys[row], |row| values.value(keys[row] as usize))
            }
        }
    }

    /// Takes events of one user after the other: rows that follow one another under one key.
    fn runs<'b, K: PartialEq>(
        &mut self,
        part: usize,
        moments: &[i64],
        key: impl Fn(usize) -> K,
        id: impl Fn(usize) -> &'b str,
    ) -> Result<(), SweepError<V::Error>> {
        let mut from = 0;
        while from < moments.len() {
            let of_user = key(from);
            let to = (from + 1..moments.len()).find(|row| key(*row) != of_user).unwrap_or(moments.len());
            self.run(part, id(from), &moments[from..to])?;
            from = to;
        }
        Ok(())
    }

    fn run(&mut self, part: usize, id: &str, moments: &[i64]) -> Result<(), SweepError<V::Error>> {
        match self.user.id.as_str().cmp(id) {
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Less => {
                self.end_user(part)?;
                self.user.id.push_str(id);
                self.users += 1;
            }
            std::cmp::Ordering::Greater => return Err(SweepError::NotAsPromised),
        }
        self.user.moments.extend(moments.iter().map(|at| Timestamp::from_micros(*at)));
        Ok(())
    }

    /// Shows the user whose events have all been read; the first of a part may have some in the part before.
    fn end_user(&mut self, part: usize) -> Result<(), SweepError<V::Error>> {
        if self.users == 1 {
            let right = Right::Head(std::mem::take(&mut self.user));
            return self.meet(part, self.sweep.borders.put_right(part, right));
        }
        show(&mut self.user, &mut self.late, &mut self.visitor);
        self.user.clear();
        Ok(())
    }

    fn end_part(&mut self, number: usize) -> Result<(), SweepError<V::Error>> {
        let last = std::mem::take(&mut self.user);
        let users = std::mem::take(&mut self.users);
        if users == 0 {
            return Err(SweepError::NotAsPromised);
        }
        if users == 1 {
            return self.meet(number, self.sweep.borders.put_right(number, Right::Whole(last)));
        }
        self.visitor.end_stretch(within(number)).map_err(SweepError::Visitor)?;
        self.meet(number + 1, self.sweep.borders.put_left(number + 1, last))
    }

    /// Shows who stands on a border, now that both sides of it are known; where a part is nobody else's, the next one too.
    fn meet(&mut self, border: usize, sides: Option<(Fragment, Right)>) -> Result<(), SweepError<V::Error>> {
        let (mut border, mut sides) = (border, sides);
        while let Some((mut left, right)) = sides.take() {
            let (mut right, is_whole) = match right {
                Right::Head(right) => (right, false),
                Right::Whole(right) => (right, true),
            };
            if left.id == right.id {
                left.moments.append(&mut right.moments);
                right = std::mem::take(&mut left);
            } else if right.id < left.id && !right.id.is_empty() {
                return Err(SweepError::NotAsPromised);
            }
            show(&mut left, &mut self.late, &mut self.visitor);
            if !is_whole {
                show(&mut right, &mut self.late, &mut self.visitor);
            }
            self.visitor.end_stretch(at_border(border)).map_err(SweepError::Visitor)?;
            if is_whole {
                self.visitor.end_stretch(within(border)).map_err(SweepError::Visitor)?;
                border += 1;
                sides = self.sweep.borders.put_left(border, right);
            }
        }
        Ok(())
    }
}

/// Returns the number of the stretch of those who stand between a part and the one before it.
const fn at_border(part: usize) -> usize {
    2 * part
}

/// Returns the number of the stretch of those who lie within a part.
const fn within(part: usize) -> usize {
    2 * part + 1
}

/// Shows a user, unless it is nobody.
fn show(user: &mut Fragment, late: &mut Vec<Timestamp>, visitor: &mut impl Visitor) {
    if user.moments.is_empty() {
        return;
    }
    if !user.moments.is_sorted() {
        sort_nearly_sorted(&mut user.moments, late);
    }
    visitor.user(&User { id: &user.id, events: Events::Actions(&user.moments) });
}

#[cfg(test)]
mod tests;
