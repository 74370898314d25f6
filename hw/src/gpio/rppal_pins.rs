//! Pins through rppal, which reads and writes the chip's registers at `/dev/gpiomem`.

use rppal::gpio::{Error, Gpio, InputPin as RppalInput, OutputPin as RppalOutput, Pin};

use super::{InputPin, OutputPin, PinAccess, PinTrouble};
use crate::buttons::BoardError;

/// The registers of a Raspberry Pi that rppal knows.
#[derive(Debug, Clone)]
pub(super) struct RppalPins(Gpio);

impl RppalPins {
    /// Maps the registers.
    pub(super) fn open() -> Result<Self, BoardError> {
        Gpio::new().map(Self).map_err(board_error)
    }

    fn pin(&self, gpio: u8) -> Result<Pin, PinTrouble> {
        self.0.get(gpio).map_err(|error| PinTrouble::Failed(board_error(error)))
    }
}

impl PinAccess for RppalPins {
    /// GPIO9 to GPIO27 are pulled down until then, so with a long cable they may read as pressed
    /// for some microseconds more.
    fn input(&self, gpio: u8) -> Result<Box<dyn InputPin>, PinTrouble> {
        Ok(Box::new(self.pin(gpio)?.into_input_pullup()))
    }

    fn output(&self, gpio: u8) -> Result<Box<dyn OutputPin>, PinTrouble> {
        Ok(Box::new(self.pin(gpio)?.into_output_low()))
    }

    fn is_exclusive(&self) -> bool {
        false
    }
}

impl InputPin for RppalInput {
    fn is_low(&mut self) -> Result<bool, BoardError> {
        Ok(RppalInput::is_low(self))
    }

    /// Otherwise dropping the pin would make it an input again, without a pull-up.
    fn abandon(mut self: Box<Self>) {
        self.set_reset_on_drop(false);
    }
}

impl OutputPin for RppalOutput {
    fn set_high(&mut self, high: bool) -> Result<(), BoardError> {
        self.write(high.into());
        Ok(())
    }

    fn abandon(mut self: Box<Self>) {
        self.set_reset_on_drop(false);
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
