//! How the box answers: with its LED, and with short tones while nothing plays. The player makes
//! their sound.

use jaudiosync_time::{Instant, Raw, Span};

/// What the LED shows while a state lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LedPattern {
    /// Ready, waiting for Start: a blink of 50 ms every 3 s.
    Idle,
    /// About to play, waiting for the playlist, the time, the slot or the file: half a second on,
    /// half a second off.
    Waiting,
    /// Playing in sync: on.
    InSync,
    /// Playing, and not in sync, or not known to be: on, with two short gaps every 2 s.
    NotInSync,
    /// No sound card, no playlist, or a track that cannot be played: three short flashes every
    /// 1.5 s.
    Fault,
    /// Shutting down: flickering, five times a second.
    ShuttingDown,
}

/// A short answer over the pattern: it inverts the pattern for a moment, and so is visible over any
/// of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flash {
    /// Understood: once, for 120 ms.
    Accepted,
    /// Not possible, or nothing to do: three times, for 60 ms each.
    Refused,
    /// Which box it is: ten times, for 150 ms each.
    Identify,
}

/// What a tone means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// The box is ready and waits for Start.
    Ready,
    /// Understood.
    Accepted,
    /// Not possible, or nothing to do.
    Refused,
    /// One step louder or quieter; it sounds at the new volume.
    VolumeStep,
    /// The volume has reached its limit.
    VolumeLimit,
    /// The Pi shuts down.
    ShuttingDown,
}

/// One note of a tone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Its frequency in Hz; 0 is silence.
    pub frequency_hz: u32,
    /// How long it lasts, in ms.
    pub duration_ms: u32,
}

const fn note(frequency_hz: u32, duration_ms: u32) -> Note {
    Note { frequency_hz, duration_ms }
}

impl Tone {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Ready, Self::Accepted, Self::Refused, Self::VolumeStep, Self::VolumeLimit, Self::ShuttingDown];

    /// Returns its notes: rising is good, falling is the end, low is no. All are within the range
    /// of a small speaker.
    pub const fn notes(self) -> &'static [Note] {
        match self {
            Self::Ready => const { &[note(660, 100), note(880, 100)] },
            Self::Accepted => const { &[note(880, 80)] },
            Self::Refused => const { &[note(330, 120), note(0, 60), note(330, 120)] },
            Self::VolumeStep => const { &[note(660, 60)] },
            Self::VolumeLimit => const { &[note(660, 60), note(0, 40), note(660, 60)] },
            Self::ShuttingDown => const { &[note(880, 100), note(660, 100), note(440, 150)] },
        }
    }

    /// Returns how long it lasts, in ms.
    pub const fn duration_ms(self) -> u32 {
        let (notes, mut index, mut sum_ms) = (self.notes(), 0, 0);
        while index < notes.len() {
            sum_ms += notes[index].duration_ms;
            index += 1;
        }
        sum_ms
    }
}

impl LedPattern {
    /// Returns whether it is lit at this time of the raw clock.
    pub fn is_lit(self, now_raw: Instant<Raw>) -> bool {
        let within = |period_ms: i64| ((now_raw - Instant::ZERO) % Span::from_ms(period_ms)).whole_ms();
        match self {
            Self::Idle => within(3000) < 50,
            Self::Waiting => within(1000) < 500,
            Self::InSync => true,
            Self::NotInSync => !matches!(within(2000), 0..100 | 200..300),
            Self::Fault => matches!(within(1500), 0..100 | 200..300 | 400..500),
            Self::ShuttingDown => within(200) < 100,
        }
    }
}

impl Flash {
    /// Returns whether it inverts the pattern at this time since it began.
    pub fn inverts(self, age: Span) -> bool {
        let age_ms = age.whole_ms();
        match self {
            Self::Accepted => matches!(age_ms, 0..120),
            Self::Refused => matches!(age_ms, 0..60 | 120..180 | 240..300),
            Self::Identify => (0..3_000).contains(&age_ms) && age_ms % 300 < 150,
        }
    }
}

/// Returns whether the LED is lit, given its pattern and the last flash with the raw time at which
/// that began.
pub fn is_lit(pattern: LedPattern, flash: Option<(Flash, Instant<Raw>)>, now_raw: Instant<Raw>) -> bool {
    let inverted = flash.is_some_and(|(flash, began)| flash.inverts(now_raw - began));
    pattern.is_lit(now_raw) != inverted
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: [LedPattern; 6] = [
        LedPattern::Idle,
        LedPattern::Waiting,
        LedPattern::InSync,
        LedPattern::NotInSync,
        LedPattern::Fault,
        LedPattern::ShuttingDown,
    ];

    /// Samples a pattern in steps of 10 ms.
    fn seen(pattern: LedPattern, seconds: i64) -> Vec<bool> {
        (0..seconds * 100).map(|step| pattern.is_lit(Instant::ZERO + Span::from_ms(10) * step)).collect()
    }

    #[test]
    fn patterns_can_be_distinguished_within_three_seconds() {
        for (index, pattern) in PATTERNS.iter().enumerate() {
            for other in &PATTERNS[..index] {
                let differ = seen(*pattern, 3).iter().zip(seen(*other, 3)).filter(|(a, b)| **a != *b).count();
                assert!(differ >= 20, "{pattern:?} and {other:?} differ for {differ} of 300 steps");
            }
        }
    }

    #[test]
    fn idle_blinks_briefly_every_three_seconds() {
        let rises = seen(LedPattern::Idle, 12).windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert_eq!(rises, 3, "and once at the very beginning");
        assert_eq!(seen(LedPattern::Idle, 12).iter().filter(|lit| **lit).count(), 4 * 5);
    }

    #[test]
    fn a_flash_is_seen_over_every_pattern_and_passes() {
        for pattern in PATTERNS {
            for flash in [Flash::Accepted, Flash::Refused] {
                let began = Instant::ZERO + Span::from_ms(123);
                let inverted = |age_ms: i64| {
                    let now = began + Span::from_ms(age_ms);
                    is_lit(pattern, Some((flash, began)), now) != pattern.is_lit(now)
                };
                assert!(inverted(0) && inverted(59));
                assert!(!(300..1000).any(inverted) && !inverted(-1));
            }
        }
    }

    #[test]
    fn a_box_that_says_which_it_is_flashes_for_three_seconds() {
        let inverted = |age_ms| Flash::Identify.inverts(Span::from_ms(age_ms));
        let begins = (-10..4_000).filter(|age_ms| inverted(*age_ms) && !inverted(age_ms - 1)).count();
        assert_eq!((begins, inverted(2_849), inverted(2_850), inverted(-1)), (10, true, false, false));
    }

    #[test]
    fn tones_are_short_and_differ() {
        for tone in Tone::ALL {
            assert!((40..=500).contains(&tone.duration_ms()), "{tone:?}");
            assert!(Tone::ALL.iter().all(|other| *other == tone || other.notes() != tone.notes()));
        }
    }
}
