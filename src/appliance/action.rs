//! What comes out: the actions to be carried out, in this order.

use std::sync::Arc;

use super::answer::{Flash, LedPattern, Tone};
use super::state::{PlaylistInfo, Program, SavedPosition, Session};
use super::warning::{Refusal, Warning};
use crate::sound_check::Times;
use crate::timetable::Timetable;

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Play this in place of whatever plays, which fades out at once.
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
    /// Take this box's turns of a sound check in place of whatever plays. The program that runs goes
    /// on unheard, and comes back by another [`Action::Play`].
    SoundCheck(Times),
    /// Fade out the sound check, and play nothing.
    EndSoundCheck,
    /// Save this session to disk, now.
    SaveSession(Session),
    /// Delete the saved session from the disk, now.
    ForgetSession,
    /// Save this position to disk.
    SavePosition(SavedPosition),
    /// Set the mixer, or the player's own volume, to this many percent.
    SetVolume(u8),
    /// Save the volume to disk, in percent.
    SaveVolume(u8),
    /// Read the playlist again, and report the result.
    Reload,
    /// Shut the Pi down, once the actions before this one are done.
    ShutDown,
    /// From now on the LED shows this pattern.
    Led(LedPattern),
    /// The LED answers with a flash, over its pattern.
    Flash(Flash),
    /// Sound a tone as an answer. This comes only while nothing plays.
    Tone(Tone),
    /// Log that something is not as it should be.
    Warn(Warning),
    /// Answer a request that is not carried out.
    Refuse(Refusal),
}
