//! Spans as the rooms mark them become spans as collectors know them, and go into a queue that never makes anybody wait.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use dwell_core::time::Timestamp;
use dwell_server::Traced;
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// The name of spans of which not all are traced, since there are as many as clients like.
const REQUEST: &str = "request";

/// Whoever records this on a span takes it back: nothing happened that is worth telling.
const IDLE: &str = "idle";

/// A span, from its beginning to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ended {
    /// What it belongs to: sixteen bytes, as two numbers.
    pub trace: [u64; 2],
    /// What names it.
    pub id: u64,
    /// Within which other one it lies.
    pub parent: Option<u64>,
    /// What was done.
    pub name: &'static str,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What else is known.
    pub facts: Vec<(&'static str, Fact)>,
}

/// Something known of a span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fact {
    /// How many.
    Number(i64),
    /// A word.
    Word(String),
}

/// See the module.
pub struct Traces {
    queue: SyncSender<Ended>,
    one_in: u64,
    requests: AtomicU64,
    /// Two processes must not give out the same names.
    names: RandomState,
    named: AtomicU64,
    traced: Arc<Traced>,
}

impl Traces {
    /// Puts what ended into a queue; of requests, one of so many.
    pub fn new(queue: SyncSender<Ended>, one_in: u64, traced: Arc<Traced>) -> Self {
        Traces {
            queue,
            one_in: one_in.max(1),
            requests: AtomicU64::new(0),
            names: RandomState::new(),
            named: AtomicU64::new(0),
            traced,
        }
    }

    /// Returns a number that nobody else has, and that is not 0.
    fn name(&self) -> u64 {
        self.names.hash_one(self.named.fetch_add(1, Ordering::Relaxed)).max(1)
    }
}

/// What is known of a span while it goes on.
struct Begun(Ended);

impl Visit for Begun {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.facts.push((field.name(), Fact::Word(format!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.facts.push((field.name(), Fact::Word(value.to_owned())));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.record_i64(field, i64::try_from(value).unwrap_or(i64::MAX));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.facts.push((field.name(), Fact::Number(value)));
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Traces {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let (trace, parent) = match span.parent() {
            Some(parent) => match parent.extensions().get::<Begun>() {
                Some(Begun(parent)) => (parent.trace, Some(parent.id)),
                // It is not traced, and neither is what lies within it.
                None => return,
            },
            None => {
                let is_request = span.name() == REQUEST;
                if is_request && !self.requests.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.one_in) {
                    return;
                }
                ([self.name(), self.name()], None)
            }
        };
        let now = clock::now();
        let facts = Vec::new();
        let name = span.name();
        let mut begun = Begun(Ended { trace, id: self.name(), parent, name, began: now, ended: now, facts });
        attributes.record(&mut begun);
        span.extensions_mut().insert(begun);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(begun) = span.extensions_mut().get_mut::<Begun>()
        {
            values.record(begun);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let begun = context.span(&id).and_then(|span| span.extensions_mut().remove::<Begun>());
        let Some(Begun(ended)) = begun else { return };
        if ended.facts.iter().any(|(name, _)| *name == IDLE) {
            return;
        }
        let ended = Ended { ended: clock::now().max(ended.began), ..ended };
        // Nobody waits for a collector: what finds no room is dropped, and counted.
        if self.queue.try_send(ended).is_err() {
            self.traced.drop_some(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use tracing::{Span, trace_span};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What comes of some spans, of requests one in so many, when so many find room.
    fn told(one_in: u64, room: usize, act: impl FnOnce()) -> (Vec<Ended>, u64) {
        let (queue, ended) = sync_channel(room);
        let traced = Arc::<Traced>::default();
        let traces = Traces::new(queue, one_in, traced.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces), act);
        (ended.try_iter().collect(), traced.dropped())
    }

    #[test]
    fn what_lies_within_a_span_belongs_to_its_trace() {
        let (ended, dropped) = told(1, 10, || {
            let request = trace_span!("request", route = "ingest", status = tracing::field::Empty);
            request.in_scope(|| drop(trace_span!("append", records = 3_u64)));
            request.record("status", 200);
        });
        let [append, request] = ended.as_slice() else { panic!("{ended:?}") };
        assert_eq!((append.name, request.name, dropped), ("append", "request", 0));
        assert_eq!((append.trace, append.parent), (request.trace, Some(request.id)));
        assert_eq!(request.parent, None);
        assert_eq!(append.facts, [("records", Fact::Number(3))]);
        assert_eq!(request.facts, [("route", Fact::Word("ingest".to_owned())), ("status", Fact::Number(200))]);
        assert!(request.began <= append.began && append.ended <= request.ended);
    }

    #[test]
    fn of_requests_one_in_so_many_is_traced_with_all_in_it_and_of_turns_every_one() {
        let (ended, _) = told(3, 100, || {
            for _ in 0..7 {
                trace_span!("request").in_scope(|| drop(trace_span!("append")));
                trace_span!("turn").in_scope(|| drop(trace_span!("commit")));
            }
        });
        let count = |name| ended.iter().filter(|one| one.name == name).count();
        assert_eq!(["request", "append", "turn", "commit"].map(count), [3, 3, 7, 7]);
        let mut names: Vec<u64> = ended.iter().map(|one| one.id).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ended.len());
    }

    #[test]
    fn a_turn_that_found_nothing_is_not_told() {
        let (ended, dropped) = told(1, 10, || trace_span!("turn", idle = true).in_scope(|| ()));
        assert_eq!((ended, dropped), (vec![], 0));
    }

    #[test]
    fn what_finds_no_room_is_dropped_at_once_and_counted() {
        let (ended, dropped) = told(1, 2, || (0..5).for_each(|_| drop(trace_span!("turn"))));
        assert_eq!((ended.len(), dropped), (2, 3));
        assert!(Span::current().is_none());
    }
}
