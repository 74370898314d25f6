//! The process's one estimate of UTC: an affine map from the raw monotonic clock, and what it is made
//! from.
//!
//! - [`rtc`] makes RTC time of the RTC's edges;
//! - [`references`] speak to the world;
//! - [`estimate`] makes UTC of both: [`estimate::calibration`], [`estimate::selection`],
//!   [`estimate::timekeeper`], and [`estimate::smoothing`], which puts the result out without jumps;
//! - [`published`] is where the player and everything else take UTC from, and the one place where it is
//!   stepped;
//! - [`system_clock`] follows the system clock or steers it;
//! - [`task`] does all this step by step. `service::clock_thread` opens the devices and runs it.
//!
//! `estimate` and all but the search in `rtc` are pure: readings of clocks are passed in. Only `task`,
//! `rtc::edge_search` and `system_clock`
//! touch the RTC and the clocks, through the traits of `hw`; whether
//! the kernel calls its clock synchronized is read from the kernel itself.

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
