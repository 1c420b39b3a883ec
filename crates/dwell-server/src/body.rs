//! Bodies of questions that change something: read within their size and time, and understood as JSON.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use axum::routing::MethodRouter;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use crate::House;
use crate::door::Slow;
use crate::problem::Problem;

/// A path, what answers there, and the methods by which it is asked.
pub(crate) type Route = (&'static str, MethodRouter<Arc<House>>, &'static [&'static str]);

/// Reads a body, which may have so many bytes and take so long.
pub(crate) async fn read(house: &House, body: Body, most: usize) -> Result<Bytes, Problem> {
    let reading = tokio::time::timeout(house.body_timeout, Limited::new(body, most).collect());
    match reading.await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::too_large(most)),
        Ok(Err(error)) => Err(Problem::bad_request(format!("the body could not be read: {error}"))),
        Err(_elapsed) => {
            house.connections.time_out(Slow::Body);
            Err(Problem::too_slow())
        }
    }
}

/// Understands a body of JSON; none at all is an empty one.
pub(crate) fn json_in<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}".as_slice() } else { bytes.as_ref() };
    serde_json::from_slice(bytes).map_err(|error| Problem::bad_request(format!("the body cannot be read: {error}")))
}

/// Does what waits for the disk where nobody else waits for it.
pub(crate) async fn on_disk(
    act: impl FnOnce() -> Result<Response, Problem> + Send + 'static,
) -> Result<Response, Problem> {
    match tokio::task::spawn_blocking(act).await {
        Ok(answer) => answer,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(stopped) => Err(Problem::stopped(&stopped.to_string())),
        },
    }
}
