//! Measures, from outside, how exactly two players are in sync.
//!
//! [`VirtualCard`] is a sound card in software: a private PulseAudio whose left channel belongs to
//! one box and whose right channel to another. [`Recorder`] records both at once and knows when
//! every frame was played. The rest is arithmetic on recordings: [`lag_by_second`] says how far the
//! right box is behind the left, [`find_start`] at which frame a track began, [`thd_plus_noise_db`]
//! how clean a tone came out. [`air`] is a Wi-Fi in software, for boxes that talk to each other.
//!
//! ```no_run
//! use std::process::Command;
//! use jaudiosync_measure::{Recorder, Sink, VirtualCard, lag_by_second};
//!
//! # fn main() -> jaudiosync_measure::Result<()> {
//! let card = VirtualCard::start()?;
//! let recorder = Recorder::start(&card)?;
//! # let spawn = |sink| Command::new("player").envs(card.env(sink)).spawn();
//! let _players = (spawn(Sink::Left), spawn(Sink::Right));
//! std::thread::sleep(std::time::Duration::from_secs(10));
//! let recording = recorder.finish()?;
//! for second in lag_by_second(&recording.left, &recording.right, recording.rate_hz) {
//!     println!("{:3} s  {:?} ms", second.second, second.lag_ms);
//! }
//! # Ok(())
//! # }
//! ```

#![warn(missing_docs)]

pub mod air;
mod clock_map;
mod configuration;
mod error;
mod onset;
mod pulse;
mod recording;
mod reference;
mod sink;
mod tone;
mod virtual_card;

pub use clock_map::{ClockMap, ClockSample};
pub use error::{Error, Result};
pub use jaudiosync_correlation::{Lag, SecondLag, best_lag, lag_by_second};
pub use onset::{find_start, first_sound};
pub use recording::{Recorder, Recording};
pub use reference::{first_seconds, stretch};
pub use sink::Sink;
pub use tone::thd_plus_noise_db;
pub use virtual_card::VirtualCard;
