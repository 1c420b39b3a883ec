//! The floor: what it costs to read and decode the two columns that sessions are made of, and nothing else.
//!
//! Nobody who reads a log with arrow-rs can be faster than this. It never groups, sorts or counts sessions. It
//! prints a count and a checksum, so that no decoded value can be optimised away.
//!
//! ```text
//! floor FILE --user stored|dictionary|view --threads 2
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

const USER: &str = "user_id";
const TIMESTAMP: &str = "timestamp";
const BATCH_ROWS: usize = 8192;

/// What was decoded.
#[derive(Clone, Copy, Default)]
struct Decoded {
    rows: u64,
    /// Bytes of all users' names, or of the dictionaries they were decoded to.
    user_bytes: u64,
    /// Sum of all timestamps, and of the dictionary keys if there are any, modulo 2^64.
    checksum: u64,
}

impl Decoded {
    fn plus(self, other: Decoded) -> Decoded {
        Decoded {
            rows: self.rows + other.rows,
            user_bytes: self.user_bytes + other.user_bytes,
            checksum: self.checksum.wrapping_add(other.checksum),
        }
    }
}

/// How the users' names are decoded.
#[derive(Clone, Copy, PartialEq)]
enum UserForm {
    /// Offsets and bytes, every name written out: what arrow-rs gives unasked.
    Stored,
    /// A key for each row, every name written once for each dictionary of the file.
    Dictionary,
    /// A view for each row into the pages of the file.
    View,
}

struct Arguments {
    file: PathBuf,
    user: UserForm,
    threads: usize,
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    let decoded = decode(&arguments)?;
    println!(
        "{{\"events\": {}, \"user_bytes\": {}, \"checksum\": {}}}",
        decoded.rows, decoded.user_bytes, decoded.checksum
    );
    Ok(())
}

fn arguments() -> Result<Arguments> {
    let mut arguments = Arguments { file: PathBuf::new(), user: UserForm::Stored, threads: 2 };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--user" => arguments.user = user_form(&words.next().context("--user needs a word")?)?,
            "--threads" => arguments.threads = words.next().context("--threads needs a number")?.parse()?,
            _ => arguments.file = word.into(),
        }
    }
    ensure!(arguments.file != PathBuf::new(), "usage: floor FILE [--user stored|dictionary|view] [--threads 2]");
    Ok(arguments)
}

fn user_form(word: &str) -> Result<UserForm> {
    match word {
        "stored" => Ok(UserForm::Stored),
        "dictionary" => Ok(UserForm::Dictionary),
        "view" => Ok(UserForm::View),
        _ => bail!("--user is stored, dictionary or view: {word}"),
    }
}

/// Decodes all row groups, each by whichever thread is free.
fn decode(arguments: &Arguments) -> Result<Decoded> {
    let metadata = metadata(&arguments.file, arguments.user)?;
    let row_groups = metadata.metadata().num_row_groups();
    let next = AtomicUsize::new(0);
    let one_thread = || -> Result<Decoded> {
        let mut decoded = Decoded::default();
        loop {
            let row_group = next.fetch_add(1, Ordering::Relaxed);
            if row_groups <= row_group {
                return Ok(decoded);
            }
            decoded = decoded.plus(decode_row_group(&arguments.file, &metadata, row_group)?);
        }
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..arguments.threads).map(|_| scope.spawn(one_thread)).collect();
        let mut all = Decoded::default();
        for thread in threads {
            let Ok(decoded) = thread.join() else { bail!("a thread panicked") };
            all = all.plus(decoded?);
        }
        Ok(all)
    })
}

/// Reads the footer once; all threads share it.
fn metadata(file: &Path, user: UserForm) -> Result<ArrowReaderMetadata> {
    let opened = File::open(file).with_context(|| format!("opening {}", file.display()))?;
    let stored = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new())?;
    let user_type = match user {
        UserForm::Stored => return Ok(stored),
        UserForm::Dictionary => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        UserForm::View => DataType::Utf8View,
    };
    let fields = stored.schema().fields().iter().map(|field| {
        if field.name() == USER {
            Arc::new(Field::new(USER, user_type.clone(), field.is_nullable()))
        } else {
            field.clone()
        }
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(ArrowReaderMetadata::load(&opened, ArrowReaderOptions::new().with_schema(schema))?)
}

fn decode_row_group(file: &Path, metadata: &ArrowReaderMetadata, row_group: usize) -> Result<Decoded> {
    let columns = ProjectionMask::columns(metadata.parquet_schema(), [USER, TIMESTAMP]);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(file)?, metadata.clone())
        .with_projection(columns)
        .with_row_groups(vec![row_group])
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut decoded = Decoded::default();
    for batch in reader {
        decoded = decoded.plus(look_at(&batch?)?);
    }
    Ok(decoded)
}

/// Touches what was decoded, as cheaply as it can be touched.
fn look_at(batch: &RecordBatch) -> Result<Decoded> {
    let users = batch.column_by_name(USER).context("the file has no column user_id")?;
    let times = batch.column_by_name(TIMESTAMP).context("the file has no column timestamp")?;
    let times = times.as_primitive_opt::<TimestampMicrosecondType>().context("timestamp is not in microseconds")?;
    let mut checksum: u64 = times.values().iter().fold(0, |sum, time| sum.wrapping_add(*time as u64));
    let user_bytes = match users.data_type() {
        DataType::Utf8 => users.as_string::<i32>().value_data().len() as u64,
        DataType::Dictionary(..) => {
            let names = users.as_dictionary::<Int32Type>();
            checksum = names.keys().values().iter().fold(checksum, |sum, key| sum.wrapping_add(*key as u64));
            names.values().as_string::<i32>().value_data().len() as u64
        }
        DataType::Utf8View => users.as_string_view().views().iter().map(|view| u64::from(*view as u32)).sum(),
        other => bail!("user_id is not text: {other}"),
    };
    Ok(Decoded { rows: batch.num_rows() as u64, user_bytes, checksum })
}
