//! Objects, one per line.

#![no_main]

mod common;

use dwell_lake::read::{FileFormat, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let format = Some(FileFormat::Ndjson);
    common::read(bytes, &Options { format, line_limit: 256, batch_rows: 3, ..Options::default() });
    common::read(bytes, &Options { format, ..Options::default() });
});
