//! The four buttons and the jumper: which pins they are on, and their levels at this moment.
//!
//! A level is read and nothing more: bounce, long presses and the meaning of a press are the
//! service's business.

mod header;
mod pins;

pub use header::HeaderInputs;
pub use pins::{Pins, PinsError, SharedPin};

use crate::gpio::UnusablePin;

/// One of the four buttons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Button {
    /// Louder.
    VolumeUp,
    /// Quieter.
    VolumeDown,
    /// Plays.
    Start,
    /// Stops.
    Stop,
}

impl Button {
    /// All of them, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::VolumeUp, Self::VolumeDown, Self::Start, Self::Stop];
}

impl std::fmt::Display for Button {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::VolumeUp => "Volume up",
            Self::VolumeDown => "Volume down",
            Self::Start => "Start",
            Self::Stop => "Stop",
        })
    }
}

/// One value for each button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ByButton<T>([T; 4]);

impl<T> ByButton<T> {
    /// Makes a value for each button.
    pub fn new(make: impl FnMut(Button) -> T) -> Self {
        Self(Button::ALL.map(make))
    }

    /// Iterates over all values, in the order of [`Button::ALL`].
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    /// Iterates mutably over all values, in the order of [`Button::ALL`].
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }
}

impl<T> std::ops::Index<Button> for ByButton<T> {
    type Output = T;

    fn index(&self, button: Button) -> &T {
        &self.0[button as usize]
    }
}

impl<T> std::ops::IndexMut<Button> for ByButton<T> {
    fn index_mut(&mut self, button: Button) -> &mut T {
        &mut self.0[button as usize]
    }
}

/// Which contacts are closed to ground at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levels {
    /// Whether each button is pressed.
    pub pressed: ByButton<bool>,
    /// Whether the jumper is fitted.
    pub jumper_fitted: bool,
}

impl Levels {
    /// Returns whether a button is pressed.
    pub fn is_pressed(&self, button: Button) -> bool {
        self.pressed[button]
    }

    /// Returns the same levels with this button pressed or released.
    #[must_use]
    pub fn with(mut self, button: Button, pressed: bool) -> Self {
        self.pressed[button] = pressed;
        self
    }
}

/// Reads the buttons and the jumper. Call it every 5 to 10 ms.
pub trait Inputs: Send {
    /// Reads the levels as they are now, bounce included.
    ///
    /// # Errors
    /// When the pins cannot be read.
    fn read(&mut self) -> Result<Levels, BoardError>;

    /// Returns the pins that are left out, because something else uses them. Their buttons read as
    /// released, and the jumper as not fitted.
    fn unusable(&self) -> Vec<UnusablePin> {
        Vec::new()
    }

    /// Asks again who uses the pins: gives up those that a driver has taken over since, and takes
    /// those that have become free. Call it every few seconds.
    fn review(&mut self) {}
}

/// Inputs of a box without buttons: nothing is ever pressed, and there is no jumper.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInputs;

impl Inputs for NoInputs {
    fn read(&mut self) -> Result<Levels, BoardError> {
        Ok(Levels::default())
    }
}

/// Why the pins cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BoardError {
    /// The configured pins are not usable.
    #[error(transparent)]
    Pins(#[from] PinsError),
    /// There are no pins, or the model of the board is unknown.
    #[error("this is not a Raspberry Pi whose pins this program knows; set board.kind to \"none\" or \"simulated\"")]
    UnknownModel,
    /// The kernel has no chip with the pins of the header.
    #[error("none of the kernel's GPIO chips (/dev/gpiochip*) has the pins of a Raspberry Pi's header")]
    NoChip,
    /// The user may not use the pins.
    #[error("{path} may not be opened: add the user to the group gpio (sudo usermod -aG gpio USER), or run as root")]
    PermissionDenied {
        /// The device file.
        path: String,
    },
    /// This process already uses the pin.
    #[error("GPIO{0} is already in use by this program")]
    PinInUse(u8),
    /// Any other failure.
    #[error("the pins cannot be used: {0}")]
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_button_has_a_level_of_its_own() {
        for pressed in Button::ALL {
            let levels = Levels::default().with(pressed, true);
            for button in Button::ALL {
                assert_eq!(levels.is_pressed(button), button == pressed);
            }
            assert_eq!(levels.with(pressed, false), Levels::default());
        }
    }
}
