//! Takes spans to a collector. It may be away, slow or wrong: then they are dropped, and counted, and nobody else waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use dwell_server::Traced;
use tracing::{info, warn};

use super::layer::Ended;
use super::otlp;
use crate::clock;

/// How many spans may wait. With those on their way it is all the memory that traces take: about 1 MiB.
pub const MOST_WAITING: usize = 2_048;

/// How many go together.
const MOST_TOGETHER: usize = 512;

/// How long the first of them waits for others.
const GATHERING: Duration = Duration::from_secs(2);

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often somebody who waits looks whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// See the module.
pub struct Sender {
    url: String,
    agent: ureq::Agent,
    traced: Arc<Traced>,
}

impl Sender {
    /// Will send to an endpoint.
    pub fn new(endpoint: &str, traced: Arc<Traced>) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
        Sender { url: format!("{}{}", endpoint.trim_end_matches('/'), otlp::PATH), agent, traced }
    }

    /// Sends what comes out of the queue until it is told to stop, and then what waits.
    pub fn run(self, ended: &Receiver<Ended>, stop: &AtomicBool) {
        let mut is_away = false;
        loop {
            let is_last = stop.load(Ordering::Relaxed);
            let spans = gather(ended, stop);
            if spans.is_empty() {
                if is_last {
                    return;
                }
                continue;
            }
            match self.send(&spans) {
                Ok(()) => {
                    self.traced.send_some(spans.len() as u64);
                    if is_away {
                        info!("the collector takes traces again");
                    }
                    is_away = false;
                }
                Err(error) => {
                    self.traced.drop_some(spans.len() as u64);
                    if !is_away {
                        warn!(%error, url = self.url, "the collector does not take traces: they are dropped and counted");
                    }
                    is_away = true;
                    if is_last {
                        // What is left has no better chance.
                        self.traced.drop_some(ended.try_iter().count() as u64);
                        return;
                    }
                }
            }
        }
    }

    fn send(&self, spans: &[Ended]) -> Result<(), ureq::Error> {
        let body = otlp::body(spans).to_string();
        self.agent.post(&self.url).header("content-type", "application/json").send(body).map(drop)
    }
}

/// Waits for spans, for a while where there are few.
fn gather(ended: &Receiver<Ended>, stop: &AtomicBool) -> Vec<Ended> {
    let began = clock::steady();
    let mut spans = Vec::new();
    while spans.len() < MOST_TOGETHER && began.elapsed() < GATHERING {
        match ended.recv_timeout(LOOK_EVERY) {
            Ok(span) => spans.push(span),
            Err(RecvTimeoutError::Timeout) if !stop.load(Ordering::Relaxed) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    spans
}
