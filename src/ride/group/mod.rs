//! The group: boxes that hear each other agree on one time. Pure: messages and readings of clocks
//! are passed in, and what is to be sent is handed out.
//!
//! - `member` is one box: it hears messages, and decides what to send and what its clock has to do;
//!   `neighbour` is what it knows of each other one;
//! - [`election`] decides who leads, and by way of whom its time is followed; `honesty` who is
//!   believed;
//! - `questions` is when one is asked for the time; `exchanges` and `broadcasts` compare the clocks of
//!   two boxes, `distance` averages that.

pub mod broadcasts;
mod distance;
pub mod election;
pub mod exchanges;
pub mod honesty;
mod member;
mod neighbour;
mod newest;
mod per_second;
mod questions;

pub use self::distance::agreed;
pub use self::member::{Member, Outgoing, Presence, To};
pub use self::neighbour::{Neighbour, Peer};
