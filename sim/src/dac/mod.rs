//! The sound card in virtual time, without sound: when each frame is heard, what its driver reports
//! of that, and what plays on it.
//!
//! - `locked_player` is the service's feeder on `place_voice`, which stands for the samples;
//! - `python` has the other one.

mod locked_player;
mod place_voice;

use jaudiosync_hw::clocks::NS_PER_S;

pub use self::locked_player::LockedPlayer;
use super::oscillator::{Crystal, Temperature};
use super::randomness::{Purpose, stream};
use super::scenario::Scenario;
use super::virtual_box::BoxWorld;
use jaudiosync::timekeeping::Timescale;
use jaudiosync::timetable::{Length, Timetable};

/// What is heard at an instant, beside the timetable. Positive is late.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// The whole error, in ns.
    pub error_ns: f64,
    /// What the phase lock has left, in ns, where there is one.
    pub servo_error_ns: Option<f64>,
    /// By how much later the frame is heard than its clock model said, in ns, where there is one.
    pub dac_clock_error_ns: Option<f64>,
}

/// What plays in a box.
pub trait Player: Send {
    /// The box was switched on.
    fn power_on(&mut self, true_ns: i64);

    /// Plays until an instant by this timescale. In silence where there is none.
    fn advance_to(&mut self, true_ns: i64, world: &BoxWorld, timescale: Option<&Timescale>);

    /// What is heard at an instant that has been reached, asked in the order of time.
    fn heard(&mut self, true_ns: i64, world: &BoxWorld) -> Option<Heard>;

    /// Whether music is heard, or about to be.
    fn plays(&self) -> bool;
}

/// A sound card's crystal, which counts frames from when the stream was opened.
pub struct SoundCard {
    crystal: Crystal,
    rate_hz: u32,
}

impl SoundCard {
    /// The card of a box, counted from 0.
    pub fn new(scenario: &Scenario, seed: u64, index: usize, temperature: Temperature, true_ns: i64) -> Self {
        let mut random = stream(seed, Some(index), Purpose::DacCrystal);
        let model = scenario.dac_crystal.draw(&mut random);
        Self { crystal: Crystal::start(model, temperature, random, true_ns, 0), rate_hz: scenario.dac.rate_hz.max(1) }
    }

    /// Opens the stream: frame 0 is heard now.
    pub fn open(&mut self, true_ns: i64) {
        self.crystal.restart(true_ns, 0);
    }

    /// Time by the card's crystal since the stream was opened, in ns.
    pub fn reading_ns(&mut self, true_ns: i64) -> i64 {
        self.crystal.reading_ns(true_ns)
    }

    /// The instant at which a frame is heard.
    fn heard_true_ns(&mut self, frame: u64) -> i64 {
        let card_ns = u128::from(frame) * NS_PER_S as u128 / u128::from(self.rate_hz);
        self.crystal.true_ns(i64::try_from(card_ns).unwrap_or(i64::MAX / 4))
    }

    /// The frame, with its fraction, that is heard at an instant.
    fn frame_at(&mut self, true_ns: i64) -> f64 {
        self.crystal.reading_ns(true_ns) as f64 * f64::from(self.rate_hz) * 1e-9
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
