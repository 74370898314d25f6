//! The status LED: a pin that is high while it is lit. The pattern that it shows is the service's
//! business.

use crate::buttons::BoardError;
use crate::gpio::{Claim, Header, OutputPin, PinPurpose, UnusablePin};

/// A light that is on or off.
pub trait Led: Send {
    /// Switches the light on or off.
    ///
    /// # Errors
    /// When the pin cannot be driven.
    fn set(&mut self, lit: bool) -> Result<(), BoardError>;

    /// Returns the LED's pin if it is left out, because something else uses it.
    fn unusable(&self) -> Option<UnusablePin> {
        None
    }

    /// Asks again who uses the pin, as [`Inputs::review`](crate::buttons::Inputs::review) does.
    fn review(&mut self) {}
}

/// The LED of a box that has none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoLed;

impl Led for NoLed {
    fn set(&mut self, _lit: bool) -> Result<(), BoardError> {
        Ok(())
    }
}

/// An LED on a pin of the header, through its resistor to ground.
pub struct HeaderLed {
    header: Header,
    claim: Claim<dyn OutputPin>,
}

impl HeaderLed {
    /// Makes the pin an output, dark, unless something else uses it. Dropping this gives it back.
    pub fn open(header: &Header, gpio: u8) -> Self {
        Self { header: header.clone(), claim: Claim::new(header, PinPurpose::Led, gpio) }
    }
}

impl Led for HeaderLed {
    fn set(&mut self, lit: bool) -> Result<(), BoardError> {
        self.claim.pin.as_mut().map_or(Ok(()), |pin| pin.set_high(lit))
    }

    fn unusable(&self) -> Option<UnusablePin> {
        self.claim.unusable()
    }

    fn review(&mut self) {
        self.claim.review(&self.header);
    }
}
