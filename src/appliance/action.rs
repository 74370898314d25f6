//! What goes out: what is to be done, in this order.

use std::sync::Arc;

use super::answer::{Flash, LedPattern, Tone};
use super::state::{PlaylistInfo, Program, SavedPosition, Session};
use super::warning::{Refusal, Warning};
use crate::timetable::Timetable;

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Play this, in place of whatever plays, which fades out at once.
    Play {
        /// Which timetable, and from when on it is heard.
        program: Program,
        /// The timetable itself.
        timetable: Timetable,
        /// The playlist from which it was made.
        playlist: Arc<PlaylistInfo>,
    },
    /// Fade out and play nothing.
    StopWithFade,
    /// Keep this session on disk, now.
    SaveSession(Session),
    /// Take the kept session from the disk, now.
    ForgetSession,
    /// Keep this position on disk.
    SavePosition(SavedPosition),
    /// Set the mixer, or the player's own volume, to so many percent.
    SetVolume(u8),
    /// Keep the volume on disk, in percent.
    SaveVolume(u8),
    /// Read the playlist anew, and tell what became of it.
    Reload,
    /// Shut the Pi down, once what comes before is done.
    ShutDown,
    /// From now on the LED shows this.
    Led(LedPattern),
    /// The LED answers, over its pattern.
    Flash(Flash),
    /// A tone answers. It comes only where nothing plays.
    Tone(Tone),
    /// Something is not as it should be: to be logged.
    Warn(Warning),
    /// What was asked for is not done: to be told to whoever asked.
    Refuse(Refusal),
}
