//! People that never were: populations of users whose true sessions are known.
//!
//! A timeout can only be judged where somebody knows when the user had really left. Here we do, since we made the
//! user up: every event carries the ordinal of the visit it belongs to, and every visit says when it truly began
//! and ended. The stream comes in order of arrival, for any number of events, in bounded memory.
//!
//! The crate never reads a file, a clock or an environment: the same [`Recipe`] gives the same events on every
//! machine, whatever versions of other libraries are about. Writing events down is the caller's affair.
//!
//! ```
//! use dwell_simulate::{Recipe, Simulation, Tempo};
//!
//! let recipe = Recipe { users: 50, days: 2, tempo: Tempo::Slow, ..Recipe::default() };
//! let mut simulation = Simulation::begin(&recipe)?;
//! let (mut events, mut visits) = (Vec::new(), Vec::new());
//! while simulation.fill(&mut events, &mut visits) {
//!     // Write both down, and empty them: that is what bounds the memory.
//!     events.clear();
//!     visits.clear();
//! }
//! # Ok::<(), dwell_simulate::RecipeProblem>(())
//! ```
//!
//! Start at [`Simulation::begin`]; what people do is in `plan.rs` (when they come) and `visit.rs` (what they do then).

#![forbid(unsafe_code)]

mod calibrate;
mod crowd;
mod curve;
pub mod diary;
mod event;
mod fault;
mod id;
mod name;
mod plan;
mod random;
mod recipe;
mod score;
mod simulation;
mod visit;

pub use event::{SimulatedEvent, TrueVisit};
pub use id::{IdText, device_id, short_id, user_id};
pub use recipe::{Faults, Population, Recipe, RecipeProblem, TEN_YEARS, Tempo, Zones};
pub use score::{Boundaries, Gap, boundaries_of_timeouts};
pub use simulation::Simulation;
