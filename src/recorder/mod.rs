//! The flight recorder: what happened on a ride, kept on disk over a power cut, in 256 KB.
//!
//! Raspberry Pi OS holds its journal in memory, so that a power cut takes it away. The service
//! therefore records what a rider asks about afterwards: when the box was switched on and how it
//! ended, how well it knew the time, drop-outs, trouble with sound card, power and heat, and
//! anything else that was logged as a warning.
//!
//! - `tap` takes the log's lines without ever blocking the thread that logs;
//! - `watcher` turns the service's status into events, `storms` bounds how many there are; pure;
//! - `task` runs on a worker's thread, holds events and writes them rarely; `files` is the only
//!   place that touches the disk;
//! - `event` is a line of the file, `past` how the last run ended, `ride` the rides; pure.
//!
//! On a disk that forgets, as on a read-only root, `module` also records in the memory on the clock
//! module, in the form of `short`.
//!
//! A disk that is full or read-only costs the recording and nothing else. Nothing here decides
//! what the box does.

mod boot;
mod event;
mod files;
mod module;
mod past;
mod ride;
mod short;
mod storms;
mod tap;
mod task;
mod watcher;

pub use boot::{BootId, last_end};
pub use event::{End, Entry, Event, PreviousEnd, Severity};
pub use files::{Files, MAX_BYTES, recording_folder};
pub use module::ShortMemory;
pub use past::previous_end;
pub use ride::{Boot, DropOutTime, Ending, LoggedNote, Moment, Period, Ride, RideTime, Rides, Trouble};
pub use tap::{Notes, Tap, UNDERRUN, tap};
pub use task::{Recorder, RecorderCommand, WRITE_INTERVAL};
