//! Which pins the board is wired to.

use super::Button;
use crate::gpio::PinPurpose;

/// The pins of the board, as GPIO numbers (those of the BCM chip, not positions on the header).
///
/// The defaults are pins that HATs leave free: the buttons are those of a Pirate Audio HAT (A is
/// Start, B Volume down, X Stop, Y Volume up), which I2S DACs by HiFiBerry, IQaudio and others do
/// not use; the jumper's GPIO26 is next to a ground pin at the end of the header. There is no LED
/// by default: an output on a pin that a HAT drives would harm both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pins {
    /// The Volume up button: 24, pin 18 of the header.
    pub volume_up_gpio: u8,
    /// The Volume down button: 6, pin 31 of the header.
    pub volume_down_gpio: u8,
    /// The Start button: 5, pin 29 of the header.
    pub start_gpio: u8,
    /// The Stop button: 16, pin 36 of the header.
    pub stop_gpio: u8,
    /// The jumper: 26, pin 37 of the header.
    pub jumper_gpio: u8,
    /// The status LED, if there is one.
    pub led_gpio: Option<u8>,
}

impl Default for Pins {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why pins cannot be used as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PinsError {
    /// Two things are on one pin.
    #[error("GPIO{gpio} is used twice: for {first} and for {second}")]
    Twice {
        /// The GPIO number.
        gpio: u8,
        /// One use.
        first: &'static str,
        /// The other use.
        second: &'static str,
    },
    /// The header has no such pin.
    #[error("{purpose} is on GPIO{gpio}, which is not on the header: choose one of GPIO4 to GPIO27")]
    NotOnHeader {
        /// What the pin is meant for.
        purpose: &'static str,
        /// The GPIO number.
        gpio: u8,
    },
    /// The pin has another use on every box.
    #[error("{purpose} is on GPIO{gpio}, which belongs to {owner}: choose another of GPIO4 to GPIO27")]
    Taken {
        /// What the pin is meant for.
        purpose: &'static str,
        /// The GPIO number.
        gpio: u8,
        /// What uses the pin.
        owner: &'static str,
    },
}

/// A pin that other hardware often uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedPin {
    /// What it is used for here.
    pub purpose: &'static str,
    /// The GPIO number.
    pub gpio: u8,
    /// What else often uses it.
    pub usual_owner: &'static str,
}

impl std::fmt::Display for SharedPin {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { purpose, gpio, usual_owner } = self;
        write!(formatter, "{purpose} is on GPIO{gpio}, which {usual_owner} uses if there is one")
    }
}

impl Pins {
    /// The pins used unless the owner chooses others.
    pub const DEFAULT: Self =
        Self { volume_up_gpio: 24, volume_down_gpio: 6, start_gpio: 5, stop_gpio: 16, jumper_gpio: 26, led_gpio: None };

    /// Returns the pin of a button.
    pub fn gpio(&self, button: Button) -> u8 {
        match button {
            Button::VolumeUp => self.volume_up_gpio,
            Button::VolumeDown => self.volume_down_gpio,
            Button::Start => self.start_gpio,
            Button::Stop => self.stop_gpio,
        }
    }

    /// Sets the pin of one purpose.
    pub fn set(&mut self, purpose: PinPurpose, gpio: u8) {
        match purpose {
            PinPurpose::Button(Button::VolumeUp) => self.volume_up_gpio = gpio,
            PinPurpose::Button(Button::VolumeDown) => self.volume_down_gpio = gpio,
            PinPurpose::Button(Button::Start) => self.start_gpio = gpio,
            PinPurpose::Button(Button::Stop) => self.stop_gpio = gpio,
            PinPurpose::Jumper => self.jumper_gpio = gpio,
            PinPurpose::Led => self.led_gpio = Some(gpio),
        }
    }

    /// Returns every pin with its purpose.
    pub fn uses(&self) -> impl Iterator<Item = (PinPurpose, u8)> + Clone {
        let buttons = Button::ALL.map(|button| (PinPurpose::Button(button), self.gpio(button)));
        let led = self.led_gpio.map(|gpio| (PinPurpose::Led, gpio));
        buttons.into_iter().chain([(PinPurpose::Jumper, self.jumper_gpio)]).chain(led)
    }

    /// Checks whether the pins can be used as configured.
    ///
    /// # Errors
    /// When a pin is used twice, is not on the header, or belongs to something that every box has.
    pub fn validate(&self) -> Result<(), PinsError> {
        let uses = || self.uses().map(|(purpose, gpio)| (purpose.words(), gpio));
        for (index, (purpose, gpio)) in uses().enumerate() {
            match gpio {
                0 | 1 => return Err(PinsError::Taken { purpose, gpio, owner: "the HAT's EEPROM" }),
                2 | 3 => return Err(PinsError::Taken { purpose, gpio, owner: "the I2C bus of the real-time clock" }),
                4..=27 => {}
                _ => return Err(PinsError::NotOnHeader { purpose, gpio }),
            }
            if let Some((first, _)) = uses().take(index).find(|(_, earlier)| *earlier == gpio) {
                return Err(PinsError::Twice { gpio, first, second: purpose });
            }
        }
        Ok(())
    }

    /// Returns the pins that other hardware may use. Only the builder of the box can know whether
    /// it does: worth a warning.
    pub fn shared(&self) -> Vec<SharedPin> {
        let shared = |(purpose, gpio): (PinPurpose, u8)| {
            let usual_owner = match gpio {
                14 | 15 => "a serial port (a GPS receiver, a console)",
                18..=21 => "an I2S DAC",
                _ => return None,
            };
            Some(SharedPin { purpose: purpose.words(), gpio, usual_owner })
        };
        self.uses().filter_map(shared).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_free_pins_and_nothing_shares_them() {
        assert_eq!(Pins::default().validate(), Ok(()));
        assert_eq!(Pins::default().shared(), []);
        let with_led = Pins { led_gpio: Some(13), ..Pins::default() };
        assert_eq!(with_led.validate(), Ok(()));
    }

    #[test]
    fn two_things_on_one_pin_are_named() {
        let pins = Pins { led_gpio: Some(26), ..Pins::default() };
        let error = pins.validate().unwrap_err();
        assert_eq!(error, PinsError::Twice { gpio: 26, first: "the jumper", second: "the LED" });
        assert_eq!(error.to_string(), "GPIO26 is used twice: for the jumper and for the LED");
    }

    #[test]
    fn pins_off_the_header_and_the_clocks_pins_are_refused() {
        for gpio in 28..=u8::MAX {
            let pins = Pins { start_gpio: gpio, ..Pins::default() };
            assert!(matches!(pins.validate(), Err(PinsError::NotOnHeader { .. })), "{gpio}");
        }
        for gpio in 0..=3 {
            let pins = Pins { jumper_gpio: gpio, ..Pins::default() };
            assert!(matches!(pins.validate(), Err(PinsError::Taken { .. })), "{gpio}");
        }
    }

    #[test]
    fn a_pin_of_an_i2s_dac_is_allowed_and_reported() {
        let pins = Pins { stop_gpio: 20, led_gpio: Some(15), ..Pins::default() };
        assert_eq!(pins.validate(), Ok(()));
        let shared: Vec<u8> = pins.shared().iter().map(|shared| shared.gpio).collect();
        assert_eq!(shared, [20, 15]);
    }
}
