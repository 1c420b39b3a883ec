//! Pages on the way to a browser: what `dwell-ui` has, with the headers that keep its pages to themselves.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use dwell_ui::Pages;

use crate::House;
use crate::problem::Problem;

/// Where the dashboard lies. These are pages, and no questions: `openapi.json` does not describe them.
pub(crate) fn routes() -> [(&'static str, MethodRouter<Arc<House>>); 2] {
    [("/", get(page)), ("/assets/{*file}", get(asset))]
}

async fn page(headers: HeaderMap) -> Response {
    send(Pages::Dashboard, "", &headers)
}

async fn asset(Path(file): Path<String>, headers: HeaderMap) -> Response {
    send(Pages::Dashboard, &format!("assets/{file}"), &headers)
}

/// Sends a file of some pages, or says that there is none.
pub(crate) fn send(pages: Pages, path: &str, asked: &HeaderMap) -> Response {
    let said = |name: HeaderName| asked.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(file) = pages.find(path, said(header::ACCEPT_ENCODING)) else {
        return Problem::not_found("page").into_response();
    };
    let known = said(header::IF_NONE_MATCH).split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.etag);
    let mut response = if known { StatusCode::NOT_MODIFIED.into_response() } else { file.bytes.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(file.content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(file.cache_control));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::try_from(file.etag) {
        headers.insert(header::ETAG, etag);
    }
    if let Some(encoding) = file.encoding.filter(|_| !known) {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(pages.policy()));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
