//! The teller: sends what people do to the server's own door, as an SDK would.
//!
//! While a past is told, the server's clocks are held at the moment of which is told, so that nothing in it is late and
//! deadlines ring when they were due. Then they are let go.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use dwell_core::time::{Span, Timestamp};
use serde::Deserialize;

use crate::clock::{Clock, SteadyClock};
use crate::demo::people::{Deed, People, body_of};
use crate::demo::story::Story;
use crate::progress::{Bar, Progress};

/// How much of the past is told at once. In it, all events arrive at its end.
const STEP: Span = Span::from_hours(4);

/// The most events in one body: some 350 bytes each.
const AT_ONCE: usize = 1_000;

/// How near to now the past has to come to be the present.
const NEAR: Span = Span::from_secs(1);

/// How often it is looked who did something.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// After how much of the past, and of the present, it is written down up to when was told.
const WRITE_EVERY_PAST: Span = Span::from_hours(48);
const WRITE_EVERY: Span = Span::from_secs(10);

/// How often a body is sent before it is given up, with a second in between.
const TRIES: u32 = 30;

/// How long a question may take.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// Sends, as long as nobody says to stop.
pub struct Teller {
    /// Where the server listens, like `http://127.0.0.1:8080`.
    pub url: String,
    /// Who the people are, and up to when they were told of.
    pub story: Story,
    /// Where the story lies.
    pub folder: PathBuf,
    /// The clock of the machine.
    pub steady: SteadyClock,
    /// What time it is at the server's door.
    pub door: Clock,
    /// What time it is for its deadlines.
    pub bell: Clock,
    /// Whether to stop.
    pub stop: Arc<AtomicBool>,
}

/// What was told of the past.
#[derive(Clone, Copy, Default, Debug)]
pub struct Told {
    /// How many events the server took.
    pub events: u64,
    /// Whether all of it was told, and nobody said to stop.
    pub whole: bool,
}

/// What a server says of a body.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    rejected: u64,
}

/// One app: its people, and the way to its door.
struct Channel {
    app: String,
    write_key: String,
    people: People,
    deeds: Vec<Deed>,
    agent: ureq::Agent,
}

/// All apps.
pub struct Channels(Vec<Channel>);

