//! What a client of the control socket, or a laptop, wants of the ride, as the ride is commanded.

use chrono::Local;
use jaudiosync_time::{Instant, Utc};

use crate::control::protocol::{ErrorCode, Failure, RideAction, RideRequest};
use crate::ride::command::{Action, At, Join, SendError, Targets, VolumeChange};

/// Returns the command, given the present.
///
/// # Errors
/// When the time that was named does not exist here.
pub fn action(request: &RideRequest, now: Instant<Utc>) -> Result<Action, Failure> {
    Ok(match request.action {
        RideAction::Start => Action::Start { join: Join::Common },
        RideAction::StartAfresh => {
            let at_utc_s = request.time.map(|time| time.to_utc_s(&Local, now)).transpose();
            let at_utc_s = at_utc_s.map_err(|error| Failure::new(ErrorCode::Invalid, error.to_string()))?;
            Action::StartAfresh {
                at: at_utc_s.map_or(At::NextSlot, At::Utc),
                first_track: request.first_track.unwrap_or(0),
            }
        }
        RideAction::Stop => Action::Stop,
        RideAction::Resume => Action::Resume { track: None },
        RideAction::Volume => {
            let change = match (request.percent, request.by) {
                (Some(percent), _) => VolumeChange::Set { percent },
                (None, Some(by @ 0..)) => VolumeChange::Up { percent: by.unsigned_abs() },
                (None, by) => VolumeChange::Down { percent: by.unwrap_or(0).unsigned_abs() },
            };
            Action::Volume { change, keeps_ratios: !request.equal }
        }
        RideAction::Reload => Action::Reload,
        RideAction::Identify => Action::Identify,
    })
}

/// Returns for which boxes it is.
pub fn targets(request: &RideRequest) -> Targets {
    match request.boxes.as_slice() {
        [] => Targets::All,
        names => Targets::Named(names.to_vec()),
    }
}

/// Returns the failure that a client gets for a command that was not sent.
pub fn failure(error: &SendError) -> Failure {
    let code = match error {
        SendError::Unknown { .. } => ErrorCode::Invalid,
        SendError::Nobody | SendError::NotRunning => ErrorCode::NotNow,
    };
    Failure::new(code, error.to_string())
}
