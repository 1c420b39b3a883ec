//! The exact curve, small enough to travel inside the page.

use serde::Serialize;

use crate::report::Report;

/// The letters of base 64, as in the VLQ of source maps.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// F1 is kept in parts of this.
const F1_PARTS: f64 = 1e5;

/// What the script reads. Series are differences from one second to the next, in VLQ; a difference of zero is followed
/// by how many more follow it.
#[derive(Serialize)]
struct Embedded {
    from_s: u32,
    to_s: u32,
    sessions: String,
    /// The length of all sessions together under one second. It may be more than a script counts in plain numbers,
    /// and so it is written in digits.
    start_us: String,
    /// How much the length of all sessions together grows from T to T + 1 seconds, less T seconds for each session
    /// that is joined: what remains is small.
    growth: String,
    milestones: Vec<EmbeddedMilestone>,
    f1: Option<String>,
    gaps: Vec<(f64, f64, u64)>,
}

#[derive(Serialize)]
struct EmbeddedMilestone {
    number: u32,
    users: String,
}

/// Returns the curve as JSON that may stand inside a script element: nothing in it can end the element.
#[must_use]
pub fn curve(report: &Report) -> String {
    let curve = &report.curve;
    let embedded = Embedded {
        from_s: report.compared.from.timeout_s,
        to_s: report.compared.to.timeout_s,
        sessions: series(curve.sessions.iter().map(|number| *number as i64)),
        start_us: curve.total_length_us.first().copied().unwrap_or(0).to_string(),
        growth: vlq(growth(&curve.sessions, &curve.total_length_us)),
        milestones: curve
            .milestones
            .iter()
            .map(|one| EmbeddedMilestone {
                number: one.number,
                users: series(one.users.iter().map(|users| *users as i64)),
            })
            .collect(),
        f1: curve.f1.as_ref().map(|f1| series(f1.iter().map(|f1| (f1 * F1_PARTS).round() as i64))),
        gaps: report.gaps.iter().map(|bin| (bin.from_s, bin.to_s, bin.gaps)).collect(),
    };
    // Plain numbers and strings always serialize.
    serde_json::to_string(&embedded).unwrap_or_else(|_| "null".to_owned()).replace('<', "\\u003c")
}

fn series(values: impl Iterator<Item = i64>) -> String {
    let mut last = 0;
    vlq(values.map(|value| {
        let difference = value - last;
        last = value;
        difference
    }))
}

fn growth(sessions: &[u64], total_length_us: &[i64]) -> impl Iterator<Item = i64> {
    let mut last = (sessions.first().copied().unwrap_or(0) as i64, total_length_us.first().copied().unwrap_or(0));
    sessions.iter().zip(total_length_us).enumerate().map(move |(timeout, (sessions, total))| {
        let joined = last.0 - *sessions as i64;
        let rest = (total - last.1).saturating_sub(joined.saturating_mul(timeout as i64 * 1_000_000));
        last = (*sessions as i64, *total);
        rest
    })
}

fn vlq(numbers: impl Iterator<Item = i64>) -> String {
    let mut text = String::new();
    let mut zeros: u64 = 0;
    for number in numbers {
        if number == 0 {
            zeros += 1;
            continue;
        }
        write_zeros(&mut text, &mut zeros);
        write_number(&mut text, number);
    }
    write_zeros(&mut text, &mut zeros);
    text
}

fn write_zeros(text: &mut String, zeros: &mut u64) {
    if 0 < *zeros {
        write_number(text, 0);
        write_number(text, (*zeros - 1) as i64);
        *zeros = 0;
    }
}

/// Writes a number by fives of bits, the lowest first; the lowest bit of all is the sign.
fn write_number(text: &mut String, number: i64) {
    let mut bits = u128::from(number.unsigned_abs()) << 1 | u128::from(number < 0);
    loop {
        let five = (bits & 31) as usize;
        bits >>= 5;
        let more = if bits == 0 { 0 } else { 32 };
        text.push(char::from(LETTERS[five | more]));
        if bits == 0 {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_source_maps() {
        let written = |number| {
            let mut text = String::new();
            write_number(&mut text, number);
            text
        };
        assert_eq!([0, 1, -1, 15, 16, -16, 1000].map(written), ["A", "C", "D", "e", "gB", "hB", "w+B"]);
    }

    #[test]
    fn a_run_of_zeros_is_one_zero_and_how_many_follow() {
        assert_eq!(vlq([5, 0, 0, 0, -1].into_iter()), "KAED");
        assert_eq!(vlq([0].into_iter()), "AA");
    }

    #[test]
    fn growth_is_what_joined_gaps_do_not_explain() {
        // A gap of 1.25 s joins two sessions from a timeout of 2 s on.
        let rest: Vec<i64> = growth(&[10, 9, 9], &[500, 1_250_500, 1_250_500]).collect();
        assert_eq!(rest, [0, 250_000, 0]);
    }
}
