//! The interface between the server and the service.

use std::sync::mpsc::Receiver;

use super::protocol::{Command, ErrorCode, Failure, Response, RideDifferences, RideRequest, Status};
use crate::ride::command::Progress;

/// Carries out clients' requests. Called from several threads at once.
pub trait Handler: Send + Sync {
    /// Carries out a command, and responds within a second or two: the client waits.
    fn handle(&self, command: Command) -> Response;

    /// Has boxes of the ride carry out a command, and returns where its progress is reported.
    ///
    /// # Errors
    /// If there is no ride, or the request makes no sense in it.
    fn ride(&self, request: &RideRequest) -> Result<Receiver<Progress>, Failure> {
        let _ = request;
        Err(Failure::new(ErrorCode::NotNow, "this box is in no ride; see: jaudiosync ride"))
    }

    /// Returns what differs between this box's playlist and that of another box of the ride.
    ///
    /// # Errors
    /// If there is no ride or no such box, or it does not answer.
    fn ride_list(&self, name: &str) -> Result<RideDifferences, Failure> {
        let _ = name;
        Err(Failure::new(ErrorCode::NotNow, "this box is in no ride; see: jaudiosync ride"))
    }

    /// Returns the status.
    fn status(&self) -> Status;
}
