//! The process's one estimate of UTC: an affine map from the raw monotonic clock, and what it is made from.
//!
//! The map and all that computes it are pure: readings of clocks are passed in. The player, the timetable and
//! everything else take UTC from a [`Timescale`] alone.

mod system_clock;
mod timescale;

pub use system_clock::{Reading, SystemClockFollower, read};
pub use timescale::Timescale;
