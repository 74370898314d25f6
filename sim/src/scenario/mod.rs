//! What a simulated fleet and its day are like, as a TOML file says: no field has to be given,
//! unknown ones are errors.
//!
//! Only the description lives here; [`schedule`](super::schedule) lays it out on the time axis of
//! one box.

mod air;
mod builtin;
mod event;
mod parse;

use serde::{Deserialize, Serialize};

use super::crystal_spread::CrystalSpread;

pub use air::{Air, ContactWindow};
pub use builtin::{BUILT_IN, BuiltIn, built_in};
pub use event::{Event, ReferenceKind, RtcFault};
pub use parse::{ScenarioError, load, parse};

/// Which program keeps the boxes' time and plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// This one.
    Jaudiosync,
    /// The Python program that came before: `hwclock` every five minutes, and no lock within a
    /// track.
    Python,
    /// None at all: boxes that know UTC exactly, so that only the player's errors and the sound
    /// card's remain.
    TrueTime,
}

/// A fleet and its day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    /// What it is about, for `--list-scenarios`.
    pub description: String,
    /// Which program runs.
    pub policy: Policy,
    /// Boxes, 1 to 100.
    pub boxes: usize,
    /// Length of the ride in hours, more than 0, at most 48.
    pub hours: f64,
    /// What happened before the ride.
    pub calibration: Calibration,
    /// The weather.
    pub temperature: TemperatureProfile,
    /// The Pis' crystals.
    pub pi_crystal: CrystalSpread,
    /// The DACs' crystals.
    pub dac_crystal: CrystalSpread,
    /// The real-time clocks.
    pub rtc: RtcSpread,
    /// The sound cards.
    pub dac: SoundCards,
    /// Time servers, and the way to them.
    pub ntp: Ntp,
    /// The same at the contacts before the ride, where that is another way, to as many servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<Ntp>,
    /// GPS receivers.
    pub gps: Gps,
    /// The network between the boxes, where they hear each other.
    #[serde(skip_serializing_if = "is_default")]
    pub air: Air,
    /// Stretches of the ride that the report looks at by themselves: from and to, in minutes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows_minutes: Vec<[f64; 2]>,
    /// What happens during the ride.
    #[serde(rename = "event")]
    pub events: Vec<Event>,
}

/// What happened before the ride: at each contact the box is on and hears a time server; in between
/// it is off and the RTC runs on its battery.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    /// The first contact begins this many days before the ride; 0 for no contact at all.
    pub days_before: f64,
    /// Contacts a day, evenly apart; the last one is right before the ride.
    pub ntp_contacts_per_day: f64,
    /// The box stays on for so long, in minutes.
    pub on_minutes: f64,
    /// From the end of the last contact to the beginning of the ride, in minutes, at least 2.
    pub last_ends_minutes_before: f64,
}

/// Temperatures around the boxes, in °C.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TemperatureProfile {
    /// The coldest air of the ride.
    pub min_c: f64,
    /// The warmest air of the ride.
    pub max_c: f64,
    /// Indoors, before the ride.
    pub indoor_c: f64,
    /// Indoors it is so much warmer at day, and colder at night.
    pub indoor_swing_c: f64,
    /// Standard deviation from box to box.
    pub box_sigma_c: f64,
    /// Sun and shade: a box is up to so much warmer or colder for some minutes.
    pub sun_c: f64,
    /// Time constant with which a box takes on the temperature outdoors, in minutes.
    pub box_time_constant_minutes: f64,
}

/// How the real-time clocks differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RtcSpread {
    /// All are perfect: only what the software adds remains.
    pub ideal: bool,
    /// Standard deviation of the rate, in ppm.
    pub rate_sigma_ppm: f64,
    /// None is further off, in ppm; the datasheet of the DS3231 has 2 from 0 to 40 °C.
    pub rate_limit_ppm: f64,
    /// What the chip's own compensation leaves over the temperatures of a ride, at most, in ppm.
    pub residual_ppm: f64,
    /// Standard deviation of the aging, in ppb a day; the datasheet has 1 ppm in the first year at
    /// most.
    pub aging_sigma_ppb_per_day: f64,
    /// Standard deviation of what the clocks show beside UTC when the simulation begins, in ms.
    pub initial_offset_sigma_ms: f64,
}

/// How finely a sound card reports its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundCardKind {
    /// To a frame.
    I2s,
    /// In steps of a millisecond.
    Usb,
}

