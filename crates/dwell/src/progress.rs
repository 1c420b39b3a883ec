//! A bar on a terminal, nothing in a pipe.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

/// Decides once whether progress is shown.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    shown: bool,
    quiet: bool,
}

/// One bar.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Progress {
    /// Shows progress when people watch, unless they asked for quiet.
    #[must_use]
    pub fn when_watched(quiet: bool) -> Self {
        Progress { shown: !quiet && std::io::stderr().is_terminal(), quiet }
    }

    /// Says whether notes are unwanted.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Begins the bar of a sweep that reads files in so many steps; one that reads none is too short for a bar.
    #[must_use]
    pub fn bar_of(&self, steps: Option<u64>) -> Bar {
        steps.map_or_else(|| Bar(ProgressBar::hidden()), |steps| self.bar("reading", steps))
    }

    /// Begins a bar of so many steps, 0 for an unknown number.
    #[must_use]
    pub fn bar(&self, what: &'static str, steps: u64) -> Bar {
        if !self.shown {
            return Bar(ProgressBar::hidden());
        }
        let (bar, template) = match steps {
            0 => (ProgressBar::new_spinner(), "{msg} {spinner} {human_pos} {elapsed}"),
            _ => (ProgressBar::new(steps), "{msg} {wide_bar} {percent} % {eta}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar(bar.with_message(what))
    }
}

impl Bar {
    /// Shows how far it is.
    pub fn set(&self, step: u64) {
        self.0.set_position(step);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
