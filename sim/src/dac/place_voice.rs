//! A voice that is nothing but its place in the track: decoding and resampling a fleet's four hours
//! would take ten minutes.

use std::sync::Arc;

use jaudiosync::player::library::{DecodeError, Library, TrackSource};
use jaudiosync::player::ring::BLOCK_FRAMES;
use jaudiosync::player::voice::{Fade, Readiness, Voice};
use jaudiosync::timetable::Start;
use jaudiosync_time::{Instant, Raw};

/// What a block would sound like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaceBlock {
    /// Whose track it is of.
    pub slot: Start,
    /// The place of its first frame, in seconds since the track began.
    pub place_s: f64,
    /// Relative to nominal.
    pub speed: f64,
    /// It fades out before the place is taken again, or was never faded in.
    pub is_fading: bool,
}

/// A track that is always open.
pub struct PlaceVoice {
    slot: Start,
    block_s: f64,
    place_s: f64,
}

impl Voice for PlaceVoice {
    type Opener = ();
    type Samples = PlaceBlock;

    fn open((): &(), _: &Arc<dyn Library>, slot: Start, device_rate_hz: u32, _: f64, _: Instant<Raw>) -> Self {
        Self { slot, block_s: BLOCK_FRAMES as f64 / f64::from(device_rate_hz), place_s: 0.0 }
    }

    fn want(&self, _: f64) {}

    fn retry_if_failed(&mut self, _: Instant<Raw>) {}

    fn is_open(&self) -> bool {
        true
    }

    fn readiness(&mut self, _: f64) -> Readiness {
        Readiness::Ready
    }

    fn failure(&self) -> Option<&str> {
        None
    }

    fn start_at(&mut self, place_s: f64) -> Result<(), String> {
        self.place_s = place_s;
        Ok(())
    }

    fn place_s(&self) -> f64 {
        self.place_s
    }

    fn has_next_block(&mut self) -> bool {
        true
    }

    fn next_block(&mut self, speed: f64, fade: Fade) -> Result<PlaceBlock, String> {
        let is_fading = matches!(fade, Fade::Out | Fade::Silent);
        let block = PlaceBlock { slot: self.slot, place_s: self.place_s, speed, is_fading };
        self.place_s += self.block_s * speed;
        Ok(block)
    }
}

/// The files that a simulated box has: none. Its voices do not ask for them.
pub struct NoFiles;

impl Library for NoFiles {
    fn open(&self, _: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        Ok(None)
    }
}
