//! What the program tells of itself while it runs: lines on standard error, and traces, if somebody wants them.
//!
//! `layer.rs` makes spans of what the rooms below mark, `sender.rs` takes them to a collector, `otlp.rs` is how they are written.

mod layer;
mod otlp;
mod sender;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use dwell_engine::TRACES;
use dwell_server::Traced;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::config::{self, Config};

/// As long as this lives, traces are sent. At its end those that wait are sent first, if the collector takes them.
pub struct Telling {
    /// What was sent and what was not.
    pub traced: Arc<Traced>,
    stop: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Who panicked has been told of.
        drop(self.sender.take().map(JoinHandle::join));
    }
}

/// Begins to tell, for the whole process.
pub fn begin(config: &Config) -> anyhow::Result<Telling> {
    let level = match config.telemetry.level {
        config::Level::Error => LevelFilter::ERROR,
        config::Level::Warn => LevelFilter::WARN,
        config::Level::Info => LevelFilter::INFO,
        config::Level::Debug => LevelFilter::DEBUG,
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match config.telemetry.format {
        config::LogFormat::Text => lines.boxed(),
        config::LogFormat::Json => lines.json().boxed(),
    };
    let lines = tracing_subscriber::registry().with(lines.with_filter(level));
    let mut telling = Telling { traced: Arc::default(), stop: Arc::default(), sender: None };
    let Some(endpoint) = &config.otlp.endpoint else {
        lines.init();
        return Ok(telling);
    };
    let (queue, ended) = std::sync::mpsc::sync_channel(sender::MOST_WAITING);
    let traces = layer::Traces::new(queue, config.otlp.one_in, telling.traced.clone());
    lines.with(traces.with_filter(filter_fn(|about| about.is_span() && about.target() == TRACES))).init();
    let sender = sender::Sender::new(endpoint, telling.traced.clone());
    let stop = telling.stop.clone();
    telling.sender =
        Some(std::thread::Builder::new().name("traces".to_owned()).spawn(move || sender.run(&ended, &stop))?);
    Ok(telling)
}
