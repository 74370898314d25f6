//! What the feeder plays a track with. The service's voice is
//! [`ResampledVoice`](super::resampled_voice::ResampledVoice); a simulation may have one that is
//! nothing but its place in the track.

use std::sync::Arc;

use jaudiosync_time::{Instant, Raw};

use super::library::Library;
use super::ring::BLOCK_FRAMES;
use crate::timetable::Start;

/// The track of one slot, which is being opened, is open, or plays.
///
/// It is made, polled and dropped on the feeder's thread, and so never waits. Places are in seconds
/// since the track's beginning.
pub trait Voice: Sized {
    /// What the feeder opens tracks with.
    type Opener;

    /// What a block of it consists of.
    type Samples;

    /// Has a slot's track opened for a stream of this rate. `wanted_s` is the place in it that is
    /// wanted first.
    fn open(
        opener: &Self::Opener,
        library: &Arc<dyn Library>,
        slot: Start,
        device_rate_hz: u32,
        wanted_s: f64,
        now: Instant<Raw>,
    ) -> Self;

    /// Notes which place will be wanted next.
    fn want(&self, place_s: f64);

    /// Has a file that cannot be read opened again, once in a while.
    fn retry_if_failed(&mut self, now: Instant<Raw>);

    /// Returns whether the track is open; the wanted place may still have to be found.
    fn is_open(&self) -> bool;

    /// Returns whether playing can begin at a place.
    fn readiness(&mut self, place_s: f64) -> Readiness;

    /// Returns why the file can no longer be read, if that is so now. What was decoded before can
    /// be played all the same.
    fn failure(&self) -> Option<&str>;

    /// Begins the next block at this place, which is ready.
    ///
    /// # Errors
    /// When it was not ready or the resampler refuses, which would be a mistake of this program.
    fn start_at(&mut self, place_s: f64) -> Result<(), String>;

    /// Returns the place at which the next block begins.
    fn place_s(&self) -> f64;

    /// Returns whether the next block can be made now.
    fn has_next_block(&mut self) -> bool;

    /// Makes the next block at a speed relative to nominal.
    ///
    /// # Errors
    /// As [`start_at`](Self::start_at).
    fn next_block(&mut self, speed: f64, fade: Fade) -> Result<Self::Samples, String>;
}

/// Whether a voice can begin to play somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// At once.
    Ready,
    /// It is being opened, or the place is being found.
    Opening,
    /// Never: the track is known to be silence.
    Silent,
    /// Not while its file cannot be opened or read, for this reason.
    Failed(String),
}

/// How the volume changes within one block: a fade lasts about 5 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fade {
    /// It is played as it is.
    None,
    /// It fades in.
    In,
    /// It fades out.
    Out,
    /// It is not heard.
    Silent,
}

impl Fade {
    /// Returns the gain of a block's frame, counted from 0: a raised cosine over one block, which
    /// has no corner that could click.
    pub fn gain(self, frame: usize) -> f32 {
        let phase = (frame as f32 + 0.5) / BLOCK_FRAMES as f32;
        let rising = 0.5 - 0.5 * (std::f32::consts::PI * phase).cos();
        match self {
            Self::None => 1.0,
            Self::In => rising,
            Self::Out => 1.0 - rising,
            Self::Silent => 0.0,
        }
    }
}
