//! The process's one estimate of UTC: an affine map from the raw monotonic clock, and what it is
//! made from.
//!
//! - [`rtc`] turns the RTC's edges into RTC time;
//! - [`references`] query the sources of time outside the box;
//! - [`estimate`] turns both into UTC: [`estimate::calibration`], [`estimate::selection`],
//!   [`estimate::timekeeper`], and [`estimate::smoothing`], which slews the result so that nothing
//!   jumps;
//! - [`published`] is where the player and everything else get UTC from, and the only place where
//!   it is stepped;
//! - [`system_clock`] follows the system clock or steers it;
//! - `clock_history` turns stamps of the system clock into readings of the raw clock;
//! - [`clock_module`] is the state in the memory on the clock module;
//! - [`task`] does all this step by step. `service::clock_thread` opens the devices and runs it.
//!
//! `estimate` and all but the search in `rtc` are pure: readings of clocks are passed in. Only
//! `task`, `rtc::edge_search`, `system_clock`, `references` and `published` touch the RTC and the
//! clocks, through the traits of `hw`; only whether the kernel considers its clock synchronized is read from the kernel
//! itself. Nothing here plays music or knows a playlist.

pub(crate) mod clock_history;
pub mod clock_module;
pub mod estimate;
pub mod notice;
pub mod published;
pub mod references;
pub mod rtc;
pub mod saved;
pub mod status;
pub mod system_clock;
pub mod task;

pub use system_clock::SystemClockSource;
