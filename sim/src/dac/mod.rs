//! The sound card in virtual time, without sound: when each frame is heard, what its driver reports
//! of that, and what plays on it.
//!
//! - `locked_player` is the service's feeder on `place_voice`, which stands for the samples;
//! - `python` has the other one.

mod locked_player;
mod place_voice;

use jaudiosync_time::{Axis, ClockMap, Instant, Raw, Span, True, Utc};

pub use self::locked_player::LockedPlayer;
use super::oscillator::{Crystal, Temperature};
use super::randomness::{Purpose, stream};
use super::scenario::Scenario;
use super::virtual_box::BoxWorld;
use jaudiosync::timetable::{Length, Timetable};

/// What is heard at an instant, beside the timetable. Positive is late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// The whole error, in ns.
    pub error_ns_f64: f64,
    /// What the phase lock has left, in ns, where there is one.
    pub servo_error_ns_f64: Option<f64>,
    /// By how much later the frame is heard than its clock model said, where there is one.
    pub dac_clock_error: Option<Span>,
}

/// What plays in a box.
pub trait Player: Send {
    /// The box was switched on.
    fn power_on(&mut self, now: Instant<True>);

    /// Plays until an instant by this map. In silence where there is none.
    fn advance_to(&mut self, time: Instant<True>, world: &BoxWorld, utc: Option<&ClockMap<Raw, Utc>>);

    /// What is heard at an instant that has been reached, asked in the order of time.
    fn heard(&mut self, time: Instant<True>, world: &BoxWorld) -> Option<Heard>;

    /// Whether music is heard, or about to be.
    fn plays(&self) -> bool;
}

/// The clock that a sound card's crystal drives: it begins at 0 when the stream is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Card;

impl Axis for Card {
    const NAME: &'static str = "sound card";
}

/// A sound card's crystal, which counts frames from when the stream was opened.
pub struct SoundCard {
    crystal: Crystal<Card>,
    rate_hz: u32,
}

impl SoundCard {
    /// The card of a box, counted from 0.
    pub fn new(scenario: &Scenario, seed: u64, index: usize, temperature: Temperature, now: Instant<True>) -> Self {
        let mut random = stream(seed, Some(index), Purpose::DacCrystal);
        let model = scenario.dac_crystal.draw(&mut random);
        let crystal = Crystal::start(model, temperature, random, now, Instant::ZERO);
        Self { crystal, rate_hz: scenario.dac.rate_hz.max(1) }
    }

    /// Opens the stream: frame 0 is heard now.
    pub fn open(&mut self, now: Instant<True>) {
        self.crystal.restart(now, Instant::ZERO);
    }

    /// Returns the time by the card's crystal since the stream was opened.
    pub fn reading(&mut self, time: Instant<True>) -> Instant<Card> {
        self.crystal.reading(time)
    }

    /// Returns the instant at which a frame is heard.
    fn heard(&mut self, frame: u64) -> Instant<True> {
        let card_ns = u128::from(frame) * Span::SECOND.ns() as u128 / u128::from(self.rate_hz);
        self.crystal.time_of(Instant::from_ns(i64::try_from(card_ns).unwrap_or(i64::MAX / 4)))
    }

    /// Returns the frame, with its fraction, that is heard at an instant.
    fn frame_at(&mut self, time: Instant<True>) -> f64 {
        (self.crystal.reading(time) - Instant::ZERO).ns_f64() * f64::from(self.rate_hz) * 1e-9
    }
}

/// The playlist that a simulated fleet plays: a dozen tracks of three to five minutes, over and
/// over.
pub fn playlist(seed: u64) -> Option<Timetable> {
    const RATE_HZ: u32 = 44_100;
    let mut random = stream(seed, None, Purpose::Playlist);
    let lengths = (0..12)
        .map(|_| {
            Some(Length { frames: random.u64(180 * u64::from(RATE_HZ)..300 * u64::from(RATE_HZ)), rate_hz: RATE_HZ })
        })
        .collect();
    Timetable::common(lengths, 0).ok()
}
