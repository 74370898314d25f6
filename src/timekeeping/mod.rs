//! The process's one estimate of UTC: an affine map from the raw monotonic clock, and what it is made from.
//!
//! The map and all that computes it are pure: readings of clocks are passed in. Only `references` speaks to the world.
//! The player, the timetable and everything else take UTC from a [`Timescale`] alone.

pub mod references;
mod system_clock;
mod timescale;

pub use system_clock::SystemClockFollower;
pub use timescale::Timescale;
