//! Commands to the whole ride: start, stop, resume, volume, reload, identify; on all boxes or on
//! some of them, in the same frame.
//!
//! - [`action`] is what a box can be commanded to do, [`outcome`] what came of it;
//! - [`Commands`] is how the rest of the program sends one, from any thread;
//! - [`Desk`] is a box's part in all commands: [`Sending`] repeats one of its own, [`Receiving`]
//!   judges those of others, and an [`Effect`] is what the service has to do;
//! - [`newest`] is what a box takes over that was out of reach.
//!
//! A command names the instant at which it takes effect, [`LEAD`] ahead. It is repeated until every
//! box has answered, for [`PATIENCE`] at most. Decision 29 says why nobody can do it again later.
//!
//! # How to use it
//!
//! The service makes one [`Commands`] per ride; clones share it. Sending never waits, and touches
//! neither the audio path nor the conductor: a request goes to the ride's thread, which reports
//! [`Progress`] by a channel. Every report is the whole table; the last one has `is_over`, and the
//! channel ends after it. A receiver may be dropped at any time; the command goes on.
//!
//! ```ignore
//! let commands: Commands = ...; // service: RideSide::commands(); `None` without a key
//! let action = Action::Volume { change: VolumeChange::Up { percent: 5 }, keeps_ratios: true };
//! let progress = commands.send(action, Targets::All)?;     // also Targets::Named(vec![...])
//! for report in progress {                                 // each change, at most for 6 s
//!     for row in &report.rows { show(&row.name, row.has_it, &row.outcome); }
//! }
//! ```
//!
//! `Targets::Named` takes names as the table shows them, or numbers of boxes as [`BoxId`] writes
//! them (`NeighbourStatus::id`), which are unique where two boxes have the same name. A name that
//! nobody has is an error at once ([`SendError::Unknown`]).
//!
//! The table of boxes is in the service's status: `StatusBoard::read()` returns an `Arc<Status>`
//! from a lock that is held for some instructions; `status.ride` has the other boxes, and the rest
//! of it this box. It is renewed every fifth of a second, and what the neighbours say every half
//! second. [`Commands::report`] is the ride's own part of it. [`Commands::compare`] asks a box for
//! its list, on demand, and says what differs.
//!
//! [`BoxId`]: crate::ride::message::BoxId

pub mod action;
mod desk;
mod effect;
mod follow;
pub mod guest;
mod handle;
pub mod outcome;
mod receiving;
mod sending;

use jaudiosync_time::Span;

pub use action::{Action, At, Join, Targets, VolumeChange};
pub use desk::{Desk, Hearing, Present};
pub use effect::{Answered, Effect, Effects};
pub use follow::newest;
pub use handle::{Commands, Request, SendError};
pub use outcome::{Done, Outcome, Progress, Reason, Row};
pub use receiving::{Receiving, Verdict};
pub use sending::{Due, Sending, Target};

/// How far ahead of its sending a command takes effect: time enough for all boxes to get it, where
/// a third of the datagrams is lost.
pub const LEAD: Span = Span::from_ms(2_000);

/// A box that has not answered after this time is shown as such.
pub const PATIENCE: Span = Span::from_ms(5_000);

#[cfg(test)]
mod tests;
