//! The pins of the header, by two ways: rppal, which maps the chip's registers, and the kernel's
//! character device, which knows who uses each pin.
//!
//! rppal takes a pin whoever has it, so the kernel is asked first, whichever way is taken: a pin
//! that a sound card's driver, an overlay or another program uses is left to it, and all others
//! work (decision 22).

mod character_device;
mod claim;
mod device_tree;
mod kernel_users;
mod rppal_pins;
mod simulated;
mod unusable;

use std::fmt;
use std::sync::Arc;

pub use self::character_device::CharacterDevice;
pub(crate) use self::character_device::DeviceEdges;
pub(crate) use self::claim::Claim;
use self::kernel_users::KernelUsers;
use self::rppal_pins::RppalPins;
pub(crate) use self::rppal_pins::board_error;
pub use self::simulated::SimulatedHeader;
pub use self::unusable::{LineUser, PinPurpose, PinTrouble, REMEDY, UnusablePin};
use crate::buttons::BoardError;

/// How the kernel shows this program's lines, and how it recognises its own.
pub const CONSUMER: &str = "jaudiosync";

/// How the kernel shows a pin of which rppal awaits an interrupt, as the service does for the RTC's
/// 1 Hz output.
pub const RPPAL_CONSUMER: &str = "RPPAL";

/// A pin that is read, with the chip's own pull-up.
pub trait InputPin: Send {
    /// Returns whether the pin is low now: whether a contact to ground is closed.
    ///
    /// # Errors
    /// When it cannot be read.
    fn is_low(&mut self) -> Result<bool, BoardError>;

    /// Gives up a pin that another has taken over, without touching it any more.
    fn abandon(self: Box<Self>) {}
}

/// A pin that is driven.
pub trait OutputPin: Send {
    /// Makes the pin high or low.
    ///
    /// # Errors
    /// When it cannot be driven.
    fn set_high(&mut self, high: bool) -> Result<(), BoardError>;

    /// Gives up a pin that another has taken over, without touching it any more.
    fn abandon(self: Box<Self>) {}
}

/// A way to the pins.
pub trait PinAccess: Send + Sync {
    /// Makes a pin an input with a pull-up. Dropping the result gives the pin back.
    ///
    /// # Errors
    /// When something else has it, or it cannot be had.
    fn input(&self, gpio: u8) -> Result<Box<dyn InputPin>, PinTrouble>;

    /// Makes a pin an output, low. Dropping the result gives the pin back.
    ///
    /// # Errors
    /// As for `input`.
    fn output(&self, gpio: u8) -> Result<Box<dyn OutputPin>, PinTrouble>;

    /// Returns whether the kernel keeps a pin that was had for this program, so that nothing else
    /// can take it over.
    fn is_exclusive(&self) -> bool;
}

/// What the kernel knows of the pins, without taking any.
pub trait LineUsers: Send + Sync {
    /// Returns who uses a pin; `None` if it is free, or the kernel does not say.
    fn user(&self, gpio: u8) -> Option<LineUser>;
}

/// Through what the pins are read and driven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// rppal on boards that it knows, otherwise the kernel's character device.
    #[default]
    Auto,
    /// rppal only.
    Rppal,
    /// The kernel's character device only.
    Gpiocdev,
}

/// What was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// rppal.
    Rppal,
    /// The kernel's character device.
    Gpiocdev,
}

impl Backend {
    /// Returns its name, as in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rppal => "rppal",
            Self::Gpiocdev => "gpiocdev",
        }
    }
}

/// The pins of the header, by the way that was chosen.
#[derive(Clone)]
pub struct Header {
    backend: Backend,
    instead: Option<BoardError>,
    reserved: Vec<(u8, LineUser)>,
    access: Arc<dyn PinAccess>,
    users: Arc<KernelUsers>,
}

impl Header {
    /// Opens the way to the pins of this machine.
    ///
    /// # Errors
    /// When this is not a Raspberry Pi, or the user may not use its pins.
    pub fn open(choice: BackendChoice) -> Result<Self, BoardError> {
        Self::choose(choice, RppalPins::open, CharacterDevice::open)
    }

