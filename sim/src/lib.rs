//! A fleet of boxes in virtual time: what two people between two bikes would hear, without the
//! bikes.
//!
//! - [`scenario`] says what the world is like; [`oscillator`] (and [`crystal_spread`]),
//!   [`weather`], [`rtc`], [`network`] and [`gps`] are that world;
//! - [`virtual_box`] is the world as one box sees it: its clocks, and the true time that no box
//!   knows;
//! - [`policy`] is what keeps time on a box there: the service's own code ([`service`]), or the
//!   Python program ([`python`]);
//! - [`dac`] plays on a sound card without sound, with the player's own feeder;
//! - [`air`] carries their messages, where they hear each other;
//! - [`fleet`] runs the boxes, [`report`] and [`plot`] show how it went;
//! - [`recording`] is what a phone records of a sound check, for `jaudiosync listen`;
//! - [`cli`] is the command line. The library is public for the tests of this crate alone.
//!
//! Only what surrounds a box is modelled here. Timekeeping and the steering of music are not
//! written a second time: the box's own code runs as it is. Nothing here reads a clock, opens a device or
//! sleeps.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod air;
pub mod cli;
pub mod crystal_spread;
pub mod dac;
pub mod fleet;
pub mod gps;
pub mod network;
pub mod oscillator;
pub mod plot;
pub mod policy;
pub mod python;
pub mod randomness;
pub mod recording;
pub mod report;
pub mod rtc;
pub mod sample;
pub mod scenario;
pub mod schedule;
pub mod service;
pub mod true_time;
pub mod virtual_box;
pub mod weather;
