//! `jaudiosync resume`: makes the running service go on.

use clap::Args;

use super::Failure;
use super::service_options::ServiceOptions;
use crate::control::Request;

/// Make the service go on where it was stopped
///
/// The track at which it was stopped begins at the next grid slot.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  jaudiosync resume")]
pub(super) struct Resume {
    #[command(flatten)]
    service: ServiceOptions,
}

impl Resume {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.service.command(&Request::Resume {})
    }
}
