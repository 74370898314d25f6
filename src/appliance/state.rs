//! What the appliance knows and shows of itself.

use std::sync::Arc;

use jaudiosync_hw::buttons::Button;
use jaudiosync_time::Span;
use serde::{Deserialize, Serialize};

use super::warning::Warning;
use crate::sound_check::Times;
use crate::timetable::{Length, Timetable, TimetableError};

/// A program: which timetable, and from when on it is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The timetable.
    pub session: Session,
    /// It is silent before this second since the Unix epoch: the start grid's slot at which it
    /// begins or is joined. It lies in the past if the program is joined at once.
    pub heard_from_utc_s: i64,
    /// Whether the time was trusted when this was decided; otherwise it is not in sync.
    pub in_sync: bool,
}

/// A timetable in few numbers, as it is saved on disk. With the playlist it is everything that a
/// box needs to rejoin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When the first track begins, or began, in seconds since the Unix epoch.
    pub anchor_utc_s: i64,
    /// The first track, from 0.
    pub first_track: usize,
    /// Whether the playlist repeats for ever.
    pub repeats: bool,
}

impl Session {
    /// Returns the common timetable since this anchor.
    pub fn common(anchor_utc_s: i64) -> Self {
        Self { anchor_utc_s, first_track: 0, repeats: true }
    }

    /// Returns the timetable, given the tracks.
    ///
    /// # Errors
    /// When there are no tracks, or the first track is not among them.
    pub fn timetable(&self, playlist: &PlaylistInfo) -> Result<Timetable, TimetableError> {
        Timetable::new(Arc::clone(&playlist.lengths), self.anchor_utc_s, self.first_track, self.repeats)
    }
}

/// Where playing was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavedPosition {
    /// The track that played, or would have played next.
    pub track: usize,
    /// How far into it.
    pub offset: Span,
}

/// What the appliance needs to know of a playlist.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaylistInfo {
    /// Its name. A place in one playlist means nothing in another.
    pub name: String,
    /// The tracks' lengths; a track of unknown length still has a slot.
    pub lengths: Arc<[Option<Length>]>,
    /// Equal for two playlists that play the same.
    pub fingerprint: String,
}

/// What the box is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing, until Start is pressed.
    Idle,
    /// It is to play, and waits for the playlist.
    WaitingForPlaylist,
    /// It is to play, and waits for a time that can be trusted.
    WaitingForTime,
    /// It is to play, and waits for its slot.
    WaitingForSlot {
        /// The slot, in seconds since the Unix epoch.
        utc_s: i64,
    },
    /// It plays.
    Playing {
        /// Whether in sync with the others, as far as the box can know.
        in_sync: bool,
    },
    /// It takes its turns in a sound check.
    SoundCheck {
        /// When.
        times: Times,
    },
    /// The Pi shuts down.
    ShuttingDown,
}

/// What there is to show.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// What it is doing.
    pub phase: Phase,
    /// What the player was last commanded to play.
    pub program: Option<Program>,
    /// The volume, in percent.
    pub volume_percent: u8,
    /// The upper limit of the volume, in percent.
    pub maximum_percent: u8,
    /// Whether the jumper is fitted; `None` while that is not known.
    pub jumper_fitted: Option<bool>,
    /// The buttons that are ignored, because they are stuck or were held at power-on.
    pub ignored_buttons: Vec<Button>,
    /// Where playing was stopped.
    pub position: Option<SavedPosition>,
    /// What is not as it should be, now.
    pub warnings: Vec<Warning>,
}
