//! The system clock: followed as a source of UTC where another daemon owns it, and steered as an
//! output where this program does. As a reference beside others it is sampled in `references`, and
//! believed or not in `estimate`.

mod first_setting;
mod follower;
pub mod servo;
mod source;

pub use first_setting::first_setting;
pub use follower::SystemClockFollower;
pub use source::SystemClockSource;
