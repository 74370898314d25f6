//! A slot's voice and its phase lock, which makes it follow the timetable.

use super::phase_lock::{Steering, steer};
use super::voice::{Fade, Voice};
use crate::timetable::Start;

/// Where in a track the DAC's next frames belong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    /// The place of the next frame, in seconds since the slot began.
    pub now_s: f64,
    /// By how much faster than the DAC's nominal rate the place moves, as a fraction.
    pub drift: f64,
}

/// What a block did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BlockReport {
    /// Target minus actual place, in ns, at the block's first frame; positive when the music is
    /// late.
    pub phase_error_ns: f64,
    /// Speed relative to nominal.
    pub speed: f64,
}

/// The voice of a slot, which is steered while it plays.
pub(super) struct SteeredVoice<V> {
    pub slot: Start,
    pub voice: V,
    fades_in: bool,
    /// Playing has to jump, because the phase error was this, in ns.
    pub left_at_ns: Option<f64>,
}

impl<V: Voice> SteeredVoice<V> {
    /// Makes a slot's voice into one that can be steered.
    pub(super) fn new(slot: Start, voice: V) -> Self {
        Self { slot, voice, fades_in: false, left_at_ns: None }
    }

    /// Prepares so that the next block begins at this place, which is ready. `fade_in` unless it is
    /// the track's beginning.
    pub(super) fn start_at(&mut self, place_s: f64, fade_in: bool) -> Result<(), String> {
        self.fades_in = fade_in;
        self.voice.start_at(place_s)
    }

    /// Makes the next block, and steers it towards the target. If it is too far off, the block
    /// fades out, and [`left_at_ns`](Self::left_at_ns) says that playing has to jump.
    pub(super) fn next_block(&mut self, target: Target) -> Result<(V::Samples, BlockReport), String> {
        let error_s = target.now_s - self.voice.place_s();
        let steering = steer(error_s, target.drift);
        let (speed, fade) = match (steering, self.fades_in) {
            (Steering::Speed(speed), false) => (speed, Fade::None),
            (Steering::Speed(speed), true) => (speed, Fade::In),
            (Steering::Reseek, false) => (1.0, Fade::Out),
            (Steering::Reseek, true) => (1.0, Fade::Silent),
        };
        let samples = self.voice.next_block(speed, fade)?;
        self.fades_in = false;
        if steering == Steering::Reseek {
            self.left_at_ns = Some(error_s * 1e9);
        }
        Ok((samples, BlockReport { phase_error_ns: error_s * 1e9, speed }))
    }
}
