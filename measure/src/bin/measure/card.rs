//! A command with a virtual sound card, for machines that have none.

use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;
use jaudiosync_measure::{Sink, VirtualCard};

/// Run a command with a virtual sound card as its only one
///
/// Nothing is heard; everything else is as with a real card.
#[derive(Debug, Args)]
pub(super) struct Card {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Card {
    /// Runs the command and exits with its exit code.
    pub(super) fn run(&self) -> Result<()> {
        let card = VirtualCard::start()?;
        let (program, arguments) = self.command.split_first().context("no command")?;
        let status = Command::new(program)
            .args(arguments)
            .envs(card.env(Sink::Both))
            .status()
            .with_context(|| format!("cannot run {program}"))?;
        drop(card);
        std::process::exit(status.code().unwrap_or(1));
    }
}
