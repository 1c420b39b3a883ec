//! The page of `dwell demo`, and the keys with which it sends and reads. No other server has either.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use dwell_ui::Pages;
use serde_json::{Value, json};

use crate::House;
use crate::dashboard::send;
use crate::problem::Problem;

/// The app that a visitor of the demo uses, and who they are there.
///
/// Whoever can open the page is told all of it: the keys open one app, in which nobody is real.
#[derive(Clone, Debug)]
pub struct Demo {
    /// With which the page sends what the visitor does.
    pub write_key: String,
    /// With which it asks what Dwell made of that. It opens this one app.
    pub read_key: String,
    /// Who the visitor is.
    pub user: String,
}

/// Where they lie. These are pages, and no questions: `openapi.json` does not describe them.
pub(crate) fn routes() -> [(&'static str, MethodRouter<Arc<House>>); 3] {
    [("/demo", get(page)), ("/demo/keys.json", get(keys)), ("/demo/{file}", get(file))]
}

async fn page(headers: HeaderMap) -> Response {
    send(Pages::Demo, "", &headers)
}

async fn file(Path(file): Path<String>, headers: HeaderMap) -> Response {
    send(Pages::Demo, &file, &headers)
}

/// Hands the keys to the page, and to no page of another site: a browser says where a question comes from.
async fn keys(State(house): State<Arc<House>>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    let own = headers.get("sec-fetch-site").is_none_or(|site| site == "same-origin");
    let demo = house.demo.as_ref().filter(|_| own).ok_or_else(|| Problem::not_found("page"))?;
    Ok(Json(json!({ "write_key": demo.write_key, "read_key": demo.read_key, "user": demo.user })))
}
