//! The player: from a timetable and files to frames that are heard on time. Which playlist plays,
//! and when it begins, is decided elsewhere.
//!
//! - [`library`] says what a track is to the player; [`files`] opens those of a playlist,
//!   [`decoder`] reads MP3s, [`resampler`] makes them fit the DAC's rate, exactly positioned;
//! - [`loader`] does that ahead of time on a thread of its own, and passes on what is decoded
//!   through `pcm_queue`; `track_link` is what it and the feeder share of a track;
//! - [`voice`] is what the feeder plays a track with, [`resampled_voice`] the one that plays what
//!   the loader brings; `steered_voice` adds the phase lock, `prepared` holds those that wait for
//!   their slot;
//! - [`dac_clock`] learns when each of the DAC's frames is heard; [`phase_lock`] steers the
//!   resampler by it;
//! - [`feeder`] puts these together on a thread of its own and fills [`ring`]; [`program`] is what
//!   it plays;
//! - [`renderer`] empties it into the sound card's buffers, and does nothing else: no lock,
//!   allocation, log or I/O;
//! - [`sweeps`] makes the tracks of a sound check in memory;
//! - [`tone`] makes the short tones that answer a button;
//! - [`task`] keeps the sound card open and the feeder going, and carries out commands;
//! - [`engine`] runs the task on a thread of its own, and is what the rest of the program sees.
//!
//! All but `engine` take the time as an argument or through a trait; only `task` opens the sound
//! card, and only `loader` opens files, each through its trait.

pub mod dac_clock;
pub mod decoder;
pub mod engine;
pub mod feeder;
pub mod files;
pub mod library;
pub mod loader;
mod pcm_queue;
pub mod phase_lock;
mod polyphase;
mod prepared;
pub mod program;
pub mod renderer;
pub mod resampled_voice;
pub mod resampler;
pub mod ring;
mod steered_voice;
pub mod sweeps;
pub mod task;
pub mod tone;
mod track_link;
pub mod voice;
