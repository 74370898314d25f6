//! What came of a command, by box.

use serde::{Deserialize, Serialize};

use crate::ride::message::BoxId;

/// What a box made of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done.
    Done(Done),
    /// It was not done, for this reason.
    Refused(Reason),
    /// The box has not answered in time. It may have done it all the same.
    NoAnswer,
}

/// What a box does now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Done {
    /// When it begins to be heard, in seconds since the Unix epoch; `None` if it is not about to.
    pub heard_from_utc_s: Option<i64>,
    /// Its volume in percent; `None` if it was not about that.
    pub volume_percent: Option<u8>,
    /// By how much the command came too late to be done at its instant, in ms; 0 if it was not
    /// late.
    pub late_ms: u16,
}

/// Why a box does not do what it was commanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Reason {
    /// There is no such track.
    #[error("there is no track {track}; its tracks are 0 to {last}")]
    NoSuchTrack {
        /// The one that was named.
        track: u32,
        /// The last one there is.
        last: u32,
    },
    /// What was to begin is over by now.
    #[error("a playlist that began then is over by now; name a later time")]
    AlreadyOver,
    /// Nothing was stopped.
    #[error("no position is saved yet; it is saved when playing is stopped")]
    NoPosition,
    /// It is being switched off.
    #[error("it is shutting down")]
    ShuttingDown,
    /// Its time is not that of the sender.
    #[error("its time is another one, so it cannot do this together with the others; see: jaudiosync ride")]
    OtherTime,
    /// It has too many commands already.
    #[error("it has too many commands to do; try again in some seconds")]
    Busy,
    /// The output latency would be beyond its range.
    #[error("its output_latency_ms would be beyond its range")]
    OutOfRange,
    /// Its program does not know such commands.
    #[error("its program does not know this command; all boxes need the same version of JAudioSync")]
    Unknown,
}

/// How far a command has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// The boxes, by name.
    pub rows: Vec<Row>,
    /// Whether nothing more will come.
    pub is_over: bool,
}

/// One box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its number.
    pub id: BoxId,
    /// Its name.
    pub name: String,
    /// Whether it is the box that sends.
    pub is_this: bool,
    /// Whether it has the command, and will do it at its instant.
    pub has_it: bool,
    /// What came of it; `None` until that is known.
    pub outcome: Option<Outcome>,
}
