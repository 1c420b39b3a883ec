//! What real SDKs put on the wire, written by hand from what their sources do.

use expect_test::expect;

use super::support::check;

/// analytics-node 3.1.0: a batch with its key; ids may be null, and each message is its own moment.
#[test]
fn segment_node() {
    check(
        "/v1/batch",
        r#"{"batch":[
            {"type":"identify","userId":"ada","anonymousId":"anon-1","traits":{"name":"Ada"},"context":{"library":{"name":"@segment/analytics-node","version":"3.1.0"}},"integrations":{},"timestamp":"2024-01-05T09:59:58.000Z","messageId":"node-next-1704448798000-1","_metadata":{"nodeVersion":"22.0.0","jsRuntime":"node"}},
            {"type":"track","event":"Order Completed","userId":"ada","anonymousId":null,"properties":{"total":12.5},"context":{"active":false},"timestamp":"2024-01-05T09:59:59.000Z","messageId":"node-next-1704448799000-2"}
        ],"writeKey":"key-1","sentAt":"2024-01-05T10:00:00.000Z"}"#,
        &expect![[r#"
            key key-1
            0 identify silent ``, user ada, anonymous anon-1, id node-next-1704448798000-1, anon-1 is ada, 2024-01-05T10:00:03Z
            1 track silent `Order Completed`, user ada, id node-next-1704448799000-2, 2024-01-05T10:00:04Z
        "#]],
    );
}

/// analytics.js (browser) 1.84.1, batched: a key in the body and in each message, which has lost its own sentAt.
#[test]
fn segment_browser_batched() {
    check(
        "/b",
        r#"{"writeKey":"web-key","batch":[
            {"timestamp":"2024-01-05T10:00:00.100Z","integrations":{},"type":"page","properties":{"path":"/","title":"Home","url":"https://shop.example/?utm_campaign=spring"},"name":"Home","context":{"page":{"path":"/"},"userAgent":"Mozilla/5.0","locale":"en","library":{"name":"analytics.js","version":"npm:next-1.84.1"},"timezone":"Europe/Berlin","campaign":{"name":"spring","source":"mail"}},"messageId":"ajs-next-1","anonymousId":"anon-1","userId":null,"writeKey":"web-key","_metadata":{"bundled":["Segment.io"],"unbundled":[],"bundledIds":[]}},
            {"timestamp":"2024-01-05T10:00:01.000Z","integrations":{},"type":"track","event":"Clicked","properties":{},"context":{},"messageId":"ajs-next-2","anonymousId":"anon-1","userId":null,"writeKey":"web-key"}
        ],"sentAt":"2024-01-05T10:00:05.000Z"}"#,
        &expect![[r#"
            key web-key
            0 page page `Home`, anonymous anon-1, id ajs-next-1, campaign spring, 2024-01-05T10:00:00.1Z
            1 track action `Clicked`, anonymous anon-1, id ajs-next-2, 2024-01-05T10:00:01Z
        "#]],
    );
}

