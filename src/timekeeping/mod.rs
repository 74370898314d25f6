//! The process's one estimate of UTC: an affine map from the raw monotonic clock, and what it is made from.
//!
//! - [`edge_hunt`] reads the RTC's seconds, [`edge_tracker`] makes RTC time of them, [`calibration`] makes UTC of that;
//! - [`references`] speak to the world, [`selection`] decides which of them to believe, [`trust`] whether to believe the RTC;
//! - [`timekeeper`] puts these together and tells each [`notice`], [`presentation`] shows the result without jumps, [`servo`] steers the system clock;
//! - [`clock_task`] does all this, [`clock_thread`] on a thread of its own, [`source`] is where the player and everything else take UTC from.
//!
//! The map and all that computes it are pure: readings of clocks are passed in. Only `references` speaks to the world, and
//! only `clock_task`, `edge_hunt` and `system_clock` to the RTC and the clocks, through their traits. `system_clock` and
//! `references::system` also ask the kernel itself how well its clock is kept.

pub mod calibration;
pub mod clock_task;
pub mod clock_thread;
pub mod edge_hunt;
pub mod edge_tracker;
pub mod notice;
pub mod presentation;
pub mod references;
pub mod saved;
pub mod selection;
pub mod servo;
pub mod source;
pub mod status;
mod system_clock;
pub mod timekeeper;
mod timescale;
pub mod trust;

pub use system_clock::{SystemClockFollower, SystemClockSource};
pub use timescale::Timescale;
