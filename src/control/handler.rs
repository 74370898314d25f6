//! What stands behind the server.

use super::protocol::{Command, Response, Status};

/// Does what clients ask for. It is called from several threads at once.
pub trait Handler: Send + Sync {
    /// Do what is asked for, and answer within a second or two: the client waits.
    fn handle(&self, command: Command) -> Response;

    /// Return what plays, and how well.
    fn status(&self) -> Status;
}