    /// Chooses between the two ways; `auto` takes rppal where it can be had. `device` is called
    /// again later if it could not be had beside rppal.
    ///
    /// # Errors
    /// Of both ways the error of the one that came further.
    pub fn choose<R, C>(
        choice: BackendChoice,
        rppal: impl FnOnce() -> Result<R, BoardError>,
        device: impl Fn() -> Result<C, BoardError> + Send + Sync + 'static,
    ) -> Result<Self, BoardError>
    where
        R: PinAccess + 'static,
        C: PinAccess + LineUsers + 'static,
    {
        let opened = device().map(Arc::new);
        let rppal = match choice {
            BackendChoice::Auto | BackendChoice::Rppal => rppal(),
            BackendChoice::Gpiocdev => {
                return Ok(Self::gpiocdev(opened?, None));
            }
        };
        match (rppal, opened) {
            (Ok(rppal), opened) => {
                let users = match opened {
                    Ok(device) => KernelUsers::of(device),
                    Err(error) => KernelUsers::later(&error, Box::new(move || Ok(Arc::new(device()?)))),
                };
                Ok(Self {
                    backend: Backend::Rppal,
                    instead: None,
                    reserved: Vec::new(),
                    access: Arc::new(rppal),
                    users: Arc::new(users),
                })
            }
            (Err(error), Ok(device)) if choice == BackendChoice::Auto => Ok(Self::gpiocdev(device, Some(error))),
            // A character device that is there, but not for this user, is the shorter way to pins.
            (Err(BoardError::UnknownModel), Err(error @ BoardError::PermissionDenied { .. }))
                if choice == BackendChoice::Auto =>
            {
                Err(error)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn gpiocdev<C: PinAccess + LineUsers + 'static>(device: Arc<C>, instead: Option<BoardError>) -> Self {
        let users = Arc::new(KernelUsers::of(Arc::clone(&device) as Arc<dyn LineUsers>));
        Self { backend: Backend::Gpiocdev, instead, reserved: Vec::new(), access: device, users }
    }

    /// Leaves a pin to a device of which the kernel knows nothing.
    #[must_use]
    pub fn reserving(mut self, gpio: u8, name: &str) -> Self {
        self.reserved.push((gpio, LineUser { name: name.to_owned() }));
        self
    }

    /// Returns the way that was chosen.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Returns why rppal could not be had, if the character device stands in for it.
    pub fn instead(&self) -> Option<&BoardError> {
        self.instead.as_ref()
    }

    /// Returns who uses a pin, as far as the kernel knows.
    pub(crate) fn user(&self, gpio: u8) -> Option<LineUser> {
        let reserved = self.reserved.iter().find(|(reserved, _)| *reserved == gpio);
        reserved.map(|(_, user)| user.clone()).or_else(|| self.users.user(gpio))
    }

    /// Takes a pin as an input, unless something else uses it.
    pub(crate) fn input(&self, gpio: u8) -> Result<Box<dyn InputPin>, PinTrouble> {
        self.user(gpio).map_or_else(|| self.access.input(gpio), |user| Err(PinTrouble::Taken(user)))
    }

    /// Takes a pin as an output, unless something else uses it.
    pub(crate) fn output(&self, gpio: u8) -> Result<Box<dyn OutputPin>, PinTrouble> {
        self.user(gpio).map_or_else(|| self.access.output(gpio), |user| Err(PinTrouble::Taken(user)))
    }

    /// Returns who has taken over a pin that this program had; `None` if nobody can or did.
    pub(crate) fn new_owner(&self, gpio: u8) -> Option<LineUser> {
        if self.access.is_exclusive() { None } else { self.user(gpio) }
    }
}

/// Returns the pins of the header, GPIO4 to GPIO27, that something else than this program uses, as
/// far as the kernel says. None is taken.
pub fn used_by_others() -> Vec<(u8, LineUser)> {
    let Ok(device) = CharacterDevice::open() else { return Vec::new() };
    let users = (4..=27).filter_map(|gpio| Some((gpio, device.user(gpio)?)));
    users.filter(|(_, user)| user.name != CONSUMER).collect()
}

impl fmt::Debug for Header {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Header").field("backend", &self.backend).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
