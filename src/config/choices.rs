//! Types of values that are more than a number or a text, and how the file writes them.

use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat};
use jaudiosync_hw::buttons::Pins;
use jaudiosync_hw::gpio::BackendChoice;
use jaudiosync_hw::rtc::{NoSuchChip, SimulatedRtc};
use serde::{Deserialize, Serialize};

/// How the two channels are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelChoice {
    /// Left and right.
    #[default]
    Stereo,
    /// Both mixed, on both outputs.
    Mono,
}

/// Through what a sound card is played on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SoundBackend {
    /// ALSA itself.
    #[default]
    Alsa,
    /// The library cpal, as before 0.2.
    Cpal,
}

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TimeSource {
    /// This program, from the RTC and the references.
    #[default]
    Rtc,
    /// The system clock, which another daemon sets.
    System,
}

/// What kind of board the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BoardKind {
    /// A Raspberry Pi with buttons on its header.
    #[default]
    Pi,
    /// Simulated buttons on a terminal.
    Simulated,
    /// No buttons at all: the box is controlled through its socket.
    None,
}

/// Through what the pins are read and driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinBackend {
    /// rppal on boards that it knows, otherwise the kernel's character device.
    #[default]
    Auto,
    /// rppal, on the chip's registers.
    Rppal,
    /// The kernel's character device, `/dev/gpiochipN`.
    Gpiocdev,
}

impl From<PinBackend> for BackendChoice {
    fn from(backend: PinBackend) -> Self {
        match backend {
            PinBackend::Auto => Self::Auto,
            PinBackend::Rppal => Self::Rppal,
            PinBackend::Gpiocdev => Self::Gpiocdev,
        }
    }
}

/// Which HAT there is, where the overlay does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hat {
    /// What the boot configuration says; the overlay `hifiberry-dac` may be a MiniAmp or not.
    #[default]
    Auto,
    /// A HiFiBerry MiniAmp.
    MiniAmp,
    /// Not a MiniAmp.
    Other,
}

/// Which real-time clock there is: `"none"`, `"simulated"`, `"simulated:"` and a chip's name or by
/// how much a DS3231 is wrong, or the path of its I2C bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RtcChoice {
    /// A DS3231 on this bus.
    Bus(PathBuf),
    /// None.
    None,
    /// A simulated chip: a DS3231, or one that is mistaken for it.
    Simulated(SimulatedRtc),
}

impl RtcChoice {
    /// Returns whether it is simulated, and was set by the system clock: it is as right as that.
    pub fn is_as_right_as_the_system(&self) -> bool {
        matches!(self, Self::Simulated(chip) if chip.is_right())
    }
}

/// Comes before the name of a simulated chip.
const SIMULATED_CHIP: &str = "simulated:";

impl TryFrom<String> for RtcChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(chip) = text.strip_prefix(SIMULATED_CHIP) {
            return chip.parse().map(Self::Simulated).map_err(|error: NoSuchChip| error.to_string());
        }
        match text.as_str() {
            "none" => Ok(Self::None),
            "simulated" => Ok(Self::Simulated(SimulatedRtc::default())),
            path if path.starts_with("/dev/") => Ok(Self::Bus(PathBuf::from(path))),
            _ => Err(format!(
                "{text:?} is not an RTC; write its bus, such as \"/dev/i2c-1\", or \"none\" or \"simulated\" (or another \
                 simulated chip, such as \"simulated:pcf8523\")"
            )),
        }
    }
}

impl From<RtcChoice> for String {
    fn from(choice: RtcChoice) -> Self {
        match choice {
            RtcChoice::Bus(path) => path.to_string_lossy().into_owned(),
            RtcChoice::None => "none".to_owned(),
            RtcChoice::Simulated(SimulatedRtc::Ds3231) => "simulated".to_owned(),
            RtcChoice::Simulated(chip) => format!("{SIMULATED_CHIP}{chip}"),
        }
    }
}

/// The instant from which the common timetable repeats: whole seconds, written as in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Anchor {
    /// Seconds since the Unix epoch.
    pub utc_s: i64,
}

impl TryFrom<String> for Anchor {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let instant = DateTime::parse_from_rfc3339(&text)
            .map_err(|_| format!("{text:?} is not an instant; write it like \"2026-01-01T00:00:00Z\""))?;
        if instant.timestamp_subsec_nanos() != 0 {
            return Err(format!("{text:?} is not a whole second; tracks begin on whole seconds"));
        }
        Ok(Self { utc_s: instant.timestamp() })
    }
}

impl From<Anchor> for String {
    fn from(anchor: Anchor) -> Self {
        anchor.to_string()
    }
}

