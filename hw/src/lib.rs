//! The board of a JAudioSync box, one module per device.
//!
//! Each device is a small trait with a real implementation and a simulated one beside it, so that
//! the service and the tests run the same code. This crate knows nothing about music, playlists or
//! timetables, and the service opens devices only through it. All the project's `unsafe` code lives
//! here.

#![warn(missing_docs)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod alsa_messages;
pub mod board;
mod bracketed;
pub mod buttons;
pub mod clocks;
pub mod dac;
pub mod eeprom;
pub mod gpio;
pub mod kernel_clock;
pub mod led;
pub mod mixer;
pub mod priority;
pub mod randomness;
pub mod rtc;
pub mod simulated_board;
pub mod system_clock;
pub mod world;
