//! The interface between the server and the service.

use super::protocol::{Command, Response, Status};

/// Carries out clients' requests. Called from several threads at once.
pub trait Handler: Send + Sync {
    /// Carries out a command, and responds within a second or two: the client waits.
    fn handle(&self, command: Command) -> Response;

    /// Returns the status.
    fn status(&self) -> Status;
}
