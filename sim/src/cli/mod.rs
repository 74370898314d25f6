//! The command line: `simulate`, `plot` and `recording`.

mod plot;
mod recording;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use env_logger::{Builder, Env};
use jaudiosync::cli::output;

const EXAMPLES: &str = "\
Examples:
  cargo run --release -p jaudiosync-sim -- simulate
  cargo run --release -p jaudiosync-sim -- simulate --scenario gps --plot fleet.svg
  cargo run --release -p jaudiosync-sim -- plot stats.jsonl
  cargo run --release -p jaudiosync-sim -- recording --seeds 200

Exit codes:
  0  done                               2  the command line is wrong
  1  something failed

Set RUST_LOG=info or RUST_LOG=debug to see what the simulated boxes log.";

/// Simulate fleets of JAudioSync boxes in virtual time, and draw pictures of runs
#[derive(Debug, Parser)]
#[command(name = "jaudiosync-sim", version, about, after_help = EXAMPLES, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(simulate::Simulate),
    Plot(plot::Plot),
    Recording(recording::RecordingCommand),
}

/// Runs the program with the process's own arguments.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // What simulated boxes log of their troubles is not about this machine: it is shown on request
    // alone.
    Builder::from_env(Env::default().default_filter_or("off")).init();
    let result = match command {
        Command::Simulate(command) => command.run(),
        Command::Plot(command) => command.run(),
        Command::Recording(command) => command.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output::complain(&failure);
            failure.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
