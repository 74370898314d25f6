//! The control socket, and what its clients get: commands go to the conductor, the status is read
//! where it was last published.

use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use jaudiosync_time::Instant;

use super::by_ride;
use super::conductor::{Message, StatusBoard};
use super::ride_requests::{action, failure, targets};
use crate::config::Config;
use crate::control::protocol::{ErrorCode, Failure, RideDifferences, RideRequest};
use crate::control::{Command, Handler, Response, Server, ServerError, ServerOptions, Status};
use crate::ride::command::{Commands, Progress};

/// How long to wait for the conductor. It answers within milliseconds, except to a reload, which
/// may read hundreds of new files; the client waits a little longer than this.
const PATIENCE: Duration = Duration::from_secs(25);

/// How long to wait for another box's list.
const LIST_PATIENCE: Duration = Duration::from_millis(7_500);

/// Passes commands on to the conductor.
pub struct ControlHandler {
    messages: Sender<Message>,
    status: StatusBoard,
    ride: Option<Commands>,
    no_ride: String,
}

impl ControlHandler {
    /// Makes a handler that passes commands on to the conductor that takes these messages.
    pub fn new(messages: Sender<Message>, status: StatusBoard) -> Self {
        let no_ride = "this box has no ride's key, or hears nobody; see: jaudiosync ride".to_owned();
        Self { messages, status, ride: None, no_ride }
    }

    /// Commands the ride by this; what is wrong with its key is why there may be none.
    #[must_use]
    pub fn with_ride(self, ride: Option<Commands>, trouble: Option<String>) -> Self {
        let no_ride = trouble.map_or(self.no_ride, |trouble| format!("this box is in no ride: {trouble}"));
        Self { ride, no_ride, ..self }
    }

    fn ride_commands(&self) -> Result<&Commands, Failure> {
        self.ride.as_ref().ok_or_else(|| Failure::new(ErrorCode::NotNow, self.no_ride.clone()))
    }
}

impl Handler for ControlHandler {
    fn handle(&self, command: Command) -> Response {
        if let Some(response) = by_ride::handle(&command, || self.ride_commands()) {
            return response;
        }
        let (answer, answered) = mpsc::sync_channel(1);
        let sent = self.messages.send(Message::Command(command, answer)).is_ok();
        let response = if sent { answered.recv_timeout(PATIENCE).ok() } else { None };
        response.unwrap_or_else(|| {
            Response::failed(ErrorCode::Failed, "the service does not answer; see: journalctl -u jaudiosync")
        })
    }

    fn ride(&self, request: &RideRequest) -> Result<Receiver<Progress>, Failure> {
        let commands = self.ride_commands()?;
        let now = Instant::from_ns(self.status.read().time.utc_ns);
        let action = action(request, now)?;
        commands.send(action, targets(request)).map_err(|error| failure(&error))
    }

    fn ride_list(&self, name: &str) -> Result<RideDifferences, Failure> {
        let commands = self.ride_commands()?;
        let answered = commands.compare(name).map_err(|error| failure(&error))?;
        let silent = || Failure::new(ErrorCode::Failed, format!("{name} does not say which tracks it has; try again"));
        let differences = answered.recv_timeout(LIST_PATIENCE).ok().flatten().ok_or_else(silent)?;
        Ok(RideDifferences { lines: differences.lines, more: differences.more })
    }

    fn status(&self) -> Status {
        self.status.read().as_ref().clone()
    }
}

/// Opens the control socket. The service plays without one that cannot be made, but does not start
/// if another service has it.
pub(super) fn bind(config: &Config) -> Result<Option<Server>, ServerError> {
    let options = ServerOptions { socket: config.control.socket.clone(), group: config.control.group.clone() };
    match Server::bind(&options) {
        Ok(server) => Ok(Some(server)),
        Err(error @ ServerError::AlreadyRunning(_)) => Err(error),
        Err(error) => {
            log::error!("{error}; the box can be controlled by its buttons only");
            Ok(None)
        }
    }
}
