//! `jaudiosync status`: shows what the running service is doing.

mod describe;

use std::io::{self, Write};

use clap::Args;

use self::describe::describe;
pub(super) use self::describe::{phase, time};
use super::Failure;
use super::service_options::ServiceOptions;
use crate::control::{Request, Status};

/// Show what the service plays, how exactly, and what is wrong
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync status
  jaudiosync status --watch              every second, until Ctrl-C
  jaudiosync status --json | jq .phase")]
pub(super) struct StatusCommand {
    /// Show it again every second
    #[arg(long)]
    watch: bool,

    /// Print JSON; with --watch, a line every second
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    service: ServiceOptions,
}

impl StatusCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut client = self.service.connect()?;
        let first = client.request(&Request::Status { watch: self.watch })?;
        let mut next = Some(first);
        while let Some(response) = next {
            if let Some(status) = response.into_status()?
                && self.show(&status).is_err()
            {
                // The reader has gone (`| head`).
                return Ok(());
            }
            next = if self.watch { client.next_response()? } else { None };
        }
        match self.watch {
            true => Err(Failure::Other("the service has ended".to_owned())),
            false => Ok(()),
        }
    }

    fn show(&self, status: &Status) -> io::Result<()> {
        let text = match (self.json, self.watch) {
            (true, true) => serde_json::to_string(status)?,
            (true, false) => serde_json::to_string_pretty(status)?,
            (false, true) => format!("{}\n", describe(status)),
            (false, false) => describe(status),
        };
        writeln!(io::stdout().lock(), "{text}")
    }
}
