//! The contacts of a box, four buttons and the jumper: from their levels to what is meant by them.

use jaudiosync_hw::buttons::{Button, ByButton, Levels};
use jaudiosync_time::{Instant, Raw, Span};

use super::debounce::{Change, Debounce};
use super::gesture::{BOTH_HELD, ButtonEvent, ButtonState, Gesture, IgnoredBecause};

/// A button counts as held while it is read as pressed, but one reading counts for at most this
/// long: what happened while the thread was stalled is not known, and must not become a long press.
const LONGEST_STEP: Span = Span::from_ms(50);

/// What the levels lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContactEvent {
    /// A gesture on a button.
    Gesture(Gesture),
    /// A button that is pressed is ignored until it is released.
    Ignored(Button, IgnoredBecause),
    /// A button that was ignored has been released and works again.
    Released(Button),
    /// Whether the jumper was fitted when reading began. Reported once.
    JumperAtPowerOn(bool),
    /// The jumper was fitted or removed later.
    JumperChanged(bool),
    /// The levels cannot be read, for this reason. Reported once.
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
    /// The jumper as it was last reported.
    reported_jumper: Option<bool>,
    last_polled: Option<Instant<Raw>>,
    /// For how long Start and Stop have been held together, and nothing else.
    both_held: Span,
    unreadable: bool,
}

impl Default for Contacts {
    fn default() -> Self {
        Self {
            contacts: Default::default(),
            buttons: ByButton::new(ButtonState::new),
            jumper: Debounce::default(),
            reported_jumper: None,
            last_polled: None,
            both_held: Span::ZERO,
            unreadable: false,
        }
    }
}

impl Contacts {
    /// Returns contacts that have not been read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the levels, read at this time of the raw clock. Call it every 5 to 10 ms.
    pub fn poll(&mut self, levels: Levels, now_raw: Instant<Raw>) -> Vec<ContactEvent> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.unreadable) {
            events.push(ContactEvent::Readable);
        }
        let last_polled = self.last_polled.replace(now_raw).unwrap_or(now_raw);
        let step = (now_raw - last_polled).clamp(Span::ZERO, LONGEST_STEP);
        for button in Button::ALL {
            let pressed = levels.is_pressed(button);
            let held = match self.contacts[button].poll(pressed, now_raw) {
                Some(Change::Settled(true)) => Some(self.buttons[button].held_at_power_on()),
                Some(Change::Settled(false)) => None,
                Some(Change::Changed(true)) => self.press(button),
                Some(Change::Changed(false)) => self.buttons[button].release(),
                None if pressed => self.buttons[button].hold_for(step),
                None => None,
            };
            events.extend(held.map(|held| match held {
                ButtonEvent::Gesture(gesture) => ContactEvent::Gesture(gesture),
                ButtonEvent::Ignored(because) => ContactEvent::Ignored(button, because),
                ButtonEvent::Released => ContactEvent::Released(button),
            }));
        }
        if self.hold_both(levels, step) {
            events.push(ContactEvent::Gesture(Gesture::BothHeld));
        }
        if let Some(Change::Settled(fitted) | Change::Changed(fitted)) = self.jumper.poll(levels.jumper_fitted, now_raw)
        {
            match self.reported_jumper.replace(fitted) {
                None => events.push(ContactEvent::JumperAtPowerOn(fitted)),
                Some(before) if before != fitted => events.push(ContactEvent::JumperChanged(fitted)),
                Some(_) => {}
            }
        }
        events
    }

    /// Notes that the levels could not be read. A button that is pressed when they can be read
    /// again is ignored, as at power-on.
    pub fn unreadable(&mut self, reason: &str) -> Vec<ContactEvent> {
        let was_reported = self.unreadable;
        *self = Self { reported_jumper: self.reported_jumper, unreadable: true, ..Self::default() };
        if was_reported { vec![] } else { vec![ContactEvent::Unreadable(reason.to_owned())] }
    }

    /// Takes in for how long Start and Stop have been held together; returns whether that is just long
    /// enough to be a gesture.
    fn hold_both(&mut self, levels: Levels, by: Span) -> bool {
        let both = [Button::Start, Button::Stop];
        let is_held = |button: Button| self.buttons[button].is_held_on_purpose();
        let is_gesture = Button::ALL.into_iter().all(|button| {
            if both.contains(&button) { levels.is_pressed(button) && is_held(button) } else { !is_held(button) }
        });
        if !is_gesture {
            self.both_held = Span::ZERO;
            return false;
        }
        let before = self.both_held;
        self.both_held += by;
        let is_due = before < BOTH_HELD && BOTH_HELD <= self.both_held;
        if is_due {
            // Neither means anything more: Stop would shut the Pi down.
            both.into_iter().for_each(|button| self.buttons[button].ignore());
        }
        is_due
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
