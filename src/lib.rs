//! JAudioSync: decides exactly what to play, and when.
//!
//! This is the service of a box that plays the same playlist as all the others, in perfect sync and
//! without a network. Pure logic lives here, apart from thin wiring; only the crate `jaudiosync-hw`
//! opens devices. ARCHITECTURE.md shows the data flow.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod appliance;
pub mod cli;
pub mod config;
pub mod control;
mod digest;
pub mod doctor;
pub mod ending;
mod format;
pub mod host;
pub mod listen;
pub mod mp3;
pub mod page;
pub mod panics;
pub mod player;
pub mod playlist;
pub mod recorder;
pub mod ride;
pub mod ride_key;
pub mod service;
pub mod setup;
pub mod sound_check;
pub mod storage;
pub mod timekeeping;
pub mod timetable;
pub mod worker;