impl fmt::Display for Anchor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = DateTime::from_timestamp(self.utc_s, 0).unwrap_or_default();
        write!(formatter, "{}", instant.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// A pin of the 40-pin header by its BCM number, 4 to 27. 0 and 1 are reserved to identify HATs, 2
/// and 3 are the I2C bus of the RTC (Raspberry Pi documentation, "GPIO and the 40-pin header").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Gpio(u8);

impl Gpio {
    // The default pins are those of the crate `hw`, which gives the reasons.
    pub(super) const VOLUME_UP: Self = Self(Pins::DEFAULT.volume_up_gpio);
    pub(super) const VOLUME_DOWN: Self = Self(Pins::DEFAULT.volume_down_gpio);
    pub(super) const START: Self = Self(Pins::DEFAULT.start_gpio);
    pub(super) const STOP: Self = Self(Pins::DEFAULT.stop_gpio);
    pub(super) const JUMPER: Self = Self(Pins::DEFAULT.jumper_gpio);

    /// Returns the pin with this BCM number; none outside 4 to 27.
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            4..=27 => Some(Self(number)),
            _ => None,
        }
    }

    /// Returns the BCM number, 4 to 27.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl TryFrom<i64> for Gpio {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        let pin = u8::try_from(number).ok().and_then(Self::new);
        pin.ok_or_else(|| format!("{number} is not a usable pin; write a BCM number from 4 to 27"))
    }
}

impl From<Gpio> for i64 {
    fn from(pin: Gpio) -> Self {
        Self::from(pin.0)
    }
}

/// An optional pin: 0 means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct OptionalGpio(pub Option<Gpio>);

impl TryFrom<i64> for OptionalGpio {
    type Error = String;

    fn try_from(number: i64) -> Result<Self, String> {
        match number {
            0 => Ok(Self(None)),
            _ => Gpio::try_from(number).map(|pin| Self(Some(pin))).map_err(|error| format!("{error}, or 0 for none")),
        }
    }
}

impl From<OptionalGpio> for i64 {
    fn from(pin: OptionalGpio) -> Self {
        pin.0.map_or(0, Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_a_whole_second_in_any_zone() {
        let anchor = |text: &str| Anchor::try_from(text.to_owned());
        assert_eq!(anchor("1970-01-01T02:00:05+02:00"), Ok(Anchor { utc_s: 5 }));
        assert_eq!(Anchor { utc_s: 5 }.to_string(), "1970-01-01T00:00:05Z");
        assert!(anchor("2026-01-01T00:00:00.5Z").unwrap_err().contains("whole second"));
        assert!(anchor("2026-01-01").unwrap_err().contains("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn pins_of_the_bus_and_beyond_the_header_are_refused() {
        for bad in [-1, 0, 2, 3, 28, 256] {
            assert!(Gpio::try_from(bad).is_err(), "{bad}");
        }
        assert_eq!(Gpio::try_from(26).map(Gpio::number), Ok(26));
        assert_eq!(OptionalGpio::try_from(0), Ok(OptionalGpio(None)));
        assert!(OptionalGpio::try_from(2).unwrap_err().contains("0 for none"));
    }

    #[test]
    fn an_rtc_is_a_bus_or_a_word() {
        let rtc = |text: &str| RtcChoice::try_from(text.to_owned());
        assert_eq!(rtc("none"), Ok(RtcChoice::None));
        assert_eq!(rtc("/dev/i2c-3").map(String::from), Ok("/dev/i2c-3".to_owned()));
        assert!(rtc("yes").unwrap_err().contains("/dev/i2c-1"));
        for simulated in ["simulated", "simulated:pcf8523", "simulated:ds1307", "simulated:mpu6050"] {
            assert_eq!(rtc(simulated).map(String::from), Ok(simulated.to_owned()));
        }
        assert_eq!(rtc("simulated:ds3231"), rtc("simulated"));
        assert!(rtc("simulated:ds9").unwrap_err().contains("pcf8523"));
        for (written, shown) in [
            ("simulated:offset=7ms,rate=-1.5ppm", "simulated:offset=7ms,rate=-1.5ppm"),
            ("simulated:rate=0.25ppm,offset=-0.5ms", "simulated:offset=-0.5ms,rate=0.25ppm"),
            ("simulated:offset=10000ms", "simulated:offset=10000ms,rate=0ppm"),
        ] {
            assert_eq!(rtc(written).map(String::from), Ok(shown.to_owned()));
            assert_eq!(rtc(shown), rtc(written));
        }
        for wrong in ["offset=7", "offset=10001ms", "rate=nanppm", "rate=201ppm", "offset=1ms,", "offset=infms"] {
            assert!(rtc(&format!("simulated:{wrong}")).unwrap_err().contains("offset=7ms"), "{wrong}");
        }
    }
}
