// What every reader promises, whatever the bytes: it does not panic, and each row is an event or a rejection.

use std::io::Cursor;
use std::sync::Arc;

use dwell_lake::names::Names;
use dwell_lake::read::{Options, Rejection, open_stream};

/// Reads bytes to their end and checks that every row is accounted for.
pub fn read(bytes: &[u8], options: &Options) {
    let stream = Box::new(Cursor::new(bytes.to_vec()));
    let Ok(mut file) = open_stream("fuzz".into(), stream, options, Arc::new(Names::default())) else {
        return;
    };
    let mut rejections: Vec<Rejection> = Vec::new();
    let mut events = 0;
    while let Ok(Some(batch)) = file.next_batch(&mut rejections) {
        assert!(!batch.is_empty(), "a batch is never empty");
        if let Some(details) = &batch.details {
            assert_eq!(details.rows.len(), batch.len());
            for row in &details.rows {
                let (start, end) = row.message_id;
                assert!(details.message_ids.get(start as usize..end as usize).is_some());
            }
        }
        events += batch.len() as u64;
    }
    let tally = file.tally();
    assert_eq!(tally.events, events);
    assert_eq!(tally.rejections, rejections.len() as u64);
    assert_eq!(tally.rows, tally.events + tally.rejections);
}
