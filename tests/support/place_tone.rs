//! A tone that encodes its place in the track: cosine on the left, sine on the right.

use std::f64::consts::TAU;

use jaudiosync::player::library::{DecodeError, FrameSource, TrackSource};

const AMPLITUDE: f64 = 0.5;

/// The tone of a track, which is silent outside it.
pub struct PlaceTone {
    pub rate_hz: u32,
    /// The place is encoded modulo this many seconds.
    pub period_s: f64,
    /// The place that the track's beginning sounds like.
    pub shift_s: f64,
    pub length_s: f64,
    /// The next frame; negative ones are before the track.
    pub frame: i64,
}

impl PlaceTone {
    /// Fills a buffer of two channels with the frames that follow.
    pub fn fill(&mut self, out: &mut [f32]) {
        for pair in out.chunks_exact_mut(2) {
            let at_s = self.frame as f64 / f64::from(self.rate_hz);
            let (sin, cos) = (TAU * (at_s + self.shift_s) / self.period_s).sin_cos();
            let gain = if (0.0..self.length_s).contains(&at_s) { AMPLITUDE } else { 0.0 };
            (pair[0], pair[1]) = ((gain * cos) as f32, (gain * sin) as f32);
            self.frame += 1;
        }
    }
}

impl FrameSource for PlaceTone {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        self.frame = frame;
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        self.fill(out);
        Ok(())
    }
}

impl TrackSource for PlaceTone {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn channels(&self) -> usize {
        2
    }
}

/// Returns the place that a frame encodes, in seconds modulo the period; `None` if it is not louder
/// than `quietest`.
pub fn place_s(frame: &[f32], period_s: f64, quietest: f64) -> Option<f64> {
    let (left, right) = (f64::from(frame[0]), f64::from(frame[1]));
    (left.hypot(right) > quietest).then(|| right.atan2(left) / TAU * period_s)
}

/// Returns by how much later than it should be a place is heard, in ms, if that is less than half a
/// period.
pub fn late_ms(should_s: f64, is_s: f64, period_s: f64) -> f64 {
    let late = (should_s - is_s) / period_s;
    (late - late.round()) * period_s * 1e3
}