/// analytics.js (browser) 1.84.1, one by one: the first letter is the path, sentAt is in the message.
#[test]
fn segment_browser_single() {
    check(
        "/v1/i",
        r#"{"timestamp":"2024-01-05T10:00:00.000Z","integrations":{},"userId":"ada","anonymousId":"anon-1","type":"identify","traits":{},"context":{},"messageId":"ajs-next-3","writeKey":"web-key","sentAt":"2024-01-05T10:00:01.000Z"}"#,
        &expect![[r#"
            key web-key
            0 identify silent ``, user ada, anonymous anon-1, id ajs-next-3, anon-1 is ada, 2024-01-05T10:00:04Z
        "#]],
    );
}

/// analytics-python 2.3.4: microseconds and an offset; ids of numbers are made texts by it, but not by its users' own code.
#[test]
fn segment_python() {
    check(
        "/v1/batch",
        r#"{"batch": [{"integrations": {}, "anonymousId": null, "properties": {}, "timestamp": "2024-01-05T10:00:00.123456+00:00", "context": {"library": {"name": "analytics-python", "version": "2.3.4"}}, "userId": "42", "type": "track", "event": "Signed Up", "messageId": "8c8a"}, {"userId": 42, "type": "track", "event": "Signed In", "timestamp": "2024-01-05T12:00:00+02:00", "messageId": null}], "sentAt": "2024-01-05T10:00:05+00:00", "writeKey": "py-key"}"#,
        &expect![[r#"
            key py-key
            0 track action `Signed Up`, user 42, id 8c8a, 2024-01-05T10:00:00.123456Z
            1 track action `Signed In`, user 42, 2024-01-05T10:00:00Z
        "#]],
    );
}

/// analytics-kotlin 1.x on Android: what happened offline comes later, in one batch; the key is in the body.
#[test]
fn segment_kotlin() {
    let context = r#"{"library":{"name":"analytics-kotlin","version":"1.23.0"},"app":{"name":"Shop","version":"2.1","build":"21"},"device":{"id":"d-1","manufacturer":"Google","model":"Pixel 8","name":"shiba","type":"android"},"os":{"name":"Android","version":"14"},"network":{"wifi":true}}"#;
    let message = |name: &str, properties: &str, at: &str| {
        format!(
            r#"{{"properties":{properties},"event":"{name}","type":"track","messageId":"{at}","anonymousId":"anon-1","context":{context},"integrations":{{}},"userId":"","_metadata":{{"bundled":[],"unbundled":[],"bundledIds":[]}},"timestamp":"2024-01-05T{at}Z"}}"#
        )
    };
    let batch = [
        message("Application Installed", r#"{"version":"2.1","build":"21"}"#, "07:00:00.000"),
        message("Application Opened", r#"{"from_background":false,"version":"2.1"}"#, "07:00:01.000"),
        message("Application Backgrounded", "{}", "07:05:00.000"),
        message("Application Opened", r#"{"from_background":true}"#, "07:05:00.300"),
        message("Push Notification Received", "{}", "08:00:00.000"),
        message("Application Updated", r#"{"previous_version":"2.0"}"#, "09:00:00.000"),
    ];
    check(
        "/v1/b",
        &format!(r#"{{"batch":[{}],"sentAt":"2024-01-05T10:00:00.000Z","writeKey":"android-key"}}"#, batch.join(",")),
        &expect![[r#"
            key android-key
            0 track action `Application Installed`, anonymous anon-1, id 07:00:00.000, device d-1, platform Android, version 2.1, 2024-01-05T07:00:05Z
            1 track opened `Application Opened`, anonymous anon-1, id 07:00:01.000, device d-1, platform Android, version 2.1, 2024-01-05T07:00:06Z
            2 track backgrounded `Application Backgrounded`, anonymous anon-1, id 07:05:00.000, device d-1, platform Android, version 2.1, 2024-01-05T07:05:05Z
            3 track opened `Application Opened`, anonymous anon-1, id 07:05:00.300, device d-1, platform Android, version 2.1, 2024-01-05T07:05:05.3Z
            4 track silent `Push Notification Received`, anonymous anon-1, id 08:00:00.000, device d-1, platform Android, version 2.1, 2024-01-05T08:00:05Z
            5 track action `Application Updated`, anonymous anon-1, id 09:00:00.000, device d-1, platform Android, version 2.1, 2024-01-05T09:00:05Z
        "#]],
    );
}

/// analytics-swift 1.x: on iOS Foregrounded, on a Mac Hidden, Unhidden and Terminated.
#[test]
fn segment_swift() {
    let names = [
        "Application Foregrounded",
        "Application Became Active",
        "Application Hidden",
        "Application Unhidden",
        "Application Crashed",
        "Application Terminated",
    ];
    let messages = names.map(|name| {
        format!(
            r#"{{"anonymousId":"anon-1","context":{{"device":{{"id":"i-1","type":"ios"}},"os":{{"name":"iOS","version":"17.4"}}}},"event":"{name}","integrations":{{}},"messageId":"{name}","timestamp":"2024-01-05T10:00:00.000Z","type":"track"}}"#
        )
    });
    check(
        "/v1/b",
        &format!(r#"{{"batch":[{}],"sentAt":"2024-01-05T10:00:00.000Z","writeKey":"ios-key"}}"#, messages.join(",")),
        &expect![[r#"
            key ios-key
            0 track foregrounded `Application Foregrounded`, anonymous anon-1, id Application Foregrounded, device i-1, platform iOS, 2024-01-05T10:00:05Z
            1 track foregrounded `Application Became Active`, anonymous anon-1, id Application Became Active, device i-1, platform iOS, 2024-01-05T10:00:05Z
            2 track backgrounded `Application Hidden`, anonymous anon-1, id Application Hidden, device i-1, platform iOS, 2024-01-05T10:00:05Z
            3 track foregrounded `Application Unhidden`, anonymous anon-1, id Application Unhidden, device i-1, platform iOS, 2024-01-05T10:00:05Z
            4 track action `Application Crashed`, anonymous anon-1, id Application Crashed, device i-1, platform iOS, 2024-01-05T10:00:05Z
            5 track closed `Application Terminated`, anonymous anon-1, id Application Terminated, device i-1, platform iOS, 2024-01-05T10:00:05Z
        "#]],
    );
}

/// analytics-react-native 2.x: the key is in the body and nowhere else.
#[test]
fn segment_react_native() {
    check(
        "/v1/b",
        r#"{"batch":[{"type":"screen","name":"Home","properties":{},"anonymousId":"anon-1","messageId":"rn-1","timestamp":"2024-01-05T10:00:00.000Z","context":{"instanceId":"x","device":{"id":"d-9","type":"android"},"os":{"name":"Android"}},"integrations":{}}],"sentAt":"2024-01-05T10:00:05.000Z","writeKey":"rn-key"}"#,
        &expect![[r#"
            key rn-key
            0 screen screen `Home`, anonymous anon-1, id rn-1, device d-9, platform Android, 2024-01-05T10:00:00Z
        "#]],
    );
}

/// rudder-sdk-js 3.31.6: originalTimestamp, and sentAt in the batch and in each message; numbers as ids of sessions.
#[test]
fn rudder_browser() {
    check(
        "/beacon/v1/batch",
        r#"{"batch":[
            {"properties":{"path":"/"},"name":"Home","type":"page","channel":"web","context":{"traits":{},"sessionId":1704448000000,"app":{"name":"RudderLabs JavaScript SDK","version":"3.31.6"},"library":{"name":"RudderLabs JavaScript SDK"},"userAgent":"Mozilla/5.0","os":{"name":"","version":""},"campaign":{}},"originalTimestamp":"2024-01-05T10:00:00.000Z","integrations":{"All":true},"messageId":"r-1","anonymousId":"anon-1","userId":"","event":null,"sentAt":"2024-01-05T10:00:04.000Z"},
            {"type":"alias","channel":"web","context":{},"originalTimestamp":"2024-01-05T10:00:01.000Z","messageId":"r-2","anonymousId":"anon-1","previousId":"old","userId":"ada","event":null,"sentAt":"2024-01-05T10:00:04.000Z"},
            {"type":"group","channel":"web","context":{},"originalTimestamp":"2024-01-05T10:00:02.000Z","messageId":"r-3","anonymousId":"anon-1","userId":"ada","groupId":"g-1","traits":{},"event":null,"sentAt":"2024-01-05T10:00:04.000Z"}
        ],"sentAt":"2024-01-05T10:00:04.000Z"}"#,
        &expect![[r#"
            0 page page `Home`, anonymous anon-1, id r-1, version 3.31.6, 2024-01-05T10:00:01Z
            1 alias silent ``, user ada, anonymous anon-1, id r-2, old is ada, 2024-01-05T10:00:02Z
            2 group silent ``, user ada, anonymous anon-1, id r-3, 2024-01-05T10:00:03Z
        "#]],
    );
}

/// rudder-sdk-node 3.0.12 and rudder-sdk-python 2.1.4: the same; Python has its own time only as `timestamp`.
#[test]
fn rudder_servers() {
    check(
        "/v1/batch",
        r#"{"batch":[
            {"userId":"ada","event":"Paid","properties":{},"context":{"library":{"name":"analytics-node","version":"3.0.12"}},"type":"track","messageId":"n-1","channel":"server","originalTimestamp":"2024-01-05T10:00:00.000Z","_metadata":{"nodeVersion":"20"},"sentAt":"2024-01-05T10:00:03.000Z"},
            {"integrations":{},"properties":{},"timestamp":"2024-01-05T10:00:01.000000+00:00","context":{"library":{"name":"rudder-python"}},"userId":"ada","type":"track","event":"Paid","messageId":"p-1","channel":"server"}
        ],"sentAt":"2024-01-05T10:00:03.000Z"}"#,
        &expect![[r#"
            0 track action `Paid`, user ada, id n-1, 2024-01-05T10:00:02Z
            1 track action `Paid`, user ada, id p-1, 2024-01-05T10:00:03Z
        "#]],
    );
}
