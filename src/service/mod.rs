//! The service: the appliance's state machine wired to a box. Nothing here decides what is to be
//! played or when; that belongs in `appliance` and `timetable`.
//!
//! - [`conductor`] is at the centre: messages in, commands out, no waiting, no device; [`settings`]
//!   is what it takes from the configuration;
//! - [`playlists`], [`mapper`], [`state_writer`] and [`volume`] do whatever may block, each on a
//!   thread of its own; [`time`] is the source of the time, [`handler`] answers the control
//!   socket's clients, `by_ride` those requests that concern other boxes;
//! - [`devices`] opens the mixer and the board as they are configured; [`state_place`] says where the
//!   state is saved;
//! - [`numbers`] is the box's number in a sound check;
//! - `ride` starts the ride's task, and `ride_requests` is what clients want of it; `page` serves the
//!   page for phones, and `ear` hears the recordings that they upload;
//! - `recording` passes what happens to the flight recorder, [`crate::recorder`];
//! - [`running`] starts all of it on this machine's devices and runs it; `workers` are the threads
//!   that the conductor commands; [`heartbeat`] reports whether all of it is alive.

mod by_ride;
pub mod clock_thread;
pub mod conductor;
pub mod devices;
mod ear;
pub mod handler;
pub mod heartbeat;
pub mod mapper;
pub mod numbers;
mod page;
pub mod playlists;
mod recording;
mod ride;
pub mod ride_requests;
pub mod running;
pub mod settings;
pub mod state_place;
pub mod state_writer;
pub mod time;
pub mod volume;
mod workers;
