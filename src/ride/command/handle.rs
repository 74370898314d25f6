//! How the rest of the program commands the ride.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::action::{Action, Targets};
use super::outcome::Progress;
use crate::ride::lists::Differences;
use crate::ride::report::RideReport;
use crate::ride::task::RideBoard;

/// Sends commands to the ride. Clones share it.
#[derive(Clone)]
pub struct Commands {
    requests: Sender<Request>,
    board: Arc<RideBoard>,
}

/// What the ride's thread is to do.
#[derive(Debug)]
pub enum Request {
    /// Send a command.
    Command {
        /// What.
        action: Action,
        /// To whom.
        targets: Targets,
        /// Where its progress is reported.
        progress: Sender<Progress>,
    },
    /// Find out what differs between this box's playlist and another's.
    Compare {
        /// Whose, by name or number.
        name: String,
        /// Where the result goes; `None` if the box does not answer.
        answer: Sender<Option<Differences>>,
    },
}

/// Why a command was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// No box has this name.
    #[error("no box \"{name}\" is heard; heard are: {}", .heard.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are, this box's among them.
        heard: Vec<String>,
    },
    /// No box is heard.
    #[error("no box is heard; is this machine on the ride's network, and is this the ride's key?")]
    Nobody,
    /// The ride's thread does not run.
    #[error("other boxes are not heard; see: journalctl -u jaudiosync")]
    NotRunning,
}

impl Commands {
    /// Makes a handle, and returns where its requests come out.
    pub fn new(board: Arc<RideBoard>) -> (Self, Receiver<Request>) {
        let (requests, received) = channel();
        (Self { requests, board }, received)
    }

    /// Sends a command, and returns where its progress is reported. It does not wait.
    ///
    /// # Errors
    /// When a name is not that of a box that is heard, or the ride's thread has ended.
    pub fn send(&self, action: Action, targets: Targets) -> Result<Receiver<Progress>, SendError> {
        if let Targets::Named(names) = &targets {
            self.check(names)?;
        }
        let (progress, reported) = channel();
        self.requests.send(Request::Command { action, targets, progress }).map_err(|_| SendError::NotRunning)?;
        Ok(reported)
    }

    /// Asks a box for its playlist, and returns where what differs from this box's is reported,
    /// within 7 s: `None` if it does not answer. It does not wait.
    ///
    /// # Errors
    /// When the name is not that of a box that is heard, or the ride's thread has ended.
    pub fn compare(&self, name: &str) -> Result<Receiver<Option<Differences>>, SendError> {
        self.check(&[name.to_owned()])?;
        let (answer, answered) = channel();
        self.requests.send(Request::Compare { name: name.to_owned(), answer }).map_err(|_| SendError::NotRunning)?;
        Ok(answered)
    }

    fn check(&self, names: &[String]) -> Result<(), SendError> {
        let known = self.board.report().names();
        let is_known = |name: &str| known.iter().any(|(id, known)| known == name || id.to_string() == name);
        match names.iter().find(|name| !is_known(name)) {
            None => Ok(()),
            Some(name) => {
                let heard = known.into_iter().map(|(_, name)| name).collect();
                Err(SendError::Unknown { name: name.clone(), heard })
            }
        }
    }

    /// Returns what is known of the ride, at most half a second old.
    pub fn report(&self) -> RideReport {
        self.board.report()
    }
}
