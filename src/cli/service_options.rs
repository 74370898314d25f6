//! The option that names the service, and requests to it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Failure, output};
use crate::config;
use crate::control::{Client, ClientError, Command, Response, candidate_sockets, protocol};

#[derive(Debug, Args)]
pub(super) struct ServiceOptions {
    /// The service's control socket [default: as configured, or where the service creates it]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
}

impl ServiceOptions {
    pub(super) fn connect(&self) -> Result<Client, Failure> {
        Ok(self.connect_configured(&config::load(None).config().control.socket)?)
    }

    /// Connects to the socket that is named, and otherwise to that of a configuration.
    pub(super) fn connect_configured(&self, configured: &Path) -> Result<Client, ClientError> {
        Client::connect(&candidate_sockets(self.socket.as_deref().unwrap_or(configured)))
    }

    /// Sends one command, and returns the response.
    pub(super) fn ask(&self, command: Command) -> Result<Response, Failure> {
        Ok(self.connect()?.request(&command.into())?)
    }

    /// Sends a command, and prints what it leads to.
    pub(super) fn command(&self, command: Command) -> Result<(), Failure> {
        let message = self.ask(command)?.into_message()?;
        if !message.is_empty() {
            output::say(message);
        }
        Ok(())
    }
}

impl From<protocol::Failure> for Failure {
    fn from(failure: protocol::Failure) -> Self {
        match failure.code {
            protocol::ErrorCode::Invalid => Self::Usage(failure.message),
            _ => Self::Other(failure.message),
        }
    }
}
