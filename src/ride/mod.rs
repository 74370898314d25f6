//! The ride: the boxes that share a key, what they send each other, and the time that they agree
//! on.
//!
//! - [`key`] is what makes boxes neighbours, as people write it;
//! - [`message`] is what they send, as bytes that are signed; [`freshness`] refuses what was sent
//!   before;
//! - [`air`] carries these bytes from box to box;
//! - [`group`] is how boxes that hear each other agree on one time;
//! - [`command`] is what one box has all of them do at the same instant;
//! - [`lists`] finds what differs between the playlists of two boxes;
//! - [`task`] does all this step by step, and [`report`] is what people see of it.
//!
//! Nothing here opens a socket or reads a clock but the tasks that say so. What is played, and how
//! it is heard, is decided elsewhere.

pub mod air;
pub mod command;
pub mod freshness;
pub mod group;
pub use crate::ride_key as key;
pub mod lists;
pub mod message;
pub mod report;
pub mod task;
