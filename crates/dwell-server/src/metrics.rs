//! What Prometheus asks. Labels are bounded: apps that exist, and reasons that the code knows.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::door::Connections;
use crate::problem::Problem;
use crate::traffic::Seen;
use crate::{House, Process, Traced};

/// What the street door has seen since it was opened, exactly: received = accepted + duplicate + rejected.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_app: Mutex<BTreeMap<String, AppCounts>>,
}

#[derive(Clone, Debug, Default)]
struct AppCounts {
    received: u64,
    accepted: u64,
    duplicate: u64,
    rejected: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Counts messages, whatever became of them. A body that was refused as a whole counts as one.
    pub fn receive(&self, app: &str, count: u64) {
        self.of(app, |counts| counts.received += count);
    }

    /// Counts messages that the log keeps.
    pub fn accept(&self, app: &str, count: u64) {
        self.of(app, |counts| counts.accepted += count);
    }

    /// Counts messages that came twice in one body, or lately in another.
    pub fn duplicate(&self, app: &str, count: u64) {
        self.of(app, |counts| counts.duplicate += count);
    }

    /// Counts messages, or bodies as a whole, that were refused.
    pub fn reject(&self, app: &str, reason: &'static str, count: u64) {
        self.of(app, |counts| *counts.rejected.entry(reason).or_default() += count);
    }

