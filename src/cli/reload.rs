//! `jaudiosync reload`: makes the running service look at its files again.

use clap::Args;

use super::Failure;
use super::service_options::ServiceOptions;
use crate::control::Request;

/// Make the service look at its files again
///
/// A changed playlist, Music folder or configuration is taken over. Without this it is taken over at the next start.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  jaudiosync reload")]
pub(super) struct Reload {
    #[command(flatten)]
    service: ServiceOptions,
}

impl Reload {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.service.command(&Request::Reload {})
    }
}
