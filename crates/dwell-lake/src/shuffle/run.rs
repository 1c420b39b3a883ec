//! A run: what one thread gathered, partition after partition, in memory or in a temporary file.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::shuffle::{ShuffleError, bundles, narrow};

/// How the events of a run are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Who and when: all are actions of which nothing else is known.
    Narrow(narrow::Shape),
    /// Likewise, user by user.
    Bundles(bundles::Shape),
    /// With all that is known.
    Wide,
}

/// What one thread gathered.
#[derive(Debug)]
pub struct Run {
    /// Its place among all runs.
    pub number: (u64, u64),
    /// How its events are written.
    pub layout: Layout,
    data: Data,
    /// For each partition where its bytes end, and how many events they hold.
    ends: Vec<(u64, u32)>,
}

#[derive(Debug)]
enum Data {
    Memory(Vec<u8>),
    Disk { file: Arc<File>, from: u64 },
}

impl Run {
    /// Takes the bytes of all partitions, and where each one's end.
    pub fn new(number: (u64, u64), layout: Layout, bytes: Vec<u8>, ends: Vec<(u64, u32)>) -> Self {
        Run { number, layout, data: Data::Memory(bytes), ends }
    }

    /// Returns how many bytes of memory its events take.
    pub fn bytes(&self) -> u64 {
        match &self.data {
            Data::Memory(bytes) => bytes.len() as u64,
            Data::Disk { .. } => 0,
        }
    }

    /// Returns how many events of one partition it holds.
    pub fn events(&self, partition: usize) -> u32 {
        self.ends[partition].1
    }

    /// Moves its events to the file.
    pub fn spill(&mut self, file: &mut SpillFile) -> Result<(), ShuffleError> {
        if let Data::Memory(bytes) = &self.data {
            let from = file.append(bytes)?;
            self.data = Data::Disk { file: file.file.clone(), from };
        }
        Ok(())
    }

    /// Appends the bytes of one partition to `room`, if they are on disk.
    pub fn bring(&self, partition: usize, room: &mut Vec<u8>) -> Result<(), ShuffleError> {
        let Data::Disk { file, from } = &self.data else { return Ok(()) };
        let (start, end) = self.bounds(partition);
        let there = room.len();
        room.resize(there + (end - start) as usize, 0);
        file.read_exact_at(&mut room[there..], from + start).map_err(ShuffleError::Unspill)
    }

    /// Returns the bytes of one partition; if they are on disk, they are taken from the beginning of what was brought.
    pub fn partition<'a>(&'a self, partition: usize, brought: &mut &'a [u8]) -> &'a [u8] {
        let (start, end) = self.bounds(partition);
        match &self.data {
            Data::Memory(bytes) => &bytes[start as usize..end as usize],
            Data::Disk { .. } => {
                let (bytes, rest) = brought.split_at((end - start) as usize);
                *brought = rest;
                bytes
            }
        }
    }

    fn bounds(&self, partition: usize) -> (u64, u64) {
        let start = if partition == 0 { 0 } else { self.ends[partition - 1].0 };
        (start, self.ends[partition].0)
    }
}

/// The temporary file; it has no name, and goes when the program goes.
#[derive(Debug)]
pub struct SpillFile {
    file: Arc<File>,
    length: u64,
}

impl SpillFile {
    /// Makes it in the system's folder for such files.
    pub fn create() -> Result<Self, ShuffleError> {
        let file = tempfile::tempfile().map_err(spill_error)?;
        Ok(SpillFile { file: Arc::new(file), length: 0 })
    }

    /// Returns how long it is.
    pub fn length(&self) -> u64 {
        self.length
    }

    fn append(&mut self, bytes: &[u8]) -> Result<u64, ShuffleError> {
        let from = self.length;
        let mut file = self.file.as_ref();
        file.seek(SeekFrom::Start(from)).map_err(spill_error)?;
        file.write_all(bytes).map_err(spill_error)?;
        self.length += bytes.len() as u64;
        Ok(from)
    }
}

fn spill_error(source: std::io::Error) -> ShuffleError {
    ShuffleError::Spill { directory: std::env::temp_dir().display().to_string(), source }
}