impl Teller {
    /// Gets everybody to where they stood when the story was last told.
    pub fn channels(&self) -> anyhow::Result<Channels> {
        let mut channels = Vec::new();
        for app in &self.story.apps {
            let mut people = People::of(&self.story, app)?;
            people.skip_until(Timestamp::from_micros(self.story.told_until));
            let agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(LONGEST_ANSWER))
                .build()
                .into();
            let (app, write_key) = (app.name.clone(), app.write_key.clone());
            channels.push(Channel { app, write_key, people, deeds: Vec::new(), agent });
        }
        Ok(Channels(channels))
    }

    /// Tells everything that was not told yet, up to now, and waits until the server has counted it.
    pub fn tell_past(&mut self, channels: &mut Channels, progress: &Progress) -> anyhow::Result<Told> {
        let mut told = Told::default();
        let from = Timestamp::from_micros(self.story.told_until);
        let minutes = |span: Span| u64::try_from(span.whole_secs() / 60).unwrap_or(0);
        let bar = progress.bar("telling the past", minutes(self.steady.now().since(from)).max(1));
        let (mut at, mut written) = (from, from);
        while !self.must_stop() {
            let now = self.steady.now();
            if now.minus(NEAR) <= at {
                self.door.let_go();
                self.bell.let_go();
                self.story.write(&self.folder)?;
                self.wait_for_books(channels, progress)?;
                return Ok(Told { whole: !self.must_stop(), ..told });
            }
            at = at.plus(STEP).min(now);
            self.door.hold_at(at);
            told.events += self.tell(channels, at)?;
            // Only now: what was said before a deadline lies in the log before it rings.
            self.bell.hold_at(at);
            if self.must_stop() {
                break;
            }
            self.story.told_until = at.as_micros();
            if written.plus(WRITE_EVERY_PAST) <= at {
                self.story.write(&self.folder)?;
                written = at;
            }
            bar.set(minutes(at.since(from)));
        }
        self.story.write(&self.folder)?;
        Ok(told)
    }

    /// Tells what people do while they do it, until somebody says to stop.
    pub fn tell_present(&mut self, channels: &mut Channels) -> anyhow::Result<()> {
        let mut written = self.steady.now();
        while !self.must_stop() {
            std::thread::sleep(LOOK_EVERY);
            let now = self.steady.now();
            self.tell(channels, now)?;
            if self.must_stop() {
                break;
            }
            self.story.told_until = now.as_micros();
            if written.plus(WRITE_EVERY) <= now {
                self.story.write(&self.folder)?;
                written = now;
            }
        }
        self.story.write(&self.folder)
    }

    fn must_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Tells all apps of what arrives up to a moment, side by side, and returns how many events were taken.
    fn tell(&self, channels: &mut Channels, until: Timestamp) -> anyhow::Result<u64> {
        let tell = |channel: &mut Channel| -> anyhow::Result<u64> {
            let mut deeds = std::mem::take(&mut channel.deeds);
            deeds.clear();
            channel.people.until(until, &mut deeds);
            let mut taken = 0;
            for batch in deeds.chunks(AT_ONCE) {
                taken += self.send(channel, batch)?;
            }
            channel.deeds = deeds;
            Ok(taken)
        };
        std::thread::scope(|scope| {
            let tellers: Vec<_> = channels.0.iter_mut().map(|channel| scope.spawn(move || tell(channel))).collect();
            tellers
                .into_iter()
                .map(|teller| teller.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .sum()
        })
    }

    /// Sends one body, and again while the server asks for that or does not answer: what comes twice counts once.
    fn send(&self, channel: &Channel, deeds: &[Deed]) -> anyhow::Result<u64> {
        let body = body_of(deeds)?;
        let mut failure = String::new();
        for _ in 0..TRIES {
            let request = channel.agent.post(format!("{}/v1/batch", self.url));
            let request = request.header("authorization", format!("Bearer {}", channel.write_key));
            match request.send(body.as_slice()) {
                Ok(mut answer) => {
                    let text = answer.body_mut().read_to_string().unwrap_or_default();
                    match answer.status().as_u16() {
                        200 => return taken(&channel.app, &text),
                        408 | 429 | 500.. => failure = text,
                        status => bail!("{} refused its people's events with {status}: {text}", channel.app),
                    }
                }
                Err(error) => failure = error.to_string(),
            }
            if self.must_stop() {
                return Ok(0);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        bail!("{} takes no events: {failure}", channel.app)
    }

    /// Waits until the engine has read the whole log.
    fn wait_for_books(&self, channels: &Channels, progress: &Progress) -> anyhow::Result<()> {
        let channel = channels.0.first().context("there are no apps")?;
        let mut bar: Option<(Bar, u64)> = None;
        while !self.must_stop() {
            let asked = channel.agent.get(format!("{}/metrics", self.url)).call();
            let metrics = match asked.and_then(|mut answer| answer.body_mut().read_to_string()) {
                // It stops, and so does this.
                Err(_) if self.must_stop() => return Ok(()),
                answer => answer?,
            };
            let number = |name| metric(&metrics, name).with_context(|| format!("the server has no metric {name}"));
            let (next, read) = (number("dwell_log_next")?, number("dwell_engine_next")?);
            if next <= read || number("dwell_engine_stopped")? != 0 {
                return Ok(());
            }
            let (bar, from) = bar.get_or_insert_with(|| (progress.bar("counting sessions", next - read), read));
            bar.set(read.saturating_sub(*from));
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

/// Returns how many events of a body the server took. All of them are in order, so that none may be refused.
fn taken(app: &str, text: &str) -> anyhow::Result<u64> {
    let answer: Answer = serde_json::from_str(text).with_context(|| format!("{app} answered {text:?}"))?;
    if answer.rejected != 0 {
        bail!("{app} refused {} of its people's events: {text}", answer.rejected);
    }
    Ok(answer.accepted)
}

/// Reads a metric without labels.
fn metric(metrics: &str, name: &str) -> Option<u64> {
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
