//! `jaudiosync start`, `stop`, `resume` and `reload`: commands to the running service.

use clap::Args;

use super::Failure;
use super::service_options::ServiceOptions;
use crate::control::Command;
use crate::control::protocol::FirstTrack;
use crate::timetable::local_time::NamedTime;

/// Make the service play
///
/// Without options it is as a press of Start: the box joins the common timetable at the next grid slot, unless it is
/// configured otherwise. With -t, -p or --fresh the playlist begins afresh, as `play` does.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync start
  jaudiosync start --fresh               from the first track, at the next grid slot
  jaudiosync start -t 18:30:05 -p 3      track 3 at half past six; joins in the middle if that has passed
  jaudiosync start -t '2026-11-30 18:30' on another day
  jaudiosync start -p res                begin with the track at which it was stopped")]
pub(super) struct Start {
    /// When the first track begins: the box's local time, HH:MM or HH:MM:SS, today or on a date [default: the next grid slot]
    #[arg(short = 't', long = "time", value_name = "TIME", allow_hyphen_values = true)]
    time: Option<NamedTime>,

    /// First track, from 0, or `res` for the one at which playing was stopped
    #[arg(short = 'p', long = "position", value_name = "N|res", allow_hyphen_values = true)]
    first_track: Option<FirstTrack>,

    /// Begin the playlist afresh, whatever is configured for the button
    #[arg(long)]
    fresh: bool,

    #[command(flatten)]
    service: ServiceOptions,
}

impl Start {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.service.command(Command::Start { time: self.time, first_track: self.first_track, fresh: self.fresh })
    }
}

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
        self.service.command(Command::Stop {})
    }
}

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
        self.service.command(Command::Resume {})
    }
}

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
        self.service.command(Command::Reload {})
    }
}
