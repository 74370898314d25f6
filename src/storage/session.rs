//! The session: the running timetable, by which a box rejoins in the middle of a track after a
//! power cut.

use serde::{Deserialize, Serialize};

use super::Persistent;

/// Everything that makes the same timetable again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// When the first track begins, in seconds since the Unix epoch.
    pub anchor_utc_s: i64,
    /// The track that begins at the anchor, from 0.
    pub first_track: usize,
    /// Whether the playlist begins again after its last track.
    pub repeats: bool,
    /// The playlist's name.
    pub playlist: String,
    /// The playlist's fingerprint: with another one the same timetable would play something else.
    pub fingerprint: String,
    /// When the session was started, in seconds since the Unix epoch; only for people to read.
    pub started_utc_s: i64,
}

impl Persistent for Session {
    const FILE: &'static str = "session.json";
    const VERSION: u32 = 1;
}
