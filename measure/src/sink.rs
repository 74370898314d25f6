//! The sinks of the virtual card.

/// Frames per second of the card and of its sinks.
pub(crate) const RATE_HZ: u32 = 48_000;

/// The most boxes that a card has channels for.
pub(crate) const MOST_BOXES: usize = 8;

/// PulseAudio's names of the sinks of single boxes, and of the channels into which they play.
const BOXES: [(&str, &str); MOST_BOXES] = [
    ("box_left", "front-left"),
    ("box_right", "front-right"),
    ("box_3", "aux2"),
    ("box_4", "aux3"),
    ("box_5", "aux4"),
    ("box_6", "aux5"),
    ("box_7", "aux6"),
    ("box_8", "aux7"),
];

/// Where on the card a program plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// The left channel only.
    Left,
    /// The right channel only.
    Right,
    /// Both channels, as they come.
    Both,
    /// One channel of a card that was started for several boxes
    /// ([`crate::VirtualCard::start_for`]), by its number from 0 on; 0 is left and 1 right.
    Box(usize),
}

impl Sink {
    /// Returns PulseAudio's name of the sink.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => BOXES[0].0,
            Self::Right => BOXES[1].0,
            Self::Both => "both",
            Self::Box(number) => BOXES[number.min(MOST_BOXES - 1)].0,
        }
    }

    /// Returns PulseAudio's name of the channel of the box with this number.
    pub(crate) fn channel(number: usize) -> &'static str {
        BOXES[number.min(MOST_BOXES - 1)].1
    }
}
