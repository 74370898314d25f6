//! Hears in a recording how far apart the boxes really sound.
//!
//! A recording goes through [`compress`], which makes a short pulse of every sweep; [`noise_floor`]
//! and [`detect`] find the pulses in pairs, and [`turns`] those pairs that follow one schedule. For
//! each turn there is a [`response`] of the air; [`clock`] takes the recorder's clock out of when
//! they were heard, and [`arrival`] finds the first arrival in them. [`analysis`] puts these together
//! into [`findings`].
//!
//! [`combine`] puts several recordings together, [`picture`] draws what was found. All of this is pure
//! but for [`recording`], which reads files; nothing reads a clock.

pub mod analysis;
mod arrival;
pub mod channel;
mod clock;
pub mod combine;
pub mod compress;
mod detect;
pub mod findings;
mod noise_floor;
pub mod picture;
pub mod recording;
mod response;
pub mod stereo;
mod transform;
mod turns;
