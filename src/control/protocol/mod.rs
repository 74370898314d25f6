//! What is said over the control socket, and how it is written. Pure: no socket, no clock.

mod request;
mod response;
mod status;

pub use request::{Command, FirstTrack, Request, parse_request};
pub use response::{ErrorCode, Failure, Response};
pub use status::{
    BoardStatus, ButtonState, ButtonStates, DacStatus, NextSlot, PhaseStatus, PlayState, PlayStatus, PlaylistStatus,
    Status, TimeState, TimeStatus, TrackStatus, VolumeStatus,
};

/// The version of the protocol. It changes when a client of the version before would misunderstand.
pub const VERSION: u32 = 1;

/// A request has at most so many bytes, without its line end.
pub const MAX_REQUEST_BYTES: usize = 4096;

/// An answer has at most so many bytes; a status with all its warnings is a small part of it.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;
