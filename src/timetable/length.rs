//! The exact length of a track, and the slot it takes.

use jaudiosync_time::Span;
use serde::{Deserialize, Serialize};

/// The exact length of a track, in its own frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Length {
    /// Frames (samples per channel), without the encoder's delay and padding.
    pub frames: u64,
    /// Frames per second, at least 1.
    pub rate_hz: u32,
}

impl Length {
    /// Returns a length that is known in seconds only, such as that of an `#EXTINF` line; a
    /// negative or absurd one becomes zero.
    pub fn from_seconds(seconds: f64) -> Self {
        let milliseconds = if seconds.is_finite() { (seconds.clamp(0.0, 1e7) * 1000.0).round() } else { 0.0 };
        Self { frames: milliseconds as u64, rate_hz: 1000 }
    }

    /// Returns it as a span, rounded up to a nanosecond, so that the last frame still lies within
    /// it.
    pub fn span(self) -> Span {
        let ns = (u128::from(self.frames) * 1_000_000_000).div_ceil(u128::from(self.rate_hz.max(1)));
        Span::from_ns(i64::try_from(ns).unwrap_or(i64::MAX / 4))
    }

    /// Returns it in seconds.
    pub fn seconds(&self) -> f64 {
        self.frames as f64 / f64::from(self.rate_hz.max(1))
    }
}

/// Returns the seconds of the slot that a track of this length takes: its length rounded up to
/// whole seconds, plus one, as in the Python program that came before. A track without a known
/// length takes the shortest slot, one second.
pub fn slot_s(length: Option<Length>) -> i64 {
    let whole = length.map_or(0, |length| length.frames.div_ceil(u64::from(length.rate_hz.max(1))));
    // A thousand years, so that no sum over a playlist can overflow.
    i64::try_from(whole).unwrap_or(i64::MAX).min(31_556_952_000) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_the_length_rounded_up_and_a_second() {
        let slot = |frames| slot_s(Some(Length { frames, rate_hz: 44_100 }));
        assert_eq!(slot(44_100 * 60), 61);
        assert_eq!(slot(44_100 * 60 + 1), 62);
        assert_eq!(slot(1), 2);
        assert_eq!(slot_s(None), 1);
    }

    #[test]
    fn seconds_from_a_playlist_may_be_nonsense() {
        for nonsense in [-1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Length::from_seconds(nonsense).frames, 0);
        }
        assert_eq!(Length::from_seconds(2.5).seconds(), 2.5);
    }
}
