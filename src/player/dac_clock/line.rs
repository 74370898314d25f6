//! The line that the model fits: frames against the raw clock.

use jaudiosync_time::{Instant, Rate, Raw, Span};

/// When the frames of a stream are heard, while nothing interrupts it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DacLine {
    /// The frame that is heard at `phase`, and `fraction_ns` later.
    pub(super) frame: u64,
    pub(super) phase: Instant<Raw>,
    pub(super) fraction_ns: f64,
    pub(super) rate_hz: f64,
    /// By how much a frame lasts longer than nominal, as a fraction.
    pub(super) slower: f64,
}

impl DacLine {
    /// Returns when a frame is heard.
    pub fn heard(&self, frame: u64) -> Instant<Raw> {
        let frames = frame as f64 - self.frame as f64;
        let frames_ns = frames * 1e9 / self.rate_hz * (1.0 + self.slower);
        self.phase + Span::from_ns_f64(self.fraction_ns + frames_ns)
    }

    /// Returns the frame, with its fraction, that is heard at a reading of the raw clock.
    pub fn frame_at(&self, raw: Instant<Raw>) -> f64 {
        let since_ns = (raw - self.phase).ns_f64() - self.fraction_ns;
        self.frame as f64 + since_ns / (1e9 / self.rate_hz * (1.0 + self.slower))
    }

    /// Returns by how much the DAC is slower than nominal: the rate of the raw clock as seen by the
    /// DAC.
    pub fn slower(&self) -> Rate {
        Rate::from_fraction(self.slower)
    }
}
