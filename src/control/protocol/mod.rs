//! The protocol of the control socket: requests, responses, and how they are written. Pure: no
//! socket, no clock.

mod request;
mod response;
mod ride_command;
mod ride_status;
mod status;

pub use request::{APPLIED_BEFORE, Command, FirstTrack, LatencyChange, MOST_CHANGE_US, Request, parse_request};
pub use response::{ErrorCode, Failure, Response};
pub use ride_command::{RideAction, RideBox, RideDifferences, RideOutcome, RideProgress, RideRequest};
pub use ride_status::{NeighbourStatus, RefusedStatus, RideRole, RideStatus, UtcStanding};
pub use status::{
    BoardStatus, ButtonState, ButtonStates, DacStatus, EepromState, NextSlot, PhaseStatus, PlayState, PlayStatus,
    PlaylistStatus, StateStatus, Status, StickStatus, TimeState, TimeStatus, TrackStatus, UnusablePinStatus,
    VolumeStatus,
};

/// The version of the protocol. It changes when clients of the previous version would
/// misunderstand.
pub const VERSION: u32 = 1;

/// The largest request, in bytes, without its newline.
pub const MAX_REQUEST_BYTES: usize = 4096;

/// The largest response, in bytes. A status with all its warnings takes a small part of it.
pub const MAX_RESPONSE_BYTES: usize = 256 * 1024;
