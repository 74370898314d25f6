//! Who uses the pins, as the kernel says, also where it can be asked only later.
//!
//! The device file of the header's chip may appear, or become accessible, after this program has
//! started. Until then the device tree alone says which pins will be used.

use std::sync::{Arc, Mutex, PoisonError};

use super::{LineUser, LineUsers, device_tree};
use crate::buttons::BoardError;

type Open = dyn Fn() -> Result<Arc<dyn LineUsers>, BoardError> + Send + Sync;

/// What the kernel knows of the pins, asked through a device that may come later.
pub(super) struct KernelUsers {
    /// `None` until it could be opened.
    device: Mutex<Option<Arc<dyn LineUsers>>>,
    /// `None` where it was open from the start.
    open: Option<Box<Open>>,
    /// What the device tree says of a pin.
    planned: fn(u8) -> Option<String>,
}

impl KernelUsers {
    /// Asks a device that is open.
    pub(super) fn of(device: Arc<dyn LineUsers>) -> Self {
        Self { device: Mutex::new(Some(device)), open: None, planned: device_tree::future_user }
    }

    /// Asks a device that could not be opened, with this error: opens it as soon as that is
    /// possible. Logs that once.
    pub(super) fn later(error: &BoardError, open: Box<Open>) -> Self {
        log::warn!(
            "the kernel cannot be asked yet who uses the pins ({error}): only those that the device tree names are \
             left to others"
        );
        Self { device: Mutex::new(None), open: Some(open), planned: device_tree::future_user }
    }
}

impl LineUsers for KernelUsers {
    fn user(&self, gpio: u8) -> Option<LineUser> {
        let mut device = self.device.lock().unwrap_or_else(PoisonError::into_inner);
        if device.is_none()
            && let Some(Ok(opened)) = self.open.as_ref().map(|open| open())
        {
            *device = Some(opened);
            log::info!("the kernel says now who uses the pins");
        }
        match &*device {
            Some(device) => device.user(gpio),
            None => (self.planned)(gpio).map(|name| LineUser { name }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::super::SimulatedHeader;
    use super::*;

    #[test]
    fn until_the_kernel_can_be_asked_the_device_tree_is() {
        let simulated = SimulatedHeader::new();
        simulated.give_to(6, Some("mute"));
        let is_there = Arc::new(AtomicBool::new(false));
        let denied = BoardError::PermissionDenied { path: "/dev/gpiochip0".to_owned() };
        let open = {
            let (is_there, denied) = (Arc::clone(&is_there), denied.clone());
            move || match is_there.load(Ordering::Relaxed) {
                true => Ok(Arc::new(simulated.clone()) as Arc<dyn LineUsers>),
                false => Err(denied.clone()),
            }
        };
        let mut users = KernelUsers::later(&denied, Box::new(open));
        users.planned = |gpio| (gpio == 5).then(|| "sound, mute-gpios".to_owned());
        let named = |gpio| users.user(gpio).map(|user| user.name);
        assert_eq!((named(5).as_deref(), named(6)), (Some("sound, mute-gpios"), None));
        is_there.store(true, Ordering::Relaxed);
        assert_eq!((named(5), named(6).as_deref()), (None, Some("mute")));
    }
}
