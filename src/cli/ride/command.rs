//! `jaudiosync ride start`, `stop`, `resume`, `volume`, `reload` and `identify`: boxes of the ride
//! do it at the same instant.

use clap::Args;

use super::super::Failure;
use super::super::volume::Change;
use super::through::Through;
use crate::control::protocol::{RideAction, RideRequest};
use crate::timetable::local_time::NamedTime;

/// Start playing on all boxes, in the same frame
///
/// Without options all join the common timetable at the next grid slot. With -t, -p or --fresh they
/// begin the playlist afresh. Boxes that are named do it alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride start                    all boxes join the common timetable
  jaudiosync ride start --fresh            begin with the first track, at the next grid slot
  jaudiosync ride start -t 18:30:05 -p 3   begin with track 3 at 18:30:05
  jaudiosync ride start bike-2 bike-3      these two alone
  jaudiosync ride start --key ride.key     from a laptop that has the key and no service")]
pub(super) struct Start {
    /// When the first track begins: local time, HH:MM or HH:MM:SS, today or on a date
    /// [default: the next grid slot]
    #[arg(short = 't', long = "time", value_name = "TIME", allow_hyphen_values = true)]
    time: Option<NamedTime>,

    /// First track, counted from 0
    #[arg(short = 'p', long = "position", value_name = "N")]
    first_track: Option<u32>,

    /// Begin with the first track instead of joining the common timetable
    #[arg(long, conflicts_with = "first_track")]
    fresh: bool,

    #[command(flatten)]
    through: Through,
}

impl Start {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let is_afresh = self.fresh || self.time.is_some() || self.first_track.is_some();
        let action = if is_afresh { RideAction::StartAfresh } else { RideAction::Start };
        let request = RideRequest { time: self.time, first_track: self.first_track, ..RideRequest::new(action) };
        self.through.send(request)
    }
}

/// Stop playing on all boxes, in the same frame
///
/// The music fades out on the same frame everywhere, and every box saves the position for `resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride stop
  jaudiosync ride stop bike-2              that box alone")]
pub(super) struct Stop {
    #[command(flatten)]
    through: Through,
}

impl Stop {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.through.send(RideRequest::new(RideAction::Stop))
    }
}

/// Resume where playing was stopped, on all boxes
///
/// The track that played on this box when it was stopped begins again on all, at the next grid
/// slot. On a laptop, or if this box was not stopped, every box begins with its own.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  jaudiosync ride resume")]
pub(super) struct Resume {
    #[command(flatten)]
    through: Through,
}

impl Resume {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.through.send(RideRequest::new(RideAction::Resume))
    }
}

/// Set or change the volume of all boxes
///
/// The loudest box gets this volume, and all others are changed by the same factor, so that a box
/// that was half as loud stays so. A box never exceeds its own maximum.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride volume 40                the loudest box to 40 %, the others in proportion
  jaudiosync ride volume +5                the loudest 5 % louder
  jaudiosync ride volume 40 --equal        40 % on every box
  jaudiosync ride volume 25 bike-2         25 % on that box")]
pub(super) struct Volume {
    /// The volume of the loudest in percent, 0 to 100; with + or - in front, a change
    #[arg(value_name = "PERCENT", allow_hyphen_values = true)]
    change: Change,

    /// The same volume, or the same change, on every box, whatever that was before
    #[arg(long)]
    equal: bool,

    #[command(flatten)]
    through: Through,
}

impl Volume {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let (percent, by) = match self.change {
            Change::To(percent) => (Some(percent), None),
            Change::By(by) => (None, Some(by)),
        };
        let request = RideRequest { percent, by, equal: self.equal, ..RideRequest::new(RideAction::Volume) };
        self.through.send(request)
    }
}

/// Reload playlist, Music folder and configuration on all boxes
///
/// What takes effect only with a restart, such as the ride's key or the page, is then among the warnings
/// of `jaudiosync status` on that box, and of its page.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  jaudiosync ride reload")]
pub(super) struct Reload {
    #[command(flatten)]
    through: Through,
}

impl Reload {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.through.send(RideRequest::new(RideAction::Reload))
    }
}

/// Have boxes show which they are
///
/// The LED flashes for 3 s, and a box that plays nothing sounds a tone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync ride identify bike-2
  jaudiosync ride identify                 all of them")]
pub(super) struct Identify {
    #[command(flatten)]
    through: Through,
}

impl Identify {
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.through.send(RideRequest::new(RideAction::Identify))
    }
}
