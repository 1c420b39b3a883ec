//! What SDKs ask before they start.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use serde_json::{Value, json};

use crate::House;
use crate::auth::{presented_key, writer_of};
use crate::problem::Problem;

/// Tells a Segment SDK to send everything here, and nothing elsewhere.
pub(crate) async fn segment(
    State(house): State<Arc<House>>,
    Path(key): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Problem> {
    writer_of(&house, &key).map_err(|_unknown| Problem::not_found("project"))?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let segment = json!({
        "apiKey": key,
        "apiHost": format!("{host}/v1"),
        "protocol": scheme(&house, &headers),
        "unbundledIntegrations": []
    });
    Ok(Json(json!({
        "integrations": { "Segment.io": segment },
        "plan": { "track": { "__default": { "enabled": true, "integrations": {} } } },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": { "sampleRate": 0 },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": []
    })))
}

/// Tells a RudderStack SDK the same.
pub(crate) async fn rudderstack(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Value>, Problem> {
    let key = presented_key(&headers, &uri).ok_or_else(Problem::no_key)?;
    let app = writer_of(&house, &key)?;
    Ok(Json(json!({
        "source": {
            "id": app.id.as_str(),
            "name": app.name.as_str(),
            "writeKey": key,
            "enabled": true,
            "workspaceId": "dwell",
            "updatedAt": "2026-01-01T00:00:00.000Z",
            "config": { "statsCollection": { "errors": { "enabled": false }, "metrics": { "enabled": false } } },
            "destinations": [],
            "connections": [],
            "dataplanes": {}
        },
        "updatedAt": "2026-01-01T00:00:00.000Z"
    })))
}

/// Returns what the client spoke to come here. Without it the SDK of the web sends events by HTTPS, whatever it asked by.
pub(crate) fn scheme(house: &House, headers: &HeaderMap) -> &'static str {
    match headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        Some(b"http") => "http",
        _ => house.scheme,
    }
}
