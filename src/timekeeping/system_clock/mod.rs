//! The system clock: followed as a source of UTC where another daemon owns it, and steered as an
//! output where this program does. Whether it is believed as a reference beside others belongs in
//! `references`.

mod follower;
pub mod servo;
mod source;

pub use follower::SystemClockFollower;
pub use source::SystemClockSource;
