//! Advice about the timeout: good where it speaks, silent where there is nothing to say.
//!
//! The figures that docs/decisions/005-advice.md gives are printed by
//! `cargo test -p dwell-core --test advice -- --nocapture figures`.

#[path = "advice/edges.rs"]
mod edges;
#[path = "advice/figures.rs"]
mod figures;
#[path = "advice/fits.rs"]
mod fits;
#[path = "advice/people.rs"]
mod people;
#[path = "advice/silence.rs"]
mod silence;

use dwell_core::lab::advice::{Advice, Question, Sample, Verdict};
use people::User;

/// Puts users in, each under a hash, and asks.
fn advise(users: &[User], question: &Question) -> Advice {
    sample(users).advise(question)
}

fn sample(users: &[User]) -> Sample {
    let mut sample = Sample::default();
    for (index, user) in users.iter().enumerate() {
        sample.observe(hash(index), &user.gaps());
    }
    sample
}

fn hash(index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The advised timeout in seconds, where there is one.
fn advised(advice: &Advice) -> Option<f64> {
    match advice.verdict {
        Verdict::Advises { timeout, .. } => Some(f64::from(timeout.as_secs())),
        Verdict::Refuses(_) => None,
    }
}
