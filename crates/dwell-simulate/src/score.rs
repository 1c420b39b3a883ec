//! How well somebody found the true visits: boundary precision, recall and F1.

/// Counts of boundaries between two successive events of a user, in order of (`happened_at`, `message_id`).
///
/// The first event of a user is no boundary: everybody finds that one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Boundaries {
    /// Found, and there.
    pub found: u64,
    /// Found, and not there: a visit was cut in two.
    pub invented: u64,
    /// There, and not found: two visits were taken for one.
    pub missed: u64,
}

impl Boundaries {
    /// Takes two successive events of a user: the true visits they belong to, and the sessions they were put into.
    pub const fn observe(&mut self, visits: [u64; 2], sessions: [u64; 2]) {
        match (visits[0] != visits[1], sessions[0] != sessions[1]) {
            (true, true) => self.found += 1,
            (false, true) => self.invented += 1,
            (true, false) => self.missed += 1,
            (false, false) => {}
        }
    }

    /// Returns how many of the boundaries found are there; 1 when none was found.
    #[must_use]
    pub fn precision(&self) -> f64 {
        share(self.found, self.found + self.invented)
    }

    /// Returns how many of the boundaries that are there were found; 1 when there is none.
    #[must_use]
    pub fn recall(&self) -> f64 {
        share(self.found, self.found + self.missed)
    }

    /// Returns the harmonic mean of precision and recall; 1 when there was nothing to find and nothing was found.
    #[must_use]
    pub fn f1(&self) -> f64 {
        share(2 * self.found, 2 * self.found + self.invented + self.missed)
    }
}

/// Returns the boundaries found by every timeout of whole seconds from 1 to `most_seconds`, in order.
///
/// Takes every gap between two successive events of a user, in microseconds, and whether it truly parts two visits.
/// A gap exactly as long as the timeout is a boundary.
#[must_use]
pub fn boundaries_of_timeouts(gaps: impl Iterator<Item = (i64, Gap)>, most_seconds: u32) -> Vec<Boundaries> {
    let longest = most_seconds as usize;
    // What would be found and invented by a timeout, if no longer one did.
    let (mut parting, mut joining) = (vec![0_u64; longest + 1], vec![0_u64; longest + 1]);
    let mut there = 0;
    for (micros, gap) in gaps {
        let seconds = ((micros.max(0) / 1_000_000) as usize).min(longest);
        match gap {
            Gap::Parts => {
                there += 1;
                parting[seconds] += 1;
            }
            Gap::Joins => joining[seconds] += 1,
        }
    }
    let mut all = vec![Boundaries::default(); longest];
    let (mut found, mut invented) = (0, 0);
    for seconds in (1..=longest).rev() {
        found += parting[seconds];
        invented += joining[seconds];
        all[seconds - 1] = Boundaries { found, invented, missed: there - found };
    }
    all
}

/// Whether the person truly was away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gap {
    /// Between two visits.
    Parts,
    /// Inside a visit.
    Joins,
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_exactly_as_long_as_the_timeout_is_found() {
        let gaps = [(10_000_000, Gap::Parts), (9_999_999, Gap::Joins), (500_000, Gap::Joins), (20_000_000, Gap::Parts)];
        let all = boundaries_of_timeouts(gaps.into_iter(), 12);
        let of = |found, invented, missed| Boundaries { found, invented, missed };
        assert_eq!(all[0], of(2, 1, 0));
        assert_eq!(all[8], of(2, 1, 0));
        assert_eq!(all[9], of(2, 0, 0));
        assert_eq!(all[10], of(1, 0, 1));
        assert_eq!(all.len(), 12);
    }

    #[test]
    fn the_shares_are_those_of_the_textbook() {
        let mut boundaries = Boundaries::default();
        for (visits, sessions) in
            [([1, 1], [1, 1]), ([1, 2], [1, 2]), ([2, 2], [2, 3]), ([2, 3], [3, 3]), ([3, 4], [3, 4])]
        {
            boundaries.observe(visits, sessions);
        }
        assert_eq!(boundaries, Boundaries { found: 2, invented: 1, missed: 1 });
        assert_eq!(boundaries.precision(), 2.0 / 3.0);
        assert_eq!(boundaries.recall(), 2.0 / 3.0);
        assert_eq!(boundaries.f1(), 2.0 / 3.0);
        assert_eq!(Boundaries::default().f1(), 1.0);
    }
}
