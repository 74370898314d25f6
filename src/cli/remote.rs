//! `jaudiosync start`, `stop`, `resume`, `reload` and `sound-check`: commands for the running service.

use clap::Args;

use super::Failure;
use super::service_options::ServiceOptions;
use crate::control::Command;
use crate::control::protocol::FirstTrack;
use crate::sound_check::{MINUTES, MOST_MINUTES};
use crate::timetable::local_time::NamedTime;

/// Start playing
///
/// Without options this does what a press of Start does: the box joins the common timetable at the
/// next grid slot, unless it is configured otherwise. With -t, -p or --fresh the playlist begins
/// from the first track or the one named, as with `play`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync start
  jaudiosync start --fresh                 begin with the first track, at the next grid slot
  jaudiosync start -t 18:30:05 -p 3        begin with track 3 at 18:30:05; if that has passed, join it
  jaudiosync start -t '2026-11-30 18:30'   begin on another day
  jaudiosync start -p res                  begin with the track that played when it was stopped")]
pub(super) struct Start {
    /// When the first track begins: the box's local time, HH:MM or HH:MM:SS, today or on a date
    /// [default: the next grid slot]
    #[arg(short = 't', long = "time", value_name = "TIME", allow_hyphen_values = true)]
    time: Option<NamedTime>,

    /// First track, counted from 0, or `res` for the track at which playing was stopped
    #[arg(short = 'p', long = "position", value_name = "N|res", allow_hyphen_values = true)]
    first_track: Option<FirstTrack>,

    /// Begin with the first track, whatever is configured for the button
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

/// Stop playing
///
/// The music fades out within a moment, and the position is saved for `resume`.
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

/// Resume where playing was stopped
///
/// The track that played then begins again at the next grid slot.
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

/// Reload the playlist, Music folder and configuration
///
/// Without this the service picks up changes at the next start.
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

/// Take part in a sound check
///
/// From the next grid slot on, this box plays two short sweeps in its own turn, once every 20 s, in place
/// of the music, which goes on afterwards. Start it on every box within the same minute, by this or by
/// holding Start and Stop together for 3 s, and record it with a phone; `jaudiosync listen` says what
/// the recording shows. The volume is 50 % for that time, whatever it was. Stop ends it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync sound-check
  jaudiosync sound-check --all             on every box of the ride that is heard
  jaudiosync sound-check --minutes 10      time to carry the phone from box to box")]
pub(super) struct SoundCheck {
    /// How many whole minutes it lasts after the present one
    #[arg(long, value_name = "MINUTES", default_value_t = MINUTES,
          value_parser = clap::value_parser!(u8).range(1..=i64::from(MOST_MINUTES)))]
    minutes: u8,

    /// Have all boxes of the ride take part that are heard, by the ride's messages
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    service: ServiceOptions,
}

impl SoundCheck {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.service.command(Command::SoundCheck { minutes: Some(self.minutes), all: self.all })
    }
}
