//! How long a connection may take until its first request, how long it may lie idle between two requests, and how long
//! the head of each may take.
//!
//! hyper has one clock for the last two, from the end of an answer to the end of the next head. Here the line knows from the
//! service whether a request is under way, and has a clock for each.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::HttpBody;
use axum::http::{Request, Response, Version};
use tokio::time::{Instant, Sleep};
use tower_service::Service;

use super::connections::{Connections, Slow};

/// How long anybody may take who has no request under way.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the beginning of a connection, TLS not included, to the end of its first head.
    pub first: Duration,
    /// From the end of an answer to the first byte of the next request.
    pub idle: Duration,
    /// From that byte to the end of the head.
    pub head: Duration,
}

/// What line and service of one connection know together.
#[derive(Debug, Default)]
pub struct Pace {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Bytes that come on HTTP/2 need not be the beginning of a request.
    is_http2: AtomicBool,
}

/// Where a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The first request has not begun.
    First {
        /// Something of it came in.
        is_heard: bool,
    },
    /// A request is under way: others look after that.
    Busy,
    /// So many requests have ended, and the next has not begun.
    Idle(u64),
    /// Its head comes in.
    Head(u64),
}

/// The clock of a line.
pub struct Clock {
    pace: Arc<Pace>,
    patience: Patience,
    counted: Arc<Connections>,
    phase: Phase,
    rings: Pin<Box<Sleep>>,
    has_rung: bool,
}

impl Clock {
    pub fn new(pace: Arc<Pace>, patience: Patience, counted: Arc<Connections>) -> Clock {
        let rings = Box::pin(tokio::time::sleep(patience.first));
        Clock { pace, patience, counted, phase: Phase::First { is_heard: false }, rings, has_rung: false }
    }

    /// Notes that bytes came in.
    pub fn hear(&mut self) {
        self.look();
        if let Phase::First { is_heard } = &mut self.phase {
            *is_heard = true;
        } else if let Phase::Idle(ended) = self.phase
            && !self.pace.is_http2.load(Ordering::Relaxed)
        {
            self.begin(Phase::Head(ended), self.patience.head);
        }
    }

    /// Fails when nothing came for too long, and counts that.
    pub fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        self.look();
        let slow = match self.phase {
            Phase::Busy => return Poll::Pending,
            Phase::First { is_heard: false } => Slow::FirstByte,
            Phase::First { is_heard: true } | Phase::Head(_) => Slow::Header,
            Phase::Idle(_) => Slow::Idle,
        };
        if !self.has_rung {
            ready!(self.rings.as_mut().poll(context));
            self.has_rung = true;
            self.counted.time_out(slow);
        }
        Poll::Ready(io::Error::from(io::ErrorKind::TimedOut))
    }

    fn look(&mut self) {
        let ended = self.pace.ended.load(Ordering::Acquire);
        let begun = self.pace.begun.load(Ordering::Acquire);
        if begun == 0 {
            // It goes on as it began.
        } else if ended != begun {
            self.phase = Phase::Busy;
        } else if self.phase != Phase::Idle(ended) && self.phase != Phase::Head(ended) {
            self.begin(Phase::Idle(ended), self.patience.idle);
        }
    }

    fn begin(&mut self, phase: Phase, patience: Duration) {
        self.phase = phase;
        // The runtime's timers are set by its own clock.
        self.rings.as_mut().reset(Instant::now() + patience);
    }
}

/// A service that says when requests begin and end.
#[derive(Clone)]
pub struct Paced<S> {
    pub service: S,
    pub pace: Arc<Pace>,
}

/// A request that is under way until this is dropped.
struct UnderWay(Arc<Pace>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
    }
}

impl<S, R, B> Service<Request<R>> for Paced<S>
where
    S: Service<Request<R>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = Response<PacedBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<R>) -> Self::Future {
        self.pace.is_http2.store(request.version() == Version::HTTP_2, Ordering::Relaxed);
        self.pace.begun.fetch_add(1, Ordering::AcqRel);
        let under_way = UnderWay(Arc::clone(&self.pace));
        let answer = self.service.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| PacedBody { body, _under_way: under_way })) })
    }
}

/// The body of an answer: the request is under way for as long as it is sent.
pub struct PacedBody<B> {
    body: B,
    _under_way: UnderWay,
}

impl<B: HttpBody + Unpin> HttpBody for PacedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
