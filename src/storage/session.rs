//! The session: a running timetable, so that a box that lost power rejoins in the middle of a track.

use serde::{Deserialize, Serialize};

use super::Persistent;

/// What is needed to make the same timetable again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The instant at which the first track begins, in seconds since the Unix epoch.
    pub anchor_utc_s: i64,
    /// The track that begins at the anchor, from 0.
    pub first_track: usize,
    /// Whether the playlist begins again after its last track.
    pub repeats: bool,
    /// The playlist's name.
    pub playlist: String,
    /// The playlist's fingerprint: with another one the same timetable leads elsewhere.
    pub fingerprint: String,
    /// When the session was started, in seconds since the Unix epoch; for people.
    pub started_utc_s: i64,
}

impl Persistent for Session {
    const FILE: &'static str = "session.json";
    const VERSION: u32 = 1;
}