/// The sound cards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoundCards {
    /// How finely they report their positions.
    pub kind: SoundCardKind,
    /// Frames per second, 8000 to 192000.
    pub rate_hz: u32,
    /// Frames of a period, 64 to 16384.
    pub period_frames: u32,
    /// The part of callbacks at which the thread is put aside between the two readings, 0 to 1.
    pub burst_probability: f64,
    /// For up to this long, in ms.
    pub burst_ms: f64,
}

/// Time servers, and the way to them over Wi-Fi.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ntp {
    /// How many, 1 to 10.
    pub servers: usize,
    /// When they are in reach during the ride: from and to, in minutes since its beginning.
    pub available_minutes: Vec<[f64; 2]>,
    /// The shortest round trip, in ms.
    pub base_delay_ms: f64,
    /// The error that the way's asymmetry makes, the same for all boxes (they use the same line),
    /// in ms.
    pub asymmetry_ms: f64,
    /// Standard deviation of the error that differs from box to box and from contact to contact, in
    /// ms.
    pub asymmetry_sigma_ms: f64,
    /// Standard deviation of the error that differs from box to box and is the same at every
    /// contact, in ms: each box is behind a line of its own.
    pub asymmetry_line_sigma_ms: f64,
    /// Mean of the random delay of a packet to the server, in ms.
    pub jitter_up_ms: f64,
    /// Mean of the random delay of a packet from the server, in ms: Wi-Fi's power saving holds
    /// these back.
    pub jitter_down_ms: f64,
    /// The part of packets that is lost, 0 to 1.
    pub loss: f64,
    /// What the server says of its own distance from UTC, in ms.
    pub root_distance_ms: f64,
    /// It is in the box's own network, as a phone is, and may be asked more often than a public
    /// server.
    pub nearby: bool,
}

/// GPS receivers with a pulse every second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gps {
    /// When there is a fix during the ride: from and to, in minutes since its beginning.
    pub available_minutes: Vec<[f64; 2]>,
    /// Standard deviation of a pulse, in µs.
    pub jitter_us: f64,
    /// Mean delay of the interrupt, in µs.
    pub interrupt_us: f64,
    /// The interval of samples in seconds, at least 1.
    pub interval_s: f64,
}

fn is_default(air: &Air) -> bool {
    *air == Air::default()
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            description: String::new(),
            policy: Policy::Jaudiosync,
            boxes: 8,
            hours: 4.0,
            calibration: Calibration::default(),
            temperature: TemperatureProfile::default(),
            pi_crystal: CrystalSpread::PI,
            dac_crystal: CrystalSpread::DAC,
            rtc: RtcSpread::default(),
            dac: SoundCards::default(),
            ntp: Ntp::default(),
            home: None,
            gps: Gps::default(),
            air: Air::default(),
            windows_minutes: Vec::new(),
            events: Vec::new(),
        }
    }
}

impl Default for Calibration {
    fn default() -> Self {
        Self { days_before: 3.0, ntp_contacts_per_day: 1.0, on_minutes: 60.0, last_ends_minutes_before: 5.0 }
    }
}

impl Default for TemperatureProfile {
    fn default() -> Self {
        Self {
            min_c: 5.0,
            max_c: 30.0,
            indoor_c: 20.0,
            indoor_swing_c: 2.0,
            box_sigma_c: 1.0,
            sun_c: 2.0,
            box_time_constant_minutes: 20.0,
        }
    }
}

impl Default for RtcSpread {
    fn default() -> Self {
        Self {
            ideal: false,
            rate_sigma_ppm: 0.5,
            rate_limit_ppm: 2.0,
            residual_ppm: 0.5,
            aging_sigma_ppb_per_day: 1.0,
            initial_offset_sigma_ms: 200.0,
        }
    }
}

impl Default for SoundCards {
    fn default() -> Self {
        Self { kind: SoundCardKind::I2s, rate_hz: 44_100, period_frames: 1193, burst_probability: 0.001, burst_ms: 3.0 }
    }
}

impl Default for Ntp {
    fn default() -> Self {
        Self {
            servers: 1,
            available_minutes: Vec::new(),
            base_delay_ms: 16.0,
            asymmetry_ms: 1.0,
            asymmetry_sigma_ms: 0.1,
            asymmetry_line_sigma_ms: 0.0,
            jitter_up_ms: 1.0,
            jitter_down_ms: 3.0,
            loss: 0.02,
            root_distance_ms: 5.0,
            nearby: false,
        }
    }
}

impl Default for Gps {
    fn default() -> Self {
        Self { available_minutes: Vec::new(), jitter_us: 1.0, interrupt_us: 15.0, interval_s: 8.0 }
    }
}
