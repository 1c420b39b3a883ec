//! What the log has dropped, out of an archive of it: events are counted from there as they would have been from the log.

use dwell_store::{Offset, Records};

use crate::error::EngineError;

/// Whoever has kept what the log has dropped. How it lies there, the engine does not know.
pub trait Past: Send {
    /// Reads events from an offset of the log on and before another, which is where the log begins now; in order, and about so many
    /// bytes of them at most, but one at least if there is one. The error is a sentence for whoever has to mend it.
    fn read(&mut self, from: Offset, before: Offset, most: usize) -> Result<Kept, String>;
}

/// Events that were kept, as records of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kept {
    /// Where each stood in the log, in order, and its bytes.
    pub records: Vec<(Offset, Vec<u8>)>,
    /// Up to where nothing else was kept: where to go on reading.
    pub next: Offset,
    /// How many events were there once and are not any more, since whoever did them was erased.
    pub removed: u64,
}

/// What a turn reads, wherever it is from.
pub(crate) enum Found {
    Log(Records),
    Past(Kept),
}

impl Found {
    /// The records with their offsets, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Offset, &[u8])> {
        let (log, past) = match self {
            Found::Log(records) => (Some(records.iter()), None),
            Found::Past(kept) => (None, Some(kept.records.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())))),
        };
        log.into_iter().flatten().chain(past.into_iter().flatten())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Found::Log(records) => records.len(),
            Found::Past(kept) => kept.records.len(),
        }
    }

    /// Where to go on reading.
    pub fn next(&self) -> Offset {
        match self {
            Found::Log(records) => records.next(),
            Found::Past(kept) => kept.next,
        }
    }

    /// How many events are missing since whoever did them was erased.
    pub fn removed(&self) -> u64 {
        match self {
            Found::Log(_) => 0,
            Found::Past(kept) => kept.removed,
        }
    }
}

/// Reads what was kept.
pub(crate) fn kept(past: &mut dyn Past, from: Offset, before: Offset, most: usize) -> Result<Kept, EngineError> {
    let kept = past.read(from, before, most).map_err(|why| EngineError::Past { why })?;
    assert!(from < kept.next && kept.next <= before, "what was kept leads from {from} to {}", kept.next);
    Ok(kept)
}
