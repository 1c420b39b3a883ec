//! Spans as the OpenTelemetry protocol writes them over HTTP, in JSON: `ExportTraceServiceRequest`.

use serde_json::{Value, json};

use super::layer::{Ended, Fact};

/// Where below an endpoint traces go.
pub const PATH: &str = "/v1/traces";

/// What a span is of: something that others asked for, or something of our own.
const SERVER: u8 = 2;
const INTERNAL: u8 = 1;

/// Returns the body of a request that hands these on.
pub fn body(spans: &[Ended]) -> Value {
    json!({ "resourceSpans": [{
        "resource": { "attributes": [word("service.name", "dwell"), word("service.version", env!("CARGO_PKG_VERSION"))] },
        "scopeSpans": [{ "scope": { "name": "dwell" }, "spans": spans.iter().map(span).collect::<Vec<Value>>() }],
    }] })
}

fn span(ended: &Ended) -> Value {
    let [first, second] = ended.trace;
    let facts: Vec<Value> = ended.facts.iter().map(fact).collect();
    let mut span = json!({
        "traceId": format!("{first:016x}{second:016x}"),
        "spanId": format!("{:016x}", ended.id),
        "name": ended.name,
        "kind": if ended.name == "request" { SERVER } else { INTERNAL },
        // Numbers of 64 bits are texts in this JSON.
        "startTimeUnixNano": nanoseconds(ended.began.as_micros()),
        "endTimeUnixNano": nanoseconds(ended.ended.as_micros()),
        "attributes": facts,
    });
    if let Some(parent) = ended.parent {
        span["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    span
}

fn nanoseconds(micros: i64) -> String {
    (i128::from(micros) * 1_000).to_string()
}

fn fact((name, fact): &(&'static str, Fact)) -> Value {
    match fact {
        Fact::Number(number) => json!({ "key": name, "value": { "intValue": number.to_string() } }),
        Fact::Word(text) => word(name, text),
    }
}

fn word(name: &str, text: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": text } })
}

#[cfg(test)]
mod tests {
    use dwell_core::time::Timestamp;

    use super::*;

    #[test]
    fn a_span_is_written_as_collectors_read_it() {
        let at = Timestamp::from_micros;
        let span = Ended {
            trace: [1, 0xab],
            id: 7,
            parent: Some(6),
            name: "append",
            began: at(1_700_000_000_000_001),
            ended: at(1_700_000_000_000_003),
            facts: vec![("records", Fact::Number(3)), ("route", Fact::Word("in\"gest".to_owned()))],
        };
        let body = body(&[span]);
        let wanted = json!({
            "traceId": "000000000000000100000000000000ab",
            "spanId": "0000000000000007",
            "parentSpanId": "0000000000000006",
            "name": "append",
            "kind": 1,
            "startTimeUnixNano": "1700000000000001000",
            "endTimeUnixNano": "1700000000000003000",
            "attributes": [
                { "key": "records", "value": { "intValue": "3" } },
                { "key": "route", "value": { "stringValue": "in\"gest" } },
            ],
        });
        assert_eq!(body["resourceSpans"][0]["scopeSpans"][0]["spans"][0], wanted);
        assert_eq!(body["resourceSpans"][0]["resource"]["attributes"][0]["value"]["stringValue"], "dwell");
    }
}
