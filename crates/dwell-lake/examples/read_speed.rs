//! Measures how fast files are read, on one thread: `cargo run --release -p dwell-lake --example read_speed -- FILE...`
//!
//! Nothing is done with the events but to add their times up. With `NAMES=1` the names of events are wanted too.

use std::ops::ControlFlow;
use std::sync::Arc;

use dwell_lake::batch::Users;
use dwell_lake::names::Names;
use dwell_lake::read::{Options, ReadError, expand, open};

fn main() -> Result<(), ReadError> {
    let files: Vec<String> = std::env::args().skip(1).collect();
    let options = Options { names_wanted: std::env::var_os("NAMES").is_some(), ..Options::default() };
    for source in expand(&files)? {
        #[expect(clippy::disallowed_methods, reason = "a stopwatch needs the machine's clock")]
        let start = std::time::Instant::now();
        let mut file = open(&source, &options, Arc::new(Names::default()))?;
        let (mut sum, mut with_keys, mut with_details) = (0_i64, 0, 0);
        while let Some(batch) = file.next_batch(&mut |_| ControlFlow::Continue(()))? {
            sum = batch.happened_at.iter().fold(sum, |sum, at| sum.wrapping_add(*at));
            with_keys += usize::from(matches!(batch.users, Users::Dictionary { .. }));
            with_details += usize::from(batch.details.is_some());
        }
        let seconds = start.elapsed().as_secs_f64();
        let (rows, size) = (file.tally().rows as f64, file.size_hint().unwrap_or(0) as f64);
        println!(
            "{}: {rows} rows in {seconds:.3} s: {:.1} M rows/s, {:.0} MB/s; batches with keys {with_keys}, with details \
             {with_details}; refused {}; sum {sum}",
            source.name(),
            rows / seconds / 1e6,
            size / seconds / 1e6,
            file.tally().rejections,
        );
    }
    Ok(())
}
