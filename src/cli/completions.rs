//! `jaudiosync completions`: completion scripts for shells.

use std::io::Write;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure};

/// Print the completion script of a shell
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  jaudiosync completions bash > ~/.local/share/bash-completion/completions/jaudiosync\n  jaudiosync completions zsh > ~/.zfunc/_jaudiosync"
)]
pub(super) struct Completions {
    /// The shell to print it for
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "jaudiosync", &mut script);
        std::io::stdout().write_all(&script).map_err(|error| Failure::Other(error.to_string()))
    }
}
