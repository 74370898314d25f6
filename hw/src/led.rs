//! The status LED: a pin that is high while it is lit. The pattern that it shows is the service's
//! business.

use rppal::gpio::{Gpio, OutputPin};

use crate::buttons::{BoardError, board_error};

/// A light that is on or off.
pub trait Led: Send {
    /// Switches the light on or off.
    ///
    /// # Errors
    /// When the pin cannot be driven.
    fn set(&mut self, lit: bool) -> Result<(), BoardError>;
}

/// The LED of a box that has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLed;

impl Led for NoLed {
    fn set(&mut self, _lit: bool) -> Result<(), BoardError> {
        Ok(())
    }
}

/// An LED on a pin of a Raspberry Pi, through its resistor to ground.
#[derive(Debug)]
pub struct PiLed {
    pin: OutputPin,
}

impl PiLed {
    /// Makes the pin an output, dark. Dropping this restores the pin.
    ///
    /// # Errors
    /// When there is no such pin, it is in use, this is not a Raspberry Pi, or the user may not use
    /// its pins.
    pub fn open(gpio: u8) -> Result<Self, BoardError> {
        let pin = Gpio::new().and_then(|pins| pins.get(gpio)).map_err(board_error)?.into_output_low();
        Ok(Self { pin })
    }
}

impl Led for PiLed {
    fn set(&mut self, lit: bool) -> Result<(), BoardError> {
        self.pin.write(lit.into());
        Ok(())
    }
}
