//! One pin that this program wants, whether or not it has it.

use super::{Header, InputPin, OutputPin, PinPurpose, PinTrouble, UnusablePin};

/// A pin, or why it is left out.
pub(crate) struct Claim<P: ?Sized> {
    purpose: PinPurpose,
    gpio: u8,
    pub(crate) pin: Result<Box<P>, PinTrouble>,
}

/// What both kinds of pin can do.
pub(crate) trait Claimable {
    /// Takes a pin of this kind.
    fn take(header: &Header, gpio: u8) -> Result<Box<Self>, PinTrouble>;
    /// Gives it up without touching it.
    fn abandon(self: Box<Self>);
}

impl Claimable for dyn InputPin {
    fn take(header: &Header, gpio: u8) -> Result<Box<Self>, PinTrouble> {
        header.input(gpio)
    }

    fn abandon(self: Box<Self>) {
        InputPin::abandon(self);
    }
}

impl Claimable for dyn OutputPin {
    fn take(header: &Header, gpio: u8) -> Result<Box<Self>, PinTrouble> {
        header.output(gpio)
    }

    fn abandon(self: Box<Self>) {
        OutputPin::abandon(self);
    }
}

impl<P: Claimable + ?Sized> Claim<P> {
    /// Takes the pin, if it can be had.
    pub(crate) fn new(header: &Header, purpose: PinPurpose, gpio: u8) -> Self {
        Self { purpose, gpio, pin: P::take(header, gpio) }
    }

    /// Returns why the pin is left out, if it is.
    pub(crate) fn unusable(&self) -> Option<UnusablePin> {
        let trouble = self.pin.as_ref().err()?.clone();
        Some(UnusablePin { purpose: self.purpose, gpio: self.gpio, trouble })
    }

    /// Asks again who has the pin: leaves it to a driver that has taken it over, and takes one that
    /// has become free. Returns whether it has just been taken.
    pub(crate) fn review(&mut self, header: &Header) -> bool {
        if self.pin.is_err() {
            self.pin = P::take(header, self.gpio);
            return self.pin.is_ok();
        }
        if let Some(user) = header.new_owner(self.gpio)
            && let Ok(pin) = std::mem::replace(&mut self.pin, Err(PinTrouble::Taken(user)))
        {
            pin.abandon();
        }
        false
    }
}
