//! What pins are for, who uses them, and what does not work if that is something else.

use std::fmt;

use super::CONSUMER;
use crate::buttons::{BoardError, Button};

/// How the message of an [`UnusablePin`] ends: what to do about it.
pub const REMEDY: &str = "; choose another pin";

/// What a pin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PinPurpose {
    /// One of the buttons.
    Button(Button),
    /// The jumper.
    Jumper,
    /// The status LED.
    Led,
}

impl PinPurpose {
    /// Returns what it is in words, such as `the Start button`.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Button(Button::VolumeUp) => "the Volume up button",
            Self::Button(Button::VolumeDown) => "the Volume down button",
            Self::Button(Button::Start) => "the Start button",
            Self::Button(Button::Stop) => "the Stop button",
            Self::Jumper => "the jumper",
            Self::Led => "the LED",
        }
    }

    /// Returns the key of the configuration that sets its pin, in the section `board`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Button(Button::VolumeUp) => "volume_up_gpio",
            Self::Button(Button::VolumeDown) => "volume_down_gpio",
            Self::Button(Button::Start) => "start_gpio",
            Self::Button(Button::Stop) => "stop_gpio",
            Self::Jumper => "jumper_gpio",
            Self::Led => "led_gpio",
        }
    }
}

/// Who uses a pin, by the name that the kernel shows: a driver's, such as `mute`, or a program's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineUser {
    /// The name; empty where the kernel knows only that the pin is in use.
    pub name: String,
}

impl fmt::Display for LineUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => formatter.write_str("a driver of the kernel"),
            CONSUMER => formatter.write_str("a running jaudiosync"),
            name => write!(formatter, "\"{name}\""),
        }
    }
}

/// Why one pin cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinTrouble {
    /// Something else uses it.
    Taken(LineUser),
    /// Any other failure.
    Failed(BoardError),
}

impl fmt::Display for PinTrouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(user) => write!(formatter, "belongs to {user}"),
            Self::Failed(error) => write!(formatter, "cannot be used ({error})"),
        }
    }
}

/// A pin that is left out, and what does not work because of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusablePin {
    /// What the pin is meant for.
    pub purpose: PinPurpose,
    /// The GPIO number.
    pub gpio: u8,
    /// Why it is left out.
    pub trouble: PinTrouble,
}

impl fmt::Display for UnusablePin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, gpio, trouble } = self;
        write!(formatter, "GPIO{gpio} {trouble}: {} does not work{REMEDY}", purpose.words())
    }
}
