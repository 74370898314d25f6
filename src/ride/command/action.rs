//! What boxes can be commanded to do. New kinds are added at the end: the place is the kind's
//! number in a message, and a box that does not know it says so.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that boxes do at the same instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Join a timetable that is under way, at the next slot of the start grid.
    Start {
        /// Which.
        join: Join,
    },
    /// Begin the playlist afresh.
    StartAfresh {
        /// When the first track begins.
        at: At,
        /// Which track that is, from 0.
        first_track: u32,
    },
    /// Stop, and save the position.
    Stop,
    /// Begin with the track at which playing was stopped, at the next slot of the start grid.
    Resume {
        /// Which track, from 0. With `None` it is the one at which the sending box was stopped, or
        /// each box's own if that was not.
        track: Option<u32>,
    },
    /// Change the volume.
    Volume {
        /// How.
        change: VolumeChange,
        /// Whether boxes of different volumes stay so: what is changed is the volume of the
        /// loudest, and the others by the same factor.
        keeps_ratios: bool,
    },
    /// Read configuration and playlist again.
    Reload,
    /// Show which box it is, by the LED, and by a tone while nothing plays.
    Identify,
    /// Take part in a sound check.
    SoundCheck {
        /// For how many whole minutes after the one in which it is commanded.
        minutes: u8,
    },
    /// Change the output latency by what a recording of a sound check has shown, and save it.
    OutputLatency {
        /// By how much it grows, in µs.
        by_us: i32,
        /// Which recording has shown it; the same one counts once.
        measurement: u64,
    },
}

impl Action {
    /// Returns whether it decides what plays.
    pub fn decides_what_plays(&self) -> bool {
        match self {
            Self::Start { .. } | Self::StartAfresh { .. } | Self::Stop | Self::Resume { .. } => true,
            Self::Volume { .. }
            | Self::Reload
            | Self::Identify
            | Self::SoundCheck { .. }
            | Self::OutputLatency { .. } => false,
        }
    }

    /// Returns it as it is sent to boxes of which the loudest has this volume, in percent: where
    /// the ratios stay, all are changed by the same factor.
    pub(in crate::ride) fn for_boxes(self, loudest_percent: Option<u8>) -> Self {
        let (Self::Volume { change, keeps_ratios: true }, Some(from_percent)) = (self, loudest_percent) else {
            return self;
        };
        let to_percent = match change {
            VolumeChange::Set { percent } => percent,
            VolumeChange::Up { percent } => from_percent.saturating_add(percent),
            VolumeChange::Down { percent } => from_percent.saturating_sub(percent),
            VolumeChange::Scale { .. } => return self,
        };
        let change = VolumeChange::Scale { from_percent, to_percent: to_percent.min(100) };
        Self::Volume { change, keeps_ratios: true }
    }
}

/// As the log shows it.
impl fmt::Display for Action {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Start { join: Join::Common } => write!(to, "start"),
            Self::Start { join: Join::Session { anchor_utc_s, .. } } => {
                write!(to, "join the session that began at {anchor_utc_s} s")
            }
            Self::StartAfresh { at: At::NextSlot, first_track } => write!(to, "start afresh with track {first_track}"),
            Self::StartAfresh { at: At::Utc(utc_s), first_track } => {
                write!(to, "start afresh with track {first_track} at {utc_s} s")
            }
            Self::Stop => write!(to, "stop"),
            Self::Resume { track: None } => write!(to, "resume"),
            Self::Resume { track: Some(track) } => write!(to, "resume with track {track}"),
            Self::Volume { change, .. } => match change {
                VolumeChange::Set { percent } => write!(to, "volume {percent} %"),
                VolumeChange::Up { percent } => write!(to, "volume up by {percent} %"),
                VolumeChange::Down { percent } => write!(to, "volume down by {percent} %"),
                VolumeChange::Scale { from_percent, to_percent } => {
                    write!(to, "volume from {from_percent} % to {to_percent} %, and others by the same factor")
                }
            },
            Self::Reload => write!(to, "reload"),
            Self::Identify => write!(to, "identify"),
            Self::SoundCheck { minutes } => write!(to, "sound check of {minutes} min"),
            Self::OutputLatency { by_us, .. } => write!(to, "output latency {by_us:+} µs"),
        }
    }
}

/// A timetable that is joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Join {
    /// The common one, by each box's configuration.
    #[default]
    Common,
    /// One that was begun afresh.
    Session {
        /// When its first track began, in seconds since the Unix epoch.
        anchor_utc_s: i64,
        /// Which track that was, from 0.
        first_track: u32,
        /// Whether it repeats for ever.
        repeats: bool,
    },
}

/// When a fresh start is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum At {
    /// At the next slot of the start grid, 5 to 20 s after the command takes effect.
    #[default]
    NextSlot,
    /// At this second since the Unix epoch. One that has passed is joined under way.
    Utc(i64),
}

/// How the volume changes. Everything is in percent, 0 to 100; no box exceeds its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VolumeChange {
    /// To this much.
    Set {
        /// The volume afterwards.
        percent: u8,
    },
    /// Up by this much.
    Up {
        /// By how much.
        percent: u8,
    },
    /// Down by this much.
    Down {
        /// By how much.
        percent: u8,
    },
    /// By the factor that makes `to` of `from`. The ride's own form of the others where ratios are
    /// kept; `from` is the volume of the loudest box.
    Scale {
        /// What becomes `to_percent`.
        from_percent: u8,
        /// What `from_percent` becomes.
        to_percent: u8,
    },
}

/// Which boxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Targets {
    /// All that are heard, and this one.
    All,
    /// Those of these names or numbers.
    Named(Vec<String>),
}
