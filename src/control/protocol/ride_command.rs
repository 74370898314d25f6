//! Commands to the whole ride: the request, and its progress.

use serde::{Deserialize, Serialize};

use super::response::{ErrorCode, Failure};
use crate::ride::command::{Done, Outcome, Progress, Row};
use crate::timetable::local_time::NamedTime;

/// A command to boxes of the ride.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RideRequest {
    /// What to do.
    pub action: RideAction,
    /// For `start_afresh`: when the first track begins; `None` for the next grid slot.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::request::named_time")]
    pub time: Option<NamedTime>,
    /// For `start_afresh`: the first track, from 0; `None` for track 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_track: Option<u32>,
    /// For `volume`: the volume of the loudest, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// For `volume`: the change of the loudest's, -100 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<i8>,
    /// For `volume`: every box gets that, instead of keeping the ratios.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub equal: bool,
    /// The boxes, by name or number; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boxes: Vec<String>,
}

/// What the boxes have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RideAction {
    /// Join the common timetable.
    Start,
    /// Begin the playlist afresh.
    StartAfresh,
    /// Stop.
    Stop,
    /// Begin with the track at which playing was stopped.
    Resume,
    /// Set or change the volume.
    Volume,
    /// Read playlist and configuration again.
    Reload,
    /// Flash, and sound a tone where nothing plays.
    Identify,
}

impl RideRequest {
    /// Makes a request for all boxes.
    pub fn new(action: RideAction) -> Self {
        Self { action, time: None, first_track: None, percent: None, by: None, equal: false, boxes: Vec::new() }
    }

    /// Refuses values that exclude each other or are out of their range.
    pub(super) fn check(self) -> Result<Self, Failure> {
        let invalid = |what: &str| Err(Failure::new(ErrorCode::Invalid, what));
        let is_afresh = self.action == RideAction::StartAfresh;
        let has_volume = self.percent.is_some() || self.by.is_some();
        match &self {
            _ if !is_afresh && (self.time.is_some() || self.first_track.is_some()) => {
                invalid("time and first_track are for start_afresh")
            }
            _ if self.action != RideAction::Volume && (has_volume || self.equal) => {
                invalid("percent, by and equal are for volume")
            }
            _ if self.action == RideAction::Volume && self.percent.is_some() == self.by.is_some() => {
                invalid("volume needs percent or by")
            }
            Self { percent: Some(101..), .. } => invalid("the volume is 0 to 100 percent"),
            Self { by: Some(by), .. } if by.unsigned_abs() > 100 => {
                invalid("the volume changes by -100 to 100 percent")
            }
            _ => Ok(self),
        }
    }
}

/// How far a command has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RideProgress {
    /// The boxes, by name.
    pub boxes: Vec<RideBox>,
    /// Whether nothing more will come.
    pub over: bool,
}

/// One box.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RideBox {
    /// Its number.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is the box that was asked.
    pub this: bool,
    /// Whether it has the command.
    pub has_it: bool,
    /// What came of it; `None` until that is known.
    pub outcome: Option<RideOutcome>,
    /// The reason of a refusal, in words.
    pub reason: Option<String>,
    /// When it begins to be heard, in seconds since the Unix epoch.
    pub heard_from_utc_s: Option<i64>,
    /// Its volume in percent, after a command about that.
    pub volume_percent: Option<u8>,
    /// By how much it was done too late, in ms.
    pub late_ms: u16,
}

/// What a box made of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RideOutcome {
    /// It was done.
    Done,
    /// It was not done.
    Refused,
    /// The box has not answered.
    NoAnswer,
    /// An outcome from a later version.
    #[serde(other)]
    Other,
}

/// What differs between the playlists of two boxes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RideDifferences {
    /// The differences, in words.
    pub lines: Vec<String>,
    /// How many more there are.
    pub more: usize,
}

impl From<&Progress> for RideProgress {
    fn from(progress: &Progress) -> Self {
        Self { boxes: progress.rows.iter().map(RideBox::from).collect(), over: progress.is_over }
    }
}

impl From<&Row> for RideBox {
    fn from(row: &Row) -> Self {
        let (outcome, reason, done) = match row.outcome {
            None => (None, None, Done::default()),
            Some(Outcome::Done(done)) => (Some(RideOutcome::Done), None, done),
            Some(Outcome::Refused(reason)) => (Some(RideOutcome::Refused), Some(reason.to_string()), Done::default()),
            Some(Outcome::NoAnswer) => (Some(RideOutcome::NoAnswer), None, Done::default()),
        };
        Self {
            id: row.id.to_string(),
            name: row.name.clone(),
            this: row.is_this,
            has_it: row.has_it,
            outcome,
            reason,
            heard_from_utc_s: done.heard_from_utc_s,
            volume_percent: done.volume_percent,
            late_ms: done.late_ms,
        }
    }
}
