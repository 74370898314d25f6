//! Recordings of sound checks whose truth is known: boxes in the open or in a room, noise, and a
//! recorder with its own clock and faults. `jaudiosync listen` is judged by them.
//!
//! [`scene`] draws a scene from a seed, [`air`] is how sound gets from a box to the recorder,
//! [`noise`] what else is heard, [`recorder`] what a phone makes of it; [`judge`] compares what was
//! found with the truth. Everything follows from the seed; no file is read or written here.

pub mod air;
mod filters;
pub mod judge;
pub mod noise;
pub mod recorder;
pub mod scene;
