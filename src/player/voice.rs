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
/// It is made, asked and dropped on the feeder's thread, and so never waits. Places are in seconds
/// since the track's beginning.
pub trait Voice: Sized {
    /// What the feeder has tracks opened with.
    type Opener;

    /// What a block of it consists of.
    type Samples;

    /// Have a slot's track opened for a stream of this rate. `wanted_s` is the place that is wanted
    /// of it first.
    fn open(
        opener: &Self::Opener,
        library: &Arc<dyn Library>,
        slot: Start,
        device_rate_hz: u32,
        wanted_s: f64,
        now: Instant<Raw>,
    ) -> Self;

    /// Say which place will be wanted next.
    fn want(&self, place_s: f64);

    /// Have a file opened anew that cannot be read, once in a while.
    fn retry_if_failed(&mut self, now: Instant<Raw>);

    /// Return whether the track is open: the place that is wanted may still be looked for.
    fn is_open(&self) -> bool;

    /// Return whether playing can begin at a place.
    fn readiness(&mut self, place_s: f64) -> Readiness;

    /// Return why the file cannot be read on, if that is so now. What was decoded before can be
    /// played all the same.
    fn failure(&self) -> Option<&str>;

    /// Begin the next block at this place, which is ready.
    ///
    /// # Errors
    /// When it was not ready or something refuses, which would be a mistake of this program.
    fn start_at(&mut self, place_s: f64) -> Result<(), String>;

    /// Return the place at which the next block begins.
    fn place_s(&self) -> f64;

    /// Return whether the next block can be made now.
    fn has_next_block(&mut self) -> bool;

    /// Make the next block at a speed relative to nominal.
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
    /// It is being opened, or the place is being looked for.
    Opening,
    /// Never: the track is known to be silence.
    Silent,
    /// Not as long as its file cannot be opened or read, for this reason.
    Failed(String),
}

/// What becomes of the loudness within one block: a fade lasts some 5 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fade {
    /// It is heard as it is.
    None,
    /// It fades in.
    In,
    /// It fades out.
    Out,
    /// It is not heard.
    Silent,
}

impl Fade {
    /// The gain of a block's frame, counted from 0: a raised cosine over one block, which has no
    /// corner that could click.
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