    fn of(&self, app: &str, change: impl FnOnce(&mut AppCounts)) {
        let mut all = self.lock();
        match all.get_mut(app) {
            Some(counts) => change(counts),
            None => change(all.entry(app.to_owned()).or_default()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, AppCounts>> {
        self.by_app.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all metrics in Prometheus' text format.
pub(crate) async fn metrics(State(house): State<Arc<House>>) -> Result<impl IntoResponse, Problem> {
    let mut out = String::new();
    let mut series = |name: &str, help: &str, kind: &str, values: &[(String, i64)]| {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        values.iter().try_for_each(|(labels, value)| writeln!(out, "{name}{labels} {value}"))
    };
    let registry = house.registry.read().unwrap_or_else(PoisonError::into_inner);
    let apps: Vec<String> = registry.apps().map(|app| app.id.to_string()).collect();
    drop(registry);
    let mut counts = house.counts.lock().clone();
    // An app that says nothing has its 0, so that silence since a start can be told from an app that is not there.
    for app in &apps {
        counts.entry(app.clone()).or_default();
    }
    let door = |value: fn(&AppCounts) -> u64| -> Vec<(String, i64)> {
        counts.iter().map(|(app, counts)| (labels(&[("app", app)]), value(counts) as i64)).collect()
    };
    let rejected: Vec<(String, i64)> = counts
        .iter()
        .flat_map(|(app, counts)| counts.rejected.iter().map(move |(reason, count)| (app, reason, count)))
        .map(|(app, reason, count)| {
            (labels(&[("app", app), ("dialect", "segment"), ("reason", reason)]), *count as i64)
        })
        .collect();
    let machine = (house.machine)();
    let one = |value: u64| vec![(String::new(), i64::try_from(value).unwrap_or(i64::MAX))];
    let traffic = house.traffic.seen();
    let answered = |seen: &Seen| -> Vec<(String, i64)> {
        let of_status =
            |(status, count): &(&str, u64)| (labels(&[("route", seen.route), ("status", status)]), *count as i64);
        seen.statuses.iter().filter(|(_, count)| 0 < *count).map(of_status).collect()
    };
    let requests: Vec<(String, i64)> = traffic.iter().flat_map(answered).collect();
    let waiting = house.waiting.read().unwrap_or_else(PoisonError::into_inner).is_some();
    let breaches = house.breaches.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let violations = breaches.counts().map(|(law, count)| (labels(&[("law", &format!("{law:?}"))]), count as i64));
    let mut outcomes = Vec::new();
    let (mut open, mut users) = (Vec::new(), Vec::new());
    let (mut feed_first, mut feed_next) = (Vec::new(), Vec::new());
    for app in apps {
        // While the books are closed, nobody knows. Whoever watches must hear of that, and of all else.
        let Ok(numbers) = house.desk.numbers(&app) else { continue };
        for (outcome, count) in [
            ("joined", numbers.joined),
            ("amended", numbers.amended),
            ("silent", numbers.silent),
            ("orphan", numbers.orphan),
            ("duplicate", numbers.duplicate),
            ("late", numbers.late),
        ] {
            outcomes.push((labels(&[("app", &app), ("outcome", outcome)]), count as i64));
        }
        open.push((labels(&[("app", &app)]), numbers.open));
        users.push((labels(&[("app", &app)]), numbers.users));
        let Ok(first) = house.desk.feed_first(&app) else { continue };
        feed_first.push((labels(&[("app", &app)]), first as i64));
        feed_next.push((labels(&[("app", &app)]), numbers.next as i64));
    }
    let written = [
        (
            "dwell_messages_received_total",
            "Messages that came in; a body that was refused as a whole counts as one.",
            "counter",
            door(|counts| counts.received),
        ),
        ("dwell_messages_accepted_total", "Messages that the log keeps.", "counter", door(|counts| counts.accepted)),
        (
            "dwell_messages_duplicate_total",
            "Messages that came twice in one body, or lately in another.",
            "counter",
            door(|counts| counts.duplicate),
        ),
        ("dwell_messages_rejected_total", "Messages and bodies that were refused.", "counter", rejected),
        (
            "dwell_messages_remembered",
            "Messages that are remembered, so that it is told when they come again.",
            "gauge",
            one(house.lately.remembered() as u64),
        ),
        ("dwell_events_total", "Events that the engine read from the log, by outcome.", "counter", outcomes),
        ("dwell_sessions_open", "Sessions that may still grow.", "gauge", open),
        ("dwell_users", "Users of whom anything is known.", "gauge", users),
        ("dwell_feed_first", "The number of the oldest statement of the feed that is kept.", "gauge", feed_first),
        ("dwell_feed_next", "The number that the next statement of the feed will have.", "counter", feed_next),
        (
            "dwell_feed_statements_swept_total",
            "Statements of the feed that were dropped because they were older than they are kept.",
            "counter",
            one(house.swept.load(Ordering::Relaxed)),
        ),
        (
            "dwell_log_next",
            "The number of the next record of the log.",
            "counter",
            vec![(String::new(), house.log.next().number() as i64)],
        ),
        (
            "dwell_engine_next",
            "The number of the next record that the engine reads.",
            "counter",
            vec![(String::new(), house.desk.offset().number() as i64)],
        ),
        (
            "dwell_engine_stopped",
            "1 when the engine cannot go on.",
            "gauge",
            vec![(String::new(), i64::from(house.stopped.get().is_some()))],
        ),
        (
            "dwell_engine_waiting",
            "1 while the books cannot be written; the engine tries again by itself.",
            "gauge",
            vec![(String::new(), i64::from(waiting))],
        ),
        (
            "dwell_law_violations_total",
            "Sessions that break a law, as often as that was seen.",
            "counter",
            violations.collect(),
        ),
        ("dwell_http_requests_total", "Requests by what was asked and the hundred of the answer.", "counter", requests),
        (
            "dwell_log_failed",
            "1 when the disk of the log failed: no event is taken until the next start.",
            "gauge",
            one(u64::from(machine.log_failure.is_some())),
        ),
        ("dwell_log_bytes", "Bytes of the log.", "gauge", one(machine.log_bytes)),
        ("dwell_log_segments", "Files of the log.", "gauge", one(machine.log_segments)),
        (
            "dwell_log_waiting_bytes",
            "Bytes that wait to be written to the log.",
            "gauge",
            one(machine.log_waiting_bytes),
        ),
        ("dwell_log_syncs_total", "Syncs of the log.", "counter", one(machine.log_syncs)),
        ("dwell_log_full_total", "Appends that found no room on the disk.", "counter", one(machine.log_full)),
        ("dwell_log_busy_total", "Appends that found too much waiting.", "counter", one(machine.log_busy)),
        (
            "dwell_archive_next",
            "The offset up to which events are in the archive.",
            "gauge",
            machine.archive_next.map(one).unwrap_or_default(),
        ),
        (
            "dwell_clock_off_seconds",
            "By how much the machine's clock was put ahead since the start.",
            "gauge",
            vec![(String::new(), machine.clock_off_seconds)],
        ),
        (
            "dwell_disk_free_bytes",
            "Bytes that are free where the data lies.",
            "gauge",
            machine.disk_free_bytes.map(one).unwrap_or_default(),
        ),
    ]
    .iter()
    .chain(&of_connections(&house.connections))
    .chain(&of_traces(&house.traced))
    .chain(&of_webhooks(&house))
    .try_for_each(|(name, help, kind, values)| series(name, help, kind, values));
    let process = (house.process)();
    let written = written.and_then(|()| durations(&mut out, &traffic)).and_then(|()| of_process(&mut out, process));
    written.map_err(|error| Problem::bad_request(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], out))
}

/// A name, what it is, its kind, and its values by their labels.
type Series = (&'static str, &'static str, &'static str, Vec<(String, i64)>);

/// What is counted of webhooks: by what became of them, and not by endpoint.
fn of_webhooks(house: &House) -> [Series; 6] {
    let board = &house.webhooks;
    let (kept, forgotten) = board.dead();
    let attempts = board.letters().map(|(kind, count)| (labels(&[("result", kind.word())]), count as i64));
    let states = board.states().map(|(state, count)| (labels(&[("state", state)]), count as i64));
    let alone = |value: i64| vec![(String::new(), value)];
    [
        ("dwell_webhook_attempts_total", "Attempts to deliver a webhook, by result.", "counter", attempts.to_vec()),
        ("dwell_webhook_given_up_total", "Webhooks that became dead letters.", "counter", alone(board.died() as i64)),
        ("dwell_webhook_dead_letters", "Dead letters that are kept.", "gauge", alone(kept as i64)),
        (
            "dwell_webhook_forgotten_total",
            "Dead letters that were forgotten for lack of room.",
            "counter",
            alone(forgotten as i64),
        ),
        (
            "dwell_webhook_lost_total",
            "Numbers of the feed that were dropped before an endpoint's turn had come.",
            "counter",
            alone(board.lost() as i64),
        ),
        ("dwell_webhook_endpoints", "Endpoints of webhooks, by state.", "gauge", states.to_vec()),
    ]
}

/// What became of connections, and of requests that no room of ours has seen.
fn of_connections(connections: &Connections) -> [Series; 5] {
    let alone = |value: u64| vec![(String::new(), value as i64)];
    let slow = connections.timed_out().into_iter();
    let slow = slow.map(|(timeout, count)| (labels(&[("timeout", timeout)]), count as i64));
    let unread = connections.unread().map(|(status, count)| (labels(&[("status", status)]), count as i64));
    [
        ("dwell_connections_open", "Connections that have a place.", "gauge", alone(connections.open())),
        (
            "dwell_connections_accepted_total",
            "Connections that found a place.",
            "counter",
            alone(connections.accepted()),
        ),
        (
            "dwell_connections_refused_total",
            "Connections that found no place.",
            "counter",
            alone(connections.refused()),
        ),
        (
            "dwell_connections_timed_out_total",
            "Connections that were closed because the client took too long, by the timeout that it passed.",
            "counter",
            slow.collect(),
        ),
        (
            "dwell_http_unread_total",
            "Requests whose head was not understood, by the status they were answered with.",
            "counter",
            unread.collect(),
        ),
    ]
}

/// What of traces was sent. Where there is no collector, both stay at 0.
fn of_traces(traced: &Traced) -> [Series; 2] {
    let alone = |value: u64| vec![(String::new(), value as i64)];
    [
        ("dwell_trace_spans_sent_total", "Spans that the collector took.", "counter", alone(traced.sent())),
        (
            "dwell_trace_spans_dropped_total",
            "Spans that found no room, or that the collector did not take.",
            "counter",
            alone(traced.dropped()),
        ),
    ]
}

/// Writes what the process takes, under the names that Prometheus' own clients give to it.
fn of_process(out: &mut String, process: Option<Process>) -> std::fmt::Result {
    let Some(Process { resident_bytes, cpu_time, open_fds, most_fds, started_at }) = process else { return Ok(()) };
    let mut one = |name: &str, help: &str, kind: &str, value: &dyn std::fmt::Display| {
        writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
    };
    one("process_resident_memory_bytes", "Bytes of memory that the process has.", "gauge", &resident_bytes)?;
    one("process_cpu_seconds_total", "How long it has worked, on all cores.", "counter", &cpu_time.as_secs_f64())?;
    one("process_start_time_seconds", "When it was started, since 1970.", "gauge", &started_at.as_secs_f64())?;
    one("process_open_fds", "Files and connections that it has open.", "gauge", &open_fds)?;
    most_fds.map_or(Ok(()), |most| one("process_max_fds", "How many it may have open.", "gauge", &most))
}

/// Writes how long requests took until their answer began, as a histogram of each class that was asked.
fn durations(out: &mut String, traffic: &[Seen]) -> std::fmt::Result {
    const NAME: &str = "dwell_http_request_seconds";
    writeln!(out, "# HELP {NAME} How long it took until an answer began, by what was asked.\n# TYPE {NAME} histogram")?;
    for seen in traffic {
        let Some((_, all)) = seen.buckets.last().filter(|(_, all)| 0 < *all) else { continue };
        for (most, count) in &seen.buckets {
            let most = most.map_or_else(|| "+Inf".to_owned(), |most| most.to_string());
            let labels = labels(&[("route", seen.route), ("le", &most)]);
            writeln!(out, "dwell_http_request_seconds_bucket{labels} {count}")?;
        }
        let labels = labels(&[("route", seen.route)]);
        writeln!(out, "dwell_http_request_seconds_sum{labels} {}", seen.seconds)?;
        writeln!(out, "dwell_http_request_seconds_count{labels} {all}")?;
    }
    Ok(())
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    format!("{{{}}}", pairs.join(","))
}
