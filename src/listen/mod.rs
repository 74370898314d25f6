//! Hears in a recording how far apart the boxes really sound.
//!
//! A recording goes through [`channel`] and [`compress`], which makes a short pulse of every sweep;
//! `noise_floor` and `detect` find the pulses in pairs, and `turns` those pairs that follow one
//! schedule. For each turn there is a `response` of the air, and `contrast` says what disturbed it;
//! `clock` takes the recorder's clock out of when they were heard, and `arrival` finds the first
//! arrival in them. [`analysis`] puts these together, `verdict` says what it means, in [`findings`].
//!
//! [`analyse`] does all that with a file, and [`report`] is what programs read of it. [`combine`] puts
//! several recordings together, [`stereo`] compares two channels, [`picture`] draws what was found. All of
//! this is pure but for [`recording`], which reads files; nothing reads a clock.

pub mod analysis;
mod arrival;
pub mod channel;
mod clock;
pub mod combine;
pub mod compress;
mod contrast;
mod detect;
pub mod findings;
mod foreign;
pub mod music;
mod noise_floor;
pub mod picture;
pub mod recording;
pub mod report;
mod response;
pub mod stereo;
mod transform;
mod turns;
mod verdict;
mod whole;

pub use whole::{AnalyseError, analyse, hear};
