//! The panel of a box as a whole: buttons, jumper and LED, opened together.

use crate::buttons::{BoardError, HeaderInputs, Inputs, NoInputs, Pins};
use crate::gpio::{Backend, Header, UnusablePin};
use crate::led::{HeaderLed, Led, NoLed};
use crate::simulated_board::SimulatedBoard;

/// An open panel.
pub struct Board {
    /// The buttons and the jumper.
    pub inputs: Box<dyn Inputs>,
    /// The LED.
    pub led: Box<dyn Led>,
    /// Whether there is an LED at all.
    pub has_led: bool,
    /// Through what its pins are read and driven; `None` if it has no pins.
    pub backend: Option<Backend>,
    /// Why that is not rppal, if it stands in for it.
    pub instead: Option<BoardError>,
}

impl Board {
    /// Takes the pins of a header that nothing else uses.
    ///
    /// # Errors
    /// When the pins are not usable as configured, or none of them can be had although none is in
    /// use.
    pub fn on_header(header: &Header, pins: &Pins) -> Result<Self, BoardError> {
        let inputs = Box::new(HeaderInputs::open(header, pins)?);
        let led: Box<dyn Led> = match pins.led_gpio {
            Some(gpio) => Box::new(HeaderLed::open(header, gpio)),
            None => Box::new(NoLed),
        };
        Ok(Self {
            inputs,
            led,
            has_led: pins.led_gpio.is_some(),
            backend: Some(header.backend()),
            instead: header.instead().cloned(),
        })
    }

    /// Makes a board from a simulated one, whose buttons another handle presses.
    pub fn simulated(board: &SimulatedBoard) -> Self {
        let (inputs, led) = (Box::new(board.clone()), Box::new(board.clone()));
        Self { inputs, led, has_led: true, backend: None, instead: None }
    }

    /// Makes a board with nothing to press and nothing to see.
    pub fn none() -> Self {
        Self { inputs: Box::new(NoInputs), led: Box::new(NoLed), has_led: false, backend: None, instead: None }
    }

    /// Returns the pins that are left out, because something else uses them.
    pub fn unusable(&self) -> Vec<UnusablePin> {
        self.inputs.unusable().into_iter().chain(self.led.unusable()).collect()
    }

    /// Asks again who uses the pins. Call it every few seconds.
    pub fn review(&mut self) {
        self.inputs.review();
        self.led.review();
    }
}
