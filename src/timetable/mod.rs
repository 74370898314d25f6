//! When what plays: slots, the start grid, the anchor, and the timetable made from them.
//!
//! Everything here is a pure function of its arguments: nothing may read a clock or open a file.
//! Instants are UTC, and slots are whole seconds of it (`_utc_s`) since the Unix epoch, so that
//! neither time zones nor daylight saving can move a track; only [`local_time`] knows about them,
//! for the times that riders name.

mod length;
pub mod local_time;
mod place;
mod start_grid;

pub use length::{Length, slot_s};
pub use place::{Place, Start, Timetable, TimetableError};
pub use start_grid::{START_LEAD_S, next_grid_slot};
