//! The panel of a box as a whole: buttons, jumper and LED, opened together.

use crate::buttons::{BoardError, Inputs, NoInputs, PiInputs, Pins};
use crate::led::{Led, NoLed, PiLed};
use crate::simulated_board::SimulatedBoard;

/// An open panel.
pub struct Board {
    /// The buttons and the jumper.
    pub inputs: Box<dyn Inputs>,
    /// The LED.
    pub led: Box<dyn Led>,
    /// Whether there is an LED at all.
    pub has_led: bool,
}

impl Board {
    /// Opens the pins of a Raspberry Pi.
    ///
    /// # Errors
    /// When the pins are not usable as configured, this is not a Raspberry Pi, or the user may not
    /// use its pins.
    pub fn raspberry_pi(pins: &Pins) -> Result<Self, BoardError> {
        let inputs = Box::new(PiInputs::open(pins)?);
        let led: Box<dyn Led> = match pins.led_gpio {
            Some(gpio) => Box::new(PiLed::open(gpio)?),
            None => Box::new(NoLed),
        };
        Ok(Self { inputs, led, has_led: pins.led_gpio.is_some() })
    }

    /// Makes a board from a simulated one, whose buttons another handle presses.
    pub fn simulated(board: &SimulatedBoard) -> Self {
        Self { inputs: Box::new(board.clone()), led: Box::new(board.clone()), has_led: true }
    }

    /// Makes a board with nothing to press and nothing to see.
    pub fn none() -> Self {
        Self { inputs: Box::new(NoInputs), led: Box::new(NoLed), has_led: false }
    }
}
