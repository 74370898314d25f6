//! A header without hardware, under control of a test.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{BackendChoice, Header, InputPin, LineUser, LineUsers, OutputPin, PinAccess, PinTrouble};
use crate::buttons::BoardError;

/// A handle to a simulated header; clones are handles to the same one.
#[derive(Debug, Clone, Default)]
pub struct SimulatedHeader {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The pins that are connected to ground.
    grounded: BTreeSet<u8>,
    /// The outputs that are high.
    high: BTreeSet<u8>,
    /// The pins that are open, as seen by the kernel.
    open: BTreeSet<u8>,
    users: BTreeMap<u8, LineUser>,
    fails: BTreeSet<u8>,
    /// Every time that a pin was given back in the usual way.
    restored: Vec<u8>,
}

impl SimulatedHeader {
    /// Makes a header on which nothing is wired and everything is free.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens it as a board that rppal does not know.
    ///
    /// # Errors
    /// When rppal is insisted on.
    pub fn unknown_board(&self, choice: BackendChoice) -> Result<Header, BoardError> {
        let device = self.clone();
        Header::choose(choice, || Err::<Registers, _>(BoardError::UnknownModel), move || Ok(device.clone()))
    }

    /// Opens it as a board that rppal knows.
    ///
    /// # Errors
    /// Never.
    pub fn known_board(&self, choice: BackendChoice) -> Result<Header, BoardError> {
        let device = self.clone();
        Header::choose(choice, || Ok(Registers(self.clone())), move || Ok(device.clone()))
    }

    /// Opens it as a board that rppal knows, on which this says whether the kernel can be asked who
    /// uses the pins.
    ///
    /// # Errors
    /// If it cannot, and only the kernel's way is asked for.
    pub fn known_board_while(
        &self,
        choice: BackendChoice,
        may_ask: impl Fn() -> Result<(), BoardError> + Send + Sync + 'static,
    ) -> Result<Header, BoardError> {
        let device = self.clone();
        Header::choose(choice, || Ok(Registers(self.clone())), move || may_ask().map(|()| device.clone()))
    }

    /// Connects a pin to ground, or disconnects it.
    pub fn ground(&self, gpio: u8, grounded: bool) {
        let mut state = self.state();
        _ = if grounded { state.grounded.insert(gpio) } else { state.grounded.remove(&gpio) };
    }

    /// Returns whether a pin is driven high.
    pub fn is_high(&self, gpio: u8) -> bool {
        self.state().high.contains(&gpio)
    }

    /// Gives a pin to another user, or frees it.
    pub fn give_to(&self, gpio: u8, user: Option<&str>) {
        let mut state = self.state();
        _ = match user {
            Some(name) => state.users.insert(gpio, LineUser { name: name.to_owned() }),
            None => state.users.remove(&gpio),
        };
    }

    /// Makes a pin fail whenever it is opened.
    pub fn fail(&self, gpio: u8) {
        self.state().fails.insert(gpio);
    }

    /// Returns the pins that are open now.
    pub fn open_pins(&self) -> Vec<u8> {
        self.state().open.iter().copied().collect()
    }

    /// Returns the pins that were given back as inputs without a pull-up, which harms one that
    /// another user has.
    pub fn restored_pins(&self) -> Vec<u8> {
        self.state().restored.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, gpio: u8, asks_the_kernel: bool) -> Result<SimulatedPin, PinTrouble> {
        let mut state = self.state();
        if state.fails.contains(&gpio) {
            return Err(PinTrouble::Failed(BoardError::Failed("simulated".to_owned())));
        }
        if let Some(user) = state.users.get(&gpio).filter(|_| asks_the_kernel) {
            return Err(PinTrouble::Taken(user.clone()));
        }
        state.open.insert(gpio);
        Ok(SimulatedPin { header: self.clone(), gpio, is_restored: true })
    }
}

struct SimulatedPin {
    header: SimulatedHeader,
    gpio: u8,
    is_restored: bool,
}

impl InputPin for SimulatedPin {
    fn is_low(&mut self) -> Result<bool, BoardError> {
        Ok(self.header.state().grounded.contains(&self.gpio))
    }

    fn abandon(mut self: Box<Self>) {
        self.is_restored = false;
    }
}

impl OutputPin for SimulatedPin {
    fn set_high(&mut self, high: bool) -> Result<(), BoardError> {
        let mut state = self.header.state();
        _ = if high { state.high.insert(self.gpio) } else { state.high.remove(&self.gpio) };
        Ok(())
    }

    fn abandon(mut self: Box<Self>) {
        self.is_restored = false;
    }
}

impl Drop for SimulatedPin {
    fn drop(&mut self) {
        let mut state = self.header.state();
        state.open.remove(&self.gpio);
        if self.is_restored {
            state.restored.push(self.gpio);
        }
    }
}

impl PinAccess for SimulatedHeader {
    fn input(&self, gpio: u8) -> Result<Box<dyn InputPin>, PinTrouble> {
        Ok(Box::new(self.open(gpio, true)?))
    }

    fn output(&self, gpio: u8) -> Result<Box<dyn OutputPin>, PinTrouble> {
        Ok(Box::new(self.open(gpio, true)?))
    }

    fn is_exclusive(&self) -> bool {
        true
    }
}

impl LineUsers for SimulatedHeader {
    fn user(&self, gpio: u8) -> Option<LineUser> {
        self.state().users.get(&gpio).cloned()
    }
}

/// The same header as rppal sees it: its registers take any pin.
struct Registers(SimulatedHeader);

impl PinAccess for Registers {
    fn input(&self, gpio: u8) -> Result<Box<dyn InputPin>, PinTrouble> {
        Ok(Box::new(self.0.open(gpio, false)?))
    }

    fn output(&self, gpio: u8) -> Result<Box<dyn OutputPin>, PinTrouble> {
        Ok(Box::new(self.0.open(gpio, false)?))
    }

    fn is_exclusive(&self) -> bool {
        false
    }
}
