//! From a timetable and files to frames that are heard on time.
//!
//! - [`library`] opens tracks, [`decoder`] reads MP3s, [`resampler`] makes them fit the DAC's rate, exactly positioned;
//! - [`dac_clock`] learns when each of the DAC's frames is heard; [`phase_lock`] steers the resampler by it;
//! - [`feeder`] puts these together on a thread of its own and fills [`ring`];
//! - [`tone`] are the short tones that answer a button;
//! - [`renderer`] empties it into the sound card's buffers, and nothing else: no lock, allocation, log or I/O;
//! - [`engine`] opens the sound card, runs the feeder, and is what the rest of the program sees.
//!
//! All but `engine` take the time as an argument and open no device.

pub mod dac_clock;
pub mod decoder;
pub mod engine;
pub mod feeder;
pub mod library;
pub mod phase_lock;
pub mod renderer;
pub mod resampler;
pub mod ring;
pub mod tone;
mod voice;
