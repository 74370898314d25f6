//! `jaudiosync stop`: makes the running service silent.

use clap::Args;

use super::Failure;
use super::service_options::ServiceOptions;
use crate::control::Request;

/// Make the service stop
///
/// The sound fades out within a moment, and the position is kept for `resume`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  jaudiosync stop")]
pub(super) struct Stop {
    #[command(flatten)]
    service: ServiceOptions,
}

impl Stop {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.service.command(&Request::Stop {})
    }
}
