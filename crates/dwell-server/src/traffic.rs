//! How many requests were answered, how, and how fast: counted by what was asked, in words that the code knows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use dwell_dialect::endpoint::Endpoint;
use dwell_engine::TRACES;
use tracing::field::Empty;
use tracing::{Instrument, trace_span};

use crate::House;

/// What is asked, in classes: a path itself may hold anything.
const ROUTES: [&str; 7] = ["ingest", "users", "sessions", "app", "settings", "operation", "other"];

/// Of which hundred a status is.
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Up to how many microseconds a request may have taken to be counted in each bucket. One more has no end.
const BUCKETS: [u64; 11] =
    [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 10_000_000];

/// All requests since the start.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    routes: [Route; ROUTES.len()],
}

#[derive(Debug, Default)]
struct Route {
    statuses: [AtomicU64; STATUSES.len()],
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

/// What was counted of one class.
pub(crate) struct Seen {
    pub route: &'static str,
    /// How many answers there were of each hundred.
    pub statuses: Vec<(&'static str, u64)>,
    /// How many took no longer, in seconds; the last has all of them.
    pub buckets: Vec<(Option<f64>, u64)>,
    /// How long all of them took together, in seconds.
    pub seconds: f64,
}

impl Traffic {
    fn count(&self, path: &str, status: u16, micros: u64) {
        let Some(route) = self.routes.get(class(path)) else { return };
        if let Some(count) = usize::from(status / 100).checked_sub(1).and_then(|at| route.statuses.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let bucket = BUCKETS.partition_point(|most| *most < micros);
        if let Some(count) = route.buckets.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        route.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Returns what was counted so far, of every class.
    pub fn seen(&self) -> Vec<Seen> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let of_route = |(route, counts): (&&'static str, &Route)| {
            let mut all = 0;
            let mut buckets = Vec::with_capacity(BUCKETS.len() + 1);
            for (at, count) in counts.buckets.iter().enumerate() {
                all += read(count);
                buckets.push((BUCKETS.get(at).map(|micros| *micros as f64 / 1e6), all));
            }
            let statuses = STATUSES.iter().copied().zip(counts.statuses.iter().map(read)).collect();
            Seen { route, statuses, buckets, seconds: read(&counts.micros) as f64 / 1e6 }
        };
        ROUTES.iter().zip(&self.routes).map(of_route).collect()
    }
}

/// Returns which class a path is of, by its place in [`ROUTES`].
fn class(path: &str) -> usize {
    let word = match path {
        "/healthz" | "/readyz" | "/version" | "/metrics" | "/docs" | "/openapi.json" => "operation",
        "/v1/app" | "/v1/series" | "/v1/overview" => "app",
        _ if path.starts_with("/v1/users") => "users",
        _ if path.starts_with("/v1/sessions") => "sessions",
        _ if path.starts_with("/v1/projects/") || path.starts_with("/sourceConfig") => "settings",
        _ if Endpoint::from_path(path).is_some() => "ingest",
        _ => "other",
    };
    ROUTES.iter().position(|route| *route == word).unwrap_or(ROUTES.len() - 1)
}

/// Counts a request when its answer begins. How long a stream goes on is not in it.
pub(crate) async fn count(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    let began = (house.clock)();
    let path = request.uri().path().to_owned();
    let route = ROUTES.get(class(&path)).copied().unwrap_or_default();
    let span = trace_span!(target: TRACES, "request", route, status = Empty);
    let response = next.run(request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
    let micros = (house.clock)().since(began).as_micros();
    house.traffic.count(&path, response.status().as_u16(), u64::try_from(micros).unwrap_or(0));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_of_one_class() {
        let table = [
            ("/v1/batch", "ingest"),
            ("/v1/t", "ingest"),
            ("/v1/users", "users"),
            ("/v1/users/ada/sessions", "users"),
            ("/v1/sessions/stream", "sessions"),
            ("/v1/series", "app"),
            ("/sourceConfig/", "settings"),
            ("/metrics", "operation"),
            ("/wp-admin.php", "other"),
        ];
        for (path, route) in table {
            assert_eq!(ROUTES[class(path)], route, "{path}");
        }
    }

    #[test]
    fn a_request_exactly_as_long_as_a_bucket_is_in_it() {
        let traffic = Traffic::default();
        for micros in [1_000, 1_001, 60_000_000] {
            traffic.count("/v1/batch", 200, micros);
        }
        traffic.count("/v1/batch", 503, 1);
        let seen = traffic.seen().remove(0);
        assert_eq!(seen.statuses, [("1xx", 0), ("2xx", 3), ("3xx", 0), ("4xx", 0), ("5xx", 1)]);
        assert_eq!(seen.buckets.first(), Some(&(Some(0.001), 2)));
        assert_eq!(seen.buckets.get(1), Some(&(Some(0.0025), 3)));
        assert_eq!(seen.buckets.last(), Some(&(None, 4)));
    }
}
