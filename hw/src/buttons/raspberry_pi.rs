//! The real pins, through rppal, which reads the chip's registers at `/dev/gpiomem`.

use rppal::gpio::{Error, Gpio, InputPin, Pin};

use super::{BoardError, Button, Inputs, Levels, Pins};

/// The buttons and the jumper of a Raspberry Pi: inputs with the chip's own pull-up of some 50 kΩ,
/// so that a contact to ground reads low.
#[derive(Debug)]
pub struct PiInputs {
    buttons: [InputPin; 4],
    jumper: InputPin,
}

impl PiInputs {
    /// Makes the pins inputs with a pull-up. Dropping this restores them.
    ///
    /// GPIO9 to GPIO27 are pulled down until then, so with a long cable they may read as pressed
    /// for some microseconds more.
    ///
    /// # Errors
    /// When the pins are not usable as configured, this is not a Raspberry Pi, or the user may not
    /// use its pins.
    pub fn open(pins: &Pins) -> Result<Self, BoardError> {
        pins.validate()?;
        let gpio = Gpio::new().map_err(board_error)?;
        let input = |number: u8| gpio.get(number).map(Pin::into_input_pullup).map_err(board_error);
        let [up, down, start, stop] = Button::ALL.map(|button| input(pins.gpio(button)));
        Ok(Self { buttons: [up?, down?, start?, stop?], jumper: input(pins.jumper_gpio)? })
    }
}

impl Inputs for PiInputs {
    fn read(&mut self) -> Result<Levels, BoardError> {
        let mut levels = Levels { jumper_fitted: self.jumper.is_low(), ..Levels::default() };
        for (pressed, pin) in levels.pressed.iter_mut().zip(&self.buttons) {
            *pressed = pin.is_low();
        }
        Ok(levels)
    }
}

/// Translates rppal's errors.
pub(crate) fn board_error(error: Error) -> BoardError {
    match error {
        Error::UnknownModel => BoardError::UnknownModel,
        Error::PermissionDenied(path) => BoardError::PermissionDenied { path },
        Error::PinUsed(gpio) => BoardError::PinInUse(gpio),
        Error::Io(error) if error.kind() == std::io::ErrorKind::NotFound => {
            BoardError::Failed(format!("neither /dev/gpiomem nor /dev/mem can be opened ({error})"))
        }
        Error::Io(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            BoardError::PermissionDenied { path: "/dev/gpiomem or /dev/gpiochip0".to_owned() }
        }
        other => BoardError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_pins_are_reported_before_the_chip_is_touched() {
        let pins = Pins { start_gpio: 26, ..Pins::default() };
        assert!(matches!(PiInputs::open(&pins), Err(BoardError::Pins(_))));
    }

    #[test]
    fn errors_of_rppal_become_advice() {
        let text = |error| board_error(error).to_string();
        assert!(text(Error::UnknownModel).contains("board.kind"));
        assert!(text(Error::PermissionDenied("/dev/gpiomem".into())).contains("group gpio"));
        assert_eq!(board_error(Error::PinUsed(5)), BoardError::PinInUse(5));
        let denied = Error::Io(std::io::ErrorKind::PermissionDenied.into());
        assert!(matches!(board_error(denied), BoardError::PermissionDenied { .. }));
        assert!(text(Error::Io(std::io::ErrorKind::NotFound.into())).contains("/dev/gpiomem"));
    }
}
