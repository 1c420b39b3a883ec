//! Parquet, with the rows' names wanted or not, as the last byte says.

#![no_main]

mod common;

use dwell_lake::read::{FileFormat, Options};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let names_wanted = bytes.last().is_some_and(|byte| byte % 2 == 0);
    common::read(bytes, &Options { format: Some(FileFormat::Parquet), names_wanted, ..Options::default() });
});
