//! What the feeder reports.

use crate::timetable::Start;

/// Something that the feeder reports when it is heard.
#[derive(Debug, Clone, PartialEq)]
pub enum FeederEvent {
    /// A track's slot begins, or was joined.
    Track {
        slot: Start,
        /// The track plays from here, in seconds; 0 at its beginning.
        offset_s: f64,
    },
    /// A track cannot be played; its slot is silence.
    Silent {
        slot: Start,
        /// Why, if that was not known when the playlist was loaded.
        reason: Option<String>,
    },
    /// A track should be heard, but its file is still being opened, or the place in it found.
    Opening { slot: Start },
    /// A track's file was not read as quickly as it plays; playing resumes as soon as enough of it
    /// is there.
    Starved { slot: Start },
    /// The device interrupted playing (an xrun, a stopped process), which resumes at the
    /// timetable's place.
    Interrupted,
    /// The phase error was too large to slew: playing jumped to the right place.
    Reseeked {
        /// The phase error, in ns.
        phase_error_ns: f64,
    },
    /// The last slot is over.
    Finished,
}

impl FeederEvent {
    /// Returns the words for a disturbance that the player has dealt with by itself, the same for
    /// `play` and the service; `None` for any other event. `name` names the track of a slot.
    pub fn trouble(&self, name: impl FnOnce(&Start) -> String) -> Option<String> {
        match self {
            Self::Starved { slot } => {
                Some(format!("{} is not read fast enough; playback resumes as soon as it is", name(slot)))
            }
            Self::Interrupted => Some("audio underrun; resuming at the scheduled position".to_owned()),
            Self::Reseeked { phase_error_ns } => {
                let error_ms = phase_error_ns / 1e6;
                Some(format!("{error_ms:+.1} ms off the timetable; jumped to the scheduled position"))
            }
            Self::Track { .. } | Self::Silent { .. } | Self::Opening { .. } | Self::Finished => None,
        }
    }
}
