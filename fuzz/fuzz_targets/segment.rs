//! Bodies of SDKs: nothing panics, limits hold, and what becomes an event is JSON to everybody.

#![no_main]

use dwell_core::time::{EARLIEST, LATEST, Timestamp};
use dwell_core::words::EventWords;
use dwell_dialect::answer::{Fates, success};
use dwell_dialect::endpoint::{Call, Endpoint};
use dwell_dialect::envelope;
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::decode;
use libfuzzer_sys::fuzz_target;

const RECEIVED_AT: Timestamp = Timestamp::from_micros(1_704_448_805_000_000);

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { event_bytes: 2_000, batch_bytes: 10_000, batch_events: 20, depth: 8 };
    let Ok(body) = envelope::open(bytes, limits.batch_bytes) else {
        return;
    };
    assert!(body.len() <= limits.batch_bytes);
    for endpoint in [Endpoint::Batch, Endpoint::Single(Call::Track), Endpoint::Single(Call::Alias)] {
        let decoded = decode(&body, endpoint, RECEIVED_AT, &limits, &EventWords::default());
        assert!(decoded.received() <= limits.batch_events);
        for event in &decoded.events {
            assert!((EARLIEST..=LATEST).contains(&event.happened.at));
            assert!(!event.user().is_empty() && !event.message_id.as_str().is_empty());
        }
        let fates = Fates { accepted: decoded.events.len(), duplicates: &[], rejections: &decoded.rejections };
        assert!(serde_json::from_slice::<serde_json::Value>(&success(&fates)).is_ok());
        if endpoint != Endpoint::Batch && !decoded.events.is_empty() {
            assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
        }
    }
});
