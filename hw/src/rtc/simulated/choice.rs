//! Which simulated chip a simulated board has, by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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
}

impl SimulatedRtc {
    const ALL: [(Self, &str); 5] = [
        (Self::Ds3231, "ds3231"),
        (Self::Ds3231m, "ds3231m"),
        (Self::Ds1307, "ds1307"),
        (Self::Pcf8523, "pcf8523"),
        (Self::Mpu6050, "mpu6050"),
    ];

    /// Makes the chip in this world, and returns what opens it.
    pub fn opener(
        self,
        world: Arc<dyn World>,
        stand_in: StandIn,
    ) -> Box<dyn FnMut() -> Result<Box<dyn Rtc>, RtcError> + Send> {
        let wrong = match self {
            Self::Ds3231 | Self::Ds3231m => {
                let model = if self == Self::Ds3231m { Ds3231Model::ds3231m(1) } else { Ds3231Model::default() };
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
        let name = Self::ALL.iter().find(|(chip, _)| chip == self).map_or("", |(_, name)| name);
        formatter.write_str(name)
    }
}

/// There is no simulated chip of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a simulated RTC; there are ds3231, ds3231m, ds1307, pcf8523 and mpu6050")]
pub struct NoSuchChip(String);

impl FromStr for SimulatedRtc {
    type Err = NoSuchChip;

    fn from_str(name: &str) -> Result<Self, NoSuchChip> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(chip, _)| *chip).ok_or_else(|| NoSuchChip(name.to_owned()))
    }
}
