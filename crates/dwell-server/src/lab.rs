//! The lab of a live app: what every timeout would have done, up to the events that have been read.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use dwell_core::lab::ledger::{CurvePoint, GapLedger};
use dwell_core::lab::lengths::Grid;
use dwell_core::policy::Policy;
use dwell_core::time::{Timeout, Timestamp};
use dwell_policy::span::timeout;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::House;
use crate::api::{asked_in, seconds};
use crate::auth::policy_reader_of;
use crate::problem::Problem;

/// How many timeouts may be named in a question.
const MOST_TIMEOUTS: usize = 1_000;

#[derive(Deserialize)]
pub(crate) struct LabAsked {
    timeouts: Option<String>,
    versus: Option<String>,
    #[serde(default)]
    form: Form,
}

/// How points are written.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// Each by itself, with names.
    #[default]
    Points,
    /// Measure by measure: of every whole second, a third as long.
    Columns,
}

/// The curve of an app at some timeouts, or at every whole second, beside the timeout in force.
pub(crate) async fn lab(State(house): State<Arc<House>>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let app = policy_reader_of(&house, &headers, &uri)?;
    Ok(Json(told(&house, app.id.as_str(), &asked_in(&uri)?)?).into_response())
}

/// The same at these timeouts, for a command on the machine; it is compared with the timeout in force unless another is named.
///
/// # Errors
/// Why it cannot be said, in words: that is no timeout, or the books cannot be read.
pub fn lab_of(house: &House, app: &str, timeouts: String, versus: Option<String>) -> Result<Value, String> {
    let asked = LabAsked { timeouts: Some(timeouts), versus, form: Form::Points };
    let lab = told(house, app, &asked).map_err(Problem::into_detail)?;
    serde_json::to_value(lab).map_err(|error| error.to_string())
}

fn told<'a>(house: &House, app: &'a str, asked: &LabAsked) -> Result<Lab<'a>, Problem> {
    let timeouts = match asked.timeouts.as_deref() {
        None => Grid::standard().timeouts().to_vec(),
        Some("all") => Vec::new(),
        Some(list) => read_all(list)?,
    };
    let now = (house.clock)();
    let history = house.policies.history(app)?;
    let in_force = in_force(&history.policy(&house.policies.base().policy), now);
    let versus = asked.versus.as_deref().map_or(Ok(in_force), |text| read_one("versus", text))?;
    let ledger = house.desk.lab(app)?;
    let curve = ledger.curve();
    let at = |timeout: Timeout| curve.get(timeout.as_secs() as usize - 1);
    let points: Vec<Point> = if timeouts.is_empty() {
        curve.iter().map(Point::of).collect()
    } else {
        timeouts.iter().filter_map(|timeout| at(*timeout)).map(Point::of).collect()
    };
    let (points, columns) = match asked.form {
        Form::Points => (points, None),
        Form::Columns => (Vec::new(), Some(Columns::of(&points))),
    };
    Ok(Lab {
        app,
        in_force_seconds: in_force.as_secs(),
        read_up_to: house.desk.offset().number(),
        sessions_always: ledger.sessions_always(),
        versus: at(versus).map(Point::of),
        points,
        columns,
        gaps: gaps(&ledger),
    })
}

/// Returns the timeout of everybody for whom nothing narrower holds.
pub(crate) fn in_force(policy: &Policy, now: Timestamp) -> Timeout {
    policy.standing_of("", &[], &[]).timeout_at(now, 0).timeout
}

/// Written as it is: a document of a hundred thousand objects would be made for nothing but to be written.
#[derive(Serialize)]
struct Lab<'a> {
    app: &'a str,
    in_force_seconds: u32,
    read_up_to: u64,
    sessions_always: u64,
    versus: Option<Point>,
    points: Vec<Point>,
    columns: Option<Columns>,
    gaps: Vec<[u64; 2]>,
}

#[derive(Serialize)]
struct Point {
    timeout_seconds: u32,
    sessions: u64,
    total_length_seconds: f64,
    mean_length_seconds: f64,
}

impl Point {
    fn of(point: &CurvePoint) -> Self {
        Point {
            timeout_seconds: point.timeout.as_secs(),
            sessions: point.sessions,
            total_length_seconds: seconds(point.total_length.as_micros()),
            mean_length_seconds: seconds(point.mean_length().as_micros()),
        }
    }
}

/// The same points, measure by measure: what stands at one place in each list is one point.
#[derive(Serialize)]
struct Columns {
    timeout_seconds: Vec<u32>,
    sessions: Vec<u64>,
    total_length_seconds: Vec<f64>,
    mean_length_seconds: Vec<f64>,
}

impl Columns {
    fn of(points: &[Point]) -> Self {
        Columns {
            timeout_seconds: points.iter().map(|point| point.timeout_seconds).collect(),
            sessions: points.iter().map(|point| point.sessions).collect(),
            total_length_seconds: points.iter().map(|point| point.total_length_seconds).collect(),
            mean_length_seconds: points.iter().map(|point| point.mean_length_seconds).collect(),
        }
    }
}

/// Gaps between sessions by their whole seconds, without zeros.
fn gaps(ledger: &GapLedger) -> Vec<[u64; 2]> {
    let found = ledger.gaps().enumerate().filter(|(_, count)| *count != 0);
    found.map(|(second, count)| [second as u64, count]).collect()
}

fn read_all(list: &str) -> Result<Vec<Timeout>, Problem> {
    if MOST_TIMEOUTS < list.split(',').count() {
        return Err(Problem::bad_request(format!(
            "`timeouts` names more than {MOST_TIMEOUTS}: ask for all, which is every whole second"
        )));
    }
    list.split(',').map(|text| read_one("timeouts", text)).collect()
}

pub(crate) fn read_one(name: &str, text: &str) -> Result<Timeout, Problem> {
    timeout(text.trim()).map_err(|why| Problem::bad_request(format!("`{name}` cannot be read: {why}")))
}
