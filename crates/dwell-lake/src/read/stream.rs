//! Bytes out of files and standard input: decompressed, counted, and looked at before they are read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::delimited::damaged;
use super::error::ReadError;
use super::plan::Compression;

/// How much of a stream is looked at before its plan is made.
pub(super) const SAMPLE_BYTES: usize = 1024 * 1024;

/// How much is read from a file at once.
const PIECE: usize = 128 * 1024;

/// Any stream of bytes.
pub(super) type Bytes = Box<dyn Read + Send>;

/// Counts what goes through, for those who show progress.
struct Counted<R> {
    from: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(into)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A stream whose beginning is known.
pub(super) struct Sampled {
    /// Up to [`SAMPLE_BYTES`] of it.
    pub sample: Vec<u8>,
    /// The sample is all of it.
    pub whole: bool,
    pub compression: Compression,
    rest: Bytes,
    /// What went wrong behind the sample.
    broken: Option<io::Error>,
}

impl Sampled {
    /// Opens a stream: sees by its first bytes how it is compressed, and takes a sample of what is inside.
    pub fn open(from: Bytes, count: Arc<AtomicU64>) -> io::Result<Self> {
        let mut from = BufReader::with_capacity(PIECE, Counted { from, count });
        let compression = compression_of(from.fill_buf()?);
        let mut rest: Bytes = match compression {
            Compression::Plain => Box::new(from),
            Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
            Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(from)?),
        };
        let mut sample = Vec::new();
        let outcome = rest.by_ref().take(SAMPLE_BYTES as u64).read_to_end(&mut sample);
        let whole = outcome.is_ok() && sample.len() < SAMPLE_BYTES;
        Ok(Sampled { sample, whole, compression, rest, broken: outcome.err() })
    }

    /// Refuses a stream that broke before its first line ended: nothing can be understood of it.
    pub fn or_damaged(self, file: &Arc<str>) -> Result<Self, ReadError> {
        match self.broken {
            Some(why) if !self.sample.contains(&b'\n') => {
                Err(damaged(file, self.compression, self.sample.len() as u64, 0, why))
            }
            _ => Ok(self),
        }
    }

    /// Returns the stream from its beginning, and the sample again.
    pub fn into_stream(self) -> Bytes {
        let sample = Cursor::new(self.sample);
        match self.broken {
            Some(error) => Box::new(sample.chain(Broken(Some(error)))),
            None if self.whole => Box::new(sample),
            None => Box::new(sample.chain(self.rest)),
        }
    }
}

/// Says again what went wrong while the sample was taken.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.take().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
    }
}

/// Knows compression by its magic bytes. A stream of two bytes is never compressed.
pub(super) fn compression_of(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, 0x08, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        // A skippable frame, as pzstd writes it first.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::Plain,
    }
}

/// Reads from a file at any place, from many threads at once, and never more than the file holds.
#[derive(Clone, Debug)]
pub(super) struct Places {
    file: Arc<File>,
    length: u64,
    count: Arc<AtomicU64>,
}

impl Places {
    pub fn new(file: File, count: Arc<AtomicU64>) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Places { file: Arc::new(file), length, count })
    }

    #[cfg(unix)]
    fn read_at(&self, into: &mut [u8], place: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(&*self.file, into, place)
    }

    #[cfg(windows)]
    fn read_at(&self, into: &mut [u8], place: u64) -> io::Result<usize> {
        std::os::windows::fs::FileExt::seek_read(&*self.file, into, place)
    }
}

impl parquet::file::reader::Length for Places {
    fn len(&self) -> u64 {
        self.length
    }
}

impl parquet::file::reader::ChunkReader for Places {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(BufReader::with_capacity(PIECE, From { places: self.clone(), place: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<bytes::Bytes> {
        // The length comes out of the file: it is not believed before memory is taken for it.
        let end = start.checked_add(length as u64).filter(|end| *end <= self.length);
        if end.is_none() {
            return Err(parquet::errors::ParquetError::EOF(format!(
                "{length} bytes are said to begin at {start}, and the file has {}",
                self.length
            )));
        }
        let mut bytes = vec![0; length];
        From { places: self.clone(), place: start }.read_exact(&mut bytes)?;
        Ok(bytes.into())
    }
}

/// Reads on from a place.
pub(super) struct From {
    places: Places,
    place: u64,
}

impl Read for From {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.places.read_at(into, self.place)?;
        self.place += count as u64;
        self.places.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
