//! What a client is told: JSON that its SDK tolerates, with the fate of each message for people who look.
//!
//! No SDK reads the body of a success; several refuse one that is not JSON. Two read `code` and `message` of a failure.

use serde::Serialize;

use crate::rejection::Rejection;

/// How many rejections an answer describes; those beyond are only counted.
pub const MOST_DESCRIBED: usize = 100;

/// What became of the messages of one body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fates<'a> {
    /// How many events were accepted.
    pub accepted: usize,
    /// Which messages were known already, counted from 0.
    pub duplicates: &'a [u32],
    /// Which were refused, and why.
    pub rejections: &'a [Rejection],
}

#[derive(Serialize)]
struct Success<'a> {
    success: bool,
    received: usize,
    accepted: usize,
    duplicate: usize,
    rejected: usize,
    #[serde(skip_serializing_if = "<[u32]>::is_empty")]
    duplicates: &'a [u32],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejections: Vec<Described>,
    #[serde(skip_serializing_if = "is_nothing")]
    rejections_left_out: usize,
}

#[derive(Serialize)]
struct Described {
    index: Option<u32>,
    reason: &'static str,
    field: Option<&'static str>,
    message: String,
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    code: &'static str,
    message: &'a str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_nothing(count: &usize) -> bool {
    *count == 0
}

/// Writes the answer to a body that was read. Every message that is in neither list was accepted.
///
/// It says `success` even when all messages were refused: sending them again would not mend them.
#[must_use]
pub fn success(fates: &Fates<'_>) -> Vec<u8> {
    let described = fates.rejections.iter().take(MOST_DESCRIBED);
    written(&Success {
        success: true,
        received: fates.accepted + fates.duplicates.len() + fates.rejections.len(),
        accepted: fates.accepted,
        duplicate: fates.duplicates.len(),
        rejected: fates.rejections.len(),
        duplicates: fates.duplicates,
        rejections: described.map(described_as).collect(),
        rejections_left_out: fates.rejections.len().saturating_sub(MOST_DESCRIBED),
    })
}

/// Writes the answer to a body that was refused as a whole.
#[must_use]
pub fn failure(rejection: &Rejection) -> Vec<u8> {
    written(&Failure { success: false, code: rejection.reason.word(), message: &rejection.to_string() })
}

fn described_as(rejection: &Rejection) -> Described {
    Described {
        index: rejection.index,
        reason: rejection.reason.word(),
        field: rejection.field,
        message: rejection.to_string(),
    }
}

fn written(answer: &impl Serialize) -> Vec<u8> {
    match serde_json::to_vec(answer) {
        Ok(bytes) => bytes,
        // Numbers, texts and lists of them can always be written.
        Err(error) => unreachable!("an answer cannot be written: {error}"),
    }
}
