//! The group's time: the UTC that boxes which hear each other have agreed on, as this box has it.
//!
//! It is a second calibration of the same flywheels. That towards UTC learns from references alone,
//! and is never moved by neighbours; this one learns from the neighbour that is followed, and is
//! what is played by. It is remembered when the boxes part. As both are estimates of UTC they share
//! its axis. Who is followed is decided elsewhere; nothing here sends or receives.
//!
//! - `clock` is the calibration, and what is published of it;
//! - `apart` is how far this box may be from those that it does not hear;
//! - `stated` is how far its time can be from UTC, as its leader states;
//! - `steering` is how the leader moves the group's time towards UTC, and how all do the same at
//!   the same instant.

mod apart;
mod clock;
#[cfg(test)]
mod properties;
mod stated;
mod steering;

pub use self::clock::{Contact, GroupClock, GroupCommand, GroupEstimate, GroupId, GroupSample, RtcView, SavedGroup};
pub use self::steering::{MOST_STEERING, SteeringPlan};
