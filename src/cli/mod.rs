//! The command line, one file for each subcommand.
//!
//! Code here parses arguments, wires parts together, prints, and maps failures to exit codes.
//! Nothing is decided here: what a command does belongs in another folder.

mod completions;
mod config;
mod devices;
mod doctor;
mod failure;
mod index;
mod list;
mod listen;
mod logging;
pub mod output;
mod play;
mod playlist_options;
mod remote;
mod ride;
mod run;
mod service_options;
mod setup;
mod status;
mod terminal;
mod time;
mod volume;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use failure::Failure;

use crate::ending;
use crate::service::conductor::Ending;

/// The service exits with this code when the box should be switched off; systemd/jaudiosync.service
/// then does so. No shell uses it, nor do sysexits.h and systemd.
pub const POWER_OFF_EXIT_CODE: u8 = 100;

const EXAMPLES: &str = "\
Examples:
  jaudiosync play                       play Music/Playlist.m3u8 from the next grid slot
  jaudiosync play -t 18:30:05 -p 3      begin with track 3 at 18:30:05
  jaudiosync list                       show the timetable and the fingerprint
  jaudiosync run --board sim            simulate a whole box on this terminal
  jaudiosync status                     show what the running service is doing
  jaudiosync devices                    list the sound outputs
  jaudiosync time                       show the time, and how accurately it is known
  jaudiosync listen recording.m4a       hear in a recording how far apart the boxes sound

Exit codes:
  0  done                               3  the playlist cannot be used
  1  something else failed              4  the sound card cannot be used
  2  the command line is wrong          5  the service does not answer

SIGTERM and SIGINT (Ctrl-C) end every command within 2 s, even if a sound card or a file hangs. So
does SIGHUP (the terminal was closed), except that `run` reloads on it, unless it shows a box on a
terminal, and that a command started under nohup ignores it.

Set RUST_LOG=info or RUST_LOG=debug for a more detailed log.";

/// Play the same playlist on many boxes in perfect sync, without a network.
#[derive(Debug, Parser)]
#[command(name = "jaudiosync", version, about, after_help = EXAMPLES, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Play(play::Play),
    List(list::List),
    Index(index::IndexCommand),
    Devices(devices::Devices),
    Doctor(doctor::Doctor),
    Run(run::Run),
    Start(remote::Start),
    Stop(remote::Stop),
    Resume(remote::Resume),
    Volume(volume::Volume),
    Status(status::StatusCommand),
    Reload(remote::Reload),
    Setup(setup::Setup),
    Config(config::ConfigCommand),
    Time(time::Time),
    Ride(ride::RideCommand),
    SoundCheck(remote::SoundCheck),
    Listen(listen::Listen),
    Completions(completions::Completions),
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Err(error) = ending::watch() {
        output::warn(format_args!("cannot handle signals, so they act as by default: {error}"));
    }
    match command {
        // `run` chooses where its log goes.
        Command::Run(_) => {}
        // The findings of `doctor` already say everything.
        Command::Doctor(_) => logging::begin("off", logging::Destination::StandardError),
        _ => logging::begin("warn", logging::Destination::StandardError),
    }
    let result = match command {
        Command::Run(command) => return end(command.run().map(|ending| ExitCode::from(exit_code(ending)))),
        Command::Play(command) => command.run(),
        Command::List(command) => command.run(),
        Command::Index(command) => command.run(),
        Command::Devices(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Start(command) => command.run(),
        Command::Stop(command) => command.run(),
        Command::Resume(command) => command.run(),
        Command::Volume(command) => command.run(),
        Command::Status(command) => command.run(),
        Command::Reload(command) => command.run(),
        Command::Setup(command) => command.run(),
        Command::Config(command) => command.run(),
        Command::Time(command) => command.run(),
        Command::Ride(command) => command.run(),
        Command::SoundCheck(command) => command.run(),
        Command::Listen(command) => command.run(),
        Command::Completions(command) => command.run(),
    };
    end(result.map(|()| ExitCode::SUCCESS))
}

fn exit_code(ending: Ending) -> u8 {
    match ending {
        Ending::Asked => 0,
        Ending::PowerOff => POWER_OFF_EXIT_CODE,
    }
}

fn end(result: Result<ExitCode, Failure>) -> ExitCode {
    result.unwrap_or_else(|failure| {
        ending::wait_if_asked();
        output::complain(&failure);
        failure.exit_code()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn the_unit_switches_the_box_off_at_the_code_that_means_it() {
        let unit = include_str!("../../systemd/jaudiosync.service");
        let code = super::POWER_OFF_EXIT_CODE;
        assert!(unit.contains(&format!("= exited:{code} ]; then systemctl --no-block poweroff")));
        assert!(unit.contains(&format!("RestartPreventExitStatus={code}\n")));
        assert!(unit.contains(&format!("SuccessExitStatus={code}\n")));
    }
}
