//! The sinks of the virtual card.

/// Frames per second of the card and of its sinks.
pub(crate) const RATE_HZ: u32 = 48_000;

/// Where on the card a program plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// The left channel only.
    Left,
    /// The right channel only.
    Right,
    /// Both channels, as they come.
    Both,
}

impl Sink {
    /// Returns PulseAudio's name of the sink.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "box_left",
            Self::Right => "box_right",
            Self::Both => "both",
        }
    }
}
