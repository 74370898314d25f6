//! Which simulated chip a simulated board has, by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jaudiosync_time::Span;

use super::{Ds3231Model, SimulatedDs3231, SimulatedWrongChip};
use crate::rtc::{Chip, Ds3231, Rtc, RtcError, StandIn};
use crate::world::World;

/// A simulated chip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SimulatedRtc {
    /// An ideal DS3231, set to UTC.
    #[default]
    Ds3231,
    /// A DS3231M.
    Ds3231m,
    /// A DS1307.
    Ds1307,
    /// A PCF8523.
    Pcf8523,
    /// An MPU-6050.
    Mpu6050,
    /// A DS3231 that was set by hand: it is off from the start, and gains or loses.
    Off(Error),
}

/// By how much a simulated DS3231 is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Error {
    /// What it shows minus UTC when the program starts, within ±10 s.
    pub offset: Span,
    /// How much too fast it runs, in ppb, within ±200 ppm.
    pub rate_ppb: i32,
}

const OFFSET: &str = "offset=";
const RATE: &str = "rate=";
const LARGEST_OFFSET_MS: f64 = 10_000.0;
const LARGEST_RATE_PPM: f64 = 200.0;

impl SimulatedRtc {
    const ALL: [(Self, &str); 5] = [
        (Self::Ds3231, "ds3231"),
        (Self::Ds3231m, "ds3231m"),
        (Self::Ds1307, "ds1307"),
        (Self::Pcf8523, "pcf8523"),
        (Self::Mpu6050, "mpu6050"),
    ];

    /// Returns whether it was set to UTC, and is as right as that.
    pub fn is_right(self) -> bool {
        !matches!(self, Self::Off(_))
    }

    /// Makes the chip in this world, and returns what opens it.
    pub fn opener(
        self,
        world: Arc<dyn World>,
        stand_in: StandIn,
    ) -> Box<dyn FnMut() -> Result<Box<dyn Rtc>, RtcError> + Send> {
        let wrong = match self {
            Self::Ds3231 | Self::Ds3231m | Self::Off(_) => {
                let model = match self {
                    Self::Ds3231m => Ds3231Model::ds3231m(1),
                    Self::Off(Error { offset, rate_ppb }) => {
                        Ds3231Model { offset, rate_ppb: f64::from(rate_ppb), ..Ds3231Model::default() }
                    }
                    _ => Ds3231Model::default(),
                };
                let (chip, _) = SimulatedDs3231::new(world, model, 1);
                return Box::new(move || Ok(Box::new(Ds3231::recognize(chip.clone(), stand_in)?)));
            }
            Self::Ds1307 => Chip::Ds1307,
            Self::Pcf8523 => Chip::Pcf8523,
            Self::Mpu6050 => Chip::MotionSensor,
        };
        let chip = SimulatedWrongChip::new(world, wrong, 1);
        Box::new(move || Ok(Box::new(Ds3231::recognize(chip.clone(), stand_in)?)))
    }
}

impl fmt::Display for SimulatedRtc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Off(Error { offset, rate_ppb }) = self {
            return write!(formatter, "{OFFSET}{}ms,{RATE}{}ppm", offset.ms(), f64::from(*rate_ppb) / 1e3);
        }
        let name = Self::ALL.iter().find(|(chip, _)| chip == self).map_or("", |(_, name)| name);
        formatter.write_str(name)
    }
}

/// There is no simulated chip of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a simulated RTC; there are ds3231, ds3231m, ds1307, pcf8523 and mpu6050, and a DS3231 that is wrong: \
     offset=7ms,rate=-1.5ppm (at most 10000ms and 200ppm)"
)]
pub struct NoSuchChip(String);

impl FromStr for SimulatedRtc {
    type Err = NoSuchChip;

    fn from_str(name: &str) -> Result<Self, NoSuchChip> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        let found = found.map(|(chip, _)| *chip).or_else(|| off(name).map(Self::Off));
        found.ok_or_else(|| NoSuchChip(name.to_owned()))
    }
}

/// Reads by how much a chip is wrong: an offset, a rate, or both.
fn off(text: &str) -> Option<Error> {
    let number = |text: &str, unit: &str, largest: f64| {
        let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
        (number.abs() <= largest).then_some(number)
    };
    text.split(',').try_fold(Error::default(), |error, part| {
        if let Some(offset) = part.strip_prefix(OFFSET) {
            return Some(Error { offset: Span::from_ms_f64(number(offset, "ms", LARGEST_OFFSET_MS)?), ..error });
        }
        let rate_ppm = number(part.strip_prefix(RATE)?, "ppm", LARGEST_RATE_PPM)?;
        Some(Error { rate_ppb: (rate_ppm * 1e3).round() as i32, ..error })
    })
}
