//! Bodies in, lines out: what a diary shows of a body.

use std::fmt::Write;

use dwell_core::time::Timestamp;
use dwell_core::words::EventWords;
use dwell_dialect::endpoint::Endpoint;
use dwell_dialect::event::{Event, MessageId};
use dwell_dialect::limits::Limits;
use dwell_dialect::segment::{Decoded, decode};
use expect_test::Expect;

/// 2024-01-05T10:00:05Z: when all bodies come in.
pub const RECEIVED_AT: Timestamp = Timestamp::from_micros(1_704_448_805_000_000);

pub fn read<'a>(path: &str, body: &'a str) -> Decoded<'a> {
    decode(body.as_bytes(), endpoint(path), RECEIVED_AT, &Limits::default(), &EventWords::default())
}

pub fn endpoint(path: &str) -> Endpoint {
    Endpoint::from_path(path).unwrap_or_else(|| panic!("{path} leads nowhere"))
}

pub fn check(path: &str, body: &str, expect: &Expect) {
    expect.assert_eq(&told(&read(path, body)));
}

/// One message in a batch that was sent when it came in.
pub fn check_one(message: &str, expect: &Expect) {
    check("/v1/batch", &format!(r#"{{"batch":[{message}]}}"#), expect);
}

pub fn told(decoded: &Decoded<'_>) -> String {
    let mut told = String::new();
    if let Some(key) = &decoded.write_key {
        writeln!(told, "key {key}").unwrap();
    }
    for event in &decoded.events {
        writeln!(told, "{}", line(event)).unwrap();
    }
    for rejection in &decoded.rejections {
        writeln!(told, "{}: {rejection}", rejection.reason.word()).unwrap();
    }
    told
}

fn line(event: &Event<'_>) -> String {
    let mut line = format!(
        "{} {} {} `{}`",
        event.index,
        event.call.word(),
        event.kind.word(),
        event.name.as_deref().unwrap_or_default()
    );
    let said = [
        ("user", event.user_id.as_deref()),
        ("anonymous", event.anonymous_id.as_deref()),
        ("id", matches!(event.message_id, MessageId::Given(_)).then_some(event.message_id.as_str())),
        ("device", event.device.as_deref()),
        ("platform", event.platform.as_deref()),
        ("campaign", event.campaign.as_deref()),
        ("country", event.country.as_deref()),
        ("version", event.app_version.as_deref()),
        ("player", event.player.as_deref()),
    ];
    for (word, said) in said {
        if let Some(said) = said {
            write!(line, ", {word} {said}").unwrap();
        }
    }
    if let Some(remaining) = event.remaining {
        write!(line, ", {} ms left", remaining.as_micros() / 1_000).unwrap();
    }
    if let Some(link) = event.link() {
        write!(line, ", {} is {}", link.from, link.to).unwrap();
    }
    write!(line, ", {}", shown(event.happened.at)).unwrap();
    if event.happened.from_the_future {
        line.push_str(" (from the future)");
    }
    line
}

pub fn shown(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap().to_string()
}
