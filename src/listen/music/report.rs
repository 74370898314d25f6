//! What a recording of the ride says.

use serde::Serialize;

/// More arrivals than this are a room.
const MOST: usize = 6;

/// What a recording of the ride says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MusicReport {
    /// The track, from 0.
    pub track: usize,
    /// Which place of it is heard when the recording begins, in s.
    pub from_s: f64,
    /// How long the recording is, in s.
    pub duration_s: f64,
    /// How much of it was compared with the track, in s.
    pub compared_s: f64,
    /// How fast the recorder's clock is, in parts per million.
    pub recorder_clock_ppm: f64,
    /// How wide a band stood out of the noise, in Hz.
    pub bandwidth_hz: f64,
    /// Arrivals that are nearer to each other count as one, in ms.
    pub resolution_ms: f64,
    /// What that means.
    pub verdict: Verdict,
    /// What arrives, in the order of time.
    pub arrivals: Vec<MusicArrival>,
}

/// A sound that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MusicArrival {
    /// By how much later than the first one, in ms.
    pub ms: f64,
    /// The truth is within this of it, in ms.
    pub plus_minus_ms: f64,
    /// How loud it is compared with the loudest, in dB.
    pub db: f64,
    /// Whether its polarity is the opposite of the loudest's: an echo, or a loudspeaker that is
    /// wired the other way round.
    pub inverted: bool,
}

/// What arrivals mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// One sound arrives: of one box, or of boxes that are nearer to each other than can be told
    /// apart.
    One,
    /// A few sounds arrive: each is a box or an echo.
    Several,
    /// So many sounds arrive that most must be echoes.
    Echoes,
}

impl Verdict {
    pub(super) fn of(arrivals: &[MusicArrival]) -> Self {
        match arrivals.len() {
            0 | 1 => Self::One,
            2..=MOST => Self::Several,
            _ => Self::Echoes,
        }
    }
}

/// Why nothing is said of a recording of the ride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MusicError {
    /// It is too short.
    #[error("it is too short; record half a minute or more")]
    TooShort,
    /// No track of the playlist is heard in it.
    #[error(
        "no track of this playlist is heard in it; is it the right playlist (--music-folder, --playlist-name), and \
         louder than what is around it?"
    )]
    NotFound,
    /// It is heard, and too faint or too changed to compare.
    #[error("the track is heard, but not well enough to compare; go nearer, and record half a minute or more")]
    Unclear,
}
