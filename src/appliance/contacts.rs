//! The contacts of a box: four buttons and the jumper together, from levels to what is meant by them.

use jaudiosync_hw::buttons::{Button, ByButton, Levels};

use super::debounce::{Change, Debounce};
use super::gesture::{ButtonEvent, ButtonState, Gesture, IgnoredBecause};

/// A button is held for as long as it is read as pressed, but no reading counts for more than this: what happened while
/// the thread did not look is not known, and must not become a long press.
const LONGEST_STEP_NS: i64 = 50_000_000;

/// What comes of the levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactEvent {
    /// A button means something.
    Gesture(Gesture),
    /// A button that is pressed is ignored until it is released.
    Ignored(Button, IgnoredBecause),
    /// A button that was ignored is released and works again.
    Released(Button),
    /// Once: whether the jumper was fitted when reading began.
    JumperAtPowerOn(bool),
    /// The jumper was fitted or removed later.
    JumperChanged(bool),
    /// The levels cannot be read, for this reason. Told once.
    Unreadable(String),
    /// They can be read again.
    Readable,
}

/// Four buttons and the jumper.
#[derive(Debug, Clone)]
pub struct Contacts {
    contacts: ByButton<Debounce>,
    buttons: ByButton<ButtonState>,
    jumper: Debounce,
    /// The jumper as it was last told.
    jumper_told: Option<bool>,
    last_raw_ns: Option<i64>,
    unreadable: bool,
}

impl Default for Contacts {
    fn default() -> Self {
        Self {
            contacts: Default::default(),
            buttons: ByButton::new(ButtonState::new),
            jumper: Debounce::default(),
            jumper_told: None,
            last_raw_ns: None,
            unreadable: false,
        }
    }
}

impl Contacts {
    /// Contacts that have not been read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of the levels, read at this time of the raw clock. Call it each 5 to 10 ms.
    pub fn poll(&mut self, levels: Levels, now_raw_ns: i64) -> Vec<ContactEvent> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.unreadable) {
            events.push(ContactEvent::Readable);
        }
        let last_raw_ns = self.last_raw_ns.replace(now_raw_ns).unwrap_or(now_raw_ns);
        let step_ns = now_raw_ns.saturating_sub(last_raw_ns).clamp(0, LONGEST_STEP_NS);
        for button in Button::ALL {
            let pressed = levels.is_pressed(button);
            let held = match self.contacts[button].poll(pressed, now_raw_ns) {
                Some(Change::Settled(true)) => Some(self.buttons[button].held_at_power_on()),
                Some(Change::Settled(false)) => None,
                Some(Change::Changed(true)) => self.press(button),
                Some(Change::Changed(false)) => self.buttons[button].release(),
                None if pressed => self.buttons[button].hold_for(step_ns),
                None => None,
            };
            events.extend(held.map(|held| match held {
                ButtonEvent::Gesture(gesture) => ContactEvent::Gesture(gesture),
                ButtonEvent::Ignored(because) => ContactEvent::Ignored(button, because),
                ButtonEvent::Released => ContactEvent::Released(button),
            }));
        }
        if let Some(Change::Settled(fitted) | Change::Changed(fitted)) =
            self.jumper.poll(levels.jumper_fitted, now_raw_ns)
        {
            match self.jumper_told.replace(fitted) {
                None => events.push(ContactEvent::JumperAtPowerOn(fitted)),
                Some(told) if told != fitted => events.push(ContactEvent::JumperChanged(fitted)),
                Some(_) => {}
            }
        }
        events
    }

    /// Takes note that the levels could not be read. What is pressed once they can be read again is ignored, as at power-on.
    pub fn unreadable(&mut self, reason: &str) -> Vec<ContactEvent> {
        let told = self.unreadable;
        *self = Self { jumper_told: self.jumper_told, unreadable: true, ..Self::default() };
        if told { vec![] } else { vec![ContactEvent::Unreadable(reason.to_owned())] }
    }

    fn press(&mut self, button: Button) -> Option<ButtonEvent> {
        let others = || Button::ALL.into_iter().filter(move |other| *other != button);
        if button == Button::Stop {
            for other in others().filter(|other| self.buttons[*other].is_active()).collect::<Vec<_>>() {
                self.buttons[other].ignore();
            }
        } else if others().any(|other| self.buttons[other].is_active()) {
            self.buttons[button].ignore();
            return None;
        }
        self.buttons[button].press()
    }
}

#[cfg(test)]
mod tests;
