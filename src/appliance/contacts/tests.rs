use Button::{Start, Stop, VolumeDown, VolumeUp};
use proptest::prelude::*;

use super::super::gesture::*;
use super::*;

const POLL: Span = Span::from_ms(5);

/// A rider's fingers on the buttons, in virtual time.
#[derive(Default)]
struct Fingers {
    contacts: Contacts,
    levels: Levels,
    now: Instant<Raw>,
}

impl Fingers {
    /// Returns them with the contacts settled and nothing pressed.
    fn ready() -> Self {
        let mut fingers = Self::default();
        assert_eq!(fingers.wait(100), [ContactEvent::JumperAtPowerOn(false)]);
        fingers
    }

    fn wait(&mut self, ms: i64) -> Vec<ContactEvent> {
        let until = self.now + Span::from_ms(ms);
        let mut events = Vec::new();
        while self.now < until {
            self.now += POLL;
            events.extend(self.contacts.poll(self.levels, self.now));
        }
        events
    }

    fn press(&mut self, button: Button, for_ms: i64) -> Vec<ContactEvent> {
        self.levels = self.levels.with(button, true);
        self.wait(for_ms)
    }

    fn release(&mut self, button: Button) -> Vec<ContactEvent> {
        self.levels = self.levels.with(button, false);
        self.wait(100)
    }
}

fn gestures(events: &[ContactEvent]) -> Vec<Gesture> {
    let gesture = |event: &ContactEvent| if let ContactEvent::Gesture(gesture) = event { Some(*gesture) } else { None };
    events.iter().filter_map(gesture).collect()
}

#[test]
fn volume_acts_when_pressed_and_repeats_when_held() {
    let mut fingers = Fingers::ready();
    assert_eq!(gestures(&fingers.press(VolumeUp, 45)), [Gesture::VolumeUp], "within 45 ms");
    assert_eq!(gestures(&fingers.wait(455)), []);
    assert_eq!(gestures(&fingers.wait(30)), [Gesture::VolumeUp], "after 500 ms and the 20 ms of the debounce");
    assert_eq!(gestures(&fingers.wait(1500)), [Gesture::VolumeUp; 10], "every 150 ms");
    assert_eq!(fingers.release(VolumeUp), []);
    assert_eq!(fingers.wait(1000), []);
}

#[test]
fn start_acts_when_released_or_when_held_for_two_seconds_but_not_both() {
    let mut fingers = Fingers::ready();
    assert_eq!(fingers.press(Start, 1900), []);
    assert_eq!(gestures(&fingers.release(Start)), [Gesture::Start]);
    assert_eq!(gestures(&fingers.press(Start, 2100)), [Gesture::StartHeld]);
    assert_eq!(fingers.wait(1000), []);
    assert_eq!(fingers.release(Start), []);
}

#[test]
fn stop_acts_when_pressed_and_again_when_held_for_five_seconds() {
    let mut fingers = Fingers::ready();
    assert_eq!(gestures(&fingers.press(Stop, 45)), [Gesture::Stop]);
    assert_eq!(fingers.wait(4900), []);
    assert_eq!(gestures(&fingers.wait(100)), [Gesture::StopHeld]);
    assert_eq!(fingers.release(Stop), []);
}

#[test]
fn a_button_held_at_power_on_does_nothing_until_it_is_released() {
    let mut fingers = Fingers { levels: Levels::default().with(Stop, true).with(VolumeUp, true), ..Fingers::default() };
    let events = fingers.wait(20_000);
    assert_eq!(gestures(&events), []);
    for button in [Stop, VolumeUp] {
        assert!(events.contains(&ContactEvent::Ignored(button, IgnoredBecause::HeldAtPowerOn)));
    }
    assert_eq!(gestures(&fingers.press(Start, 100)), []);
    assert_eq!(gestures(&fingers.release(Start)), [Gesture::Start], "the others work meanwhile");
    assert_eq!(fingers.release(Stop), [ContactEvent::Released(Stop)]);
    assert_eq!(gestures(&fingers.press(Stop, 100)), [Gesture::Stop]);
}

#[test]
fn a_button_stuck_for_ten_seconds_is_ignored_and_reported_once() {
    let mut fingers = Fingers::ready();
    let events = fingers.press(VolumeDown, 10_100);
    assert_eq!(events.last(), Some(&ContactEvent::Ignored(VolumeDown, IgnoredBecause::Stuck)));
    assert_eq!(fingers.wait(60_000), []);
    assert_eq!(gestures(&fingers.press(VolumeUp, 100)), [Gesture::VolumeUp]);
    fingers.release(VolumeUp);
    assert_eq!(fingers.release(VolumeDown), [ContactEvent::Released(VolumeDown)]);
    assert_eq!(gestures(&fingers.press(VolumeDown, 100)), [Gesture::VolumeDown]);
}

#[test]
fn stop_held_shuts_down_before_it_counts_as_stuck() {
    let mut fingers = Fingers::ready();
    let stuck = ContactEvent::Ignored(Stop, IgnoredBecause::Stuck);
    let expected = [ContactEvent::Gesture(Gesture::Stop), ContactEvent::Gesture(Gesture::StopHeld), stuck];
    assert_eq!(fingers.press(Stop, 20_000), expected);
}

#[test]
fn of_two_buttons_the_first_counts_but_stop_always_does() {
    let mut fingers = Fingers::ready();
    fingers.press(VolumeUp, 100);
    assert_eq!(gestures(&fingers.press(Start, 100)), []);
    assert_eq!(fingers.release(Start), [], "Start was ignored");
    assert_eq!(gestures(&fingers.press(Stop, 100)), [Gesture::Stop]);
    assert_eq!(gestures(&fingers.wait(2000)), [], "and Volume up no longer repeats");
    fingers.release(Stop);
    assert_eq!(gestures(&fingers.wait(1000)), [], "nor after Stop is released");
    fingers.release(VolumeUp);
    assert_eq!(gestures(&fingers.press(VolumeUp, 100)), [Gesture::VolumeUp]);
}

#[test]
fn a_stalled_thread_makes_no_long_press() {
    let mut fingers = Fingers::ready();
    assert_eq!(gestures(&fingers.press(Stop, 100)), [Gesture::Stop]);
    fingers.now += Span::from_seconds(6);
    assert_eq!(fingers.release(Stop), []);
    assert_eq!(fingers.press(Start, 100), []);
    fingers.now += Span::from_seconds(6);
    assert_eq!(gestures(&fingers.release(Start)), [Gesture::Start]);
}

#[test]
fn what_is_pressed_when_reading_works_again_is_ignored() {
    let mut fingers = Fingers::ready();
    fingers.press(Stop, 4900);
    assert_eq!(fingers.contacts.unreadable("broken"), [ContactEvent::Unreadable("broken".to_owned())]);
    assert_eq!(fingers.contacts.unreadable("broken"), [], "reported once");
    fingers.levels.jumper_fitted = true;
    let events = fingers.wait(1000);
    assert_eq!(events.first(), Some(&ContactEvent::Readable));
    assert!(events.contains(&ContactEvent::Ignored(Stop, IgnoredBecause::HeldAtPowerOn)));
    assert!(events.contains(&ContactEvent::JumperChanged(true)), "this is not a power-on: {events:?}");
    assert_eq!(gestures(&events), []);
}

#[test]
fn the_jumper_is_reported_at_power_on_and_when_it_changes() {
    let mut fingers = Fingers::default();
    fingers.levels.jumper_fitted = true;
    assert_eq!(fingers.wait(100), [ContactEvent::JumperAtPowerOn(true)]);
    fingers.levels.jumper_fitted = false;
    assert_eq!(fingers.wait(100), [ContactEvent::JumperChanged(false)]);
}

proptest! {
    #[test]
    fn nothing_is_meant_by_a_button_that_is_not_pressed(
        steps in prop::collection::vec((0_usize..4, any::<bool>(), 1_i64..3000, any::<bool>()), 1..60),
    ) {
        let mut fingers = Fingers::default();
        let mut ignored = ByButton::new(|_| false);
        let mut last_pressed = ByButton::new(|_| None::<Instant<Raw>>);
        for (index, pressed, ms, unreadable) in steps {
            let button = Button::ALL[index];
            if fingers.levels.is_pressed(button) {
                last_pressed[button] = Some(fingers.now);
            }
            fingers.levels = fingers.levels.with(button, pressed);
            if unreadable && ms % 7 == 0 {
                fingers.contacts.unreadable("fault");
                ignored = ByButton::default();
            }
            let before = fingers.now;
            for event in fingers.wait(ms) {
                match event {
                    ContactEvent::Gesture(gesture) => {
                        let buttons: &[Button] = match gesture {
                            Gesture::VolumeUp => &[VolumeUp],
                            Gesture::VolumeDown => &[VolumeDown],
                            Gesture::Start | Gesture::StartHeld => &[Start],
                            Gesture::Stop | Gesture::StopHeld => &[Stop],
                            Gesture::BothHeld => &[Start, Stop],
                        };
                        for &button in buttons {
                            prop_assert!(!ignored[button], "{:?} of an ignored button", gesture);
                            // A short press of Start counts when it has ended, once the contact is
                            // quiet.
                            let is_recent = last_pressed[button].is_some_and(|last| before - last <= Span::from_ms(50));
                            prop_assert!(fingers.levels.is_pressed(button) || is_recent);
                        }
                    }
                    ContactEvent::Ignored(button, _) => {
                        prop_assert!(!ignored[button], "reported twice");
                        ignored[button] = true;
                    }
                    ContactEvent::Released(button) => {
                        prop_assert!(ignored[button]);
                        ignored[button] = false;
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn start_and_stop_held_together_for_three_seconds_mean_one_thing_and_no_more() {
    for [first, second] in [[Start, Stop], [Stop, Start]] {
        let mut fingers = Fingers::ready();
        let before = gestures(&fingers.press(first, 300));
        assert_eq!(before, if first == Stop { vec![Gesture::Stop] } else { vec![] });
        let pressed = gestures(&fingers.press(second, 2900));
        assert_eq!(pressed, if second == Stop { vec![Gesture::Stop] } else { vec![] }, "Stop acts as always");
        assert_eq!(gestures(&fingers.wait(150)), [Gesture::BothHeld]);
        assert_eq!(gestures(&fingers.wait(4000)), [], "the box is not switched off");
        assert_eq!(gestures(&fingers.release(first)), []);
        assert_eq!(gestures(&fingers.release(second)), []);
        assert_eq!(gestures(&fingers.press(Stop, 45)), [Gesture::Stop], "and Stop works again");
    }
}

#[test]
fn a_bag_on_three_buttons_and_a_stuck_button_begin_no_sound_check() {
    let mut bag = Fingers::ready();
    bag.levels = bag.levels.with(VolumeUp, true).with(Start, true);
    assert!(!gestures(&bag.press(Stop, 9000)).contains(&Gesture::BothHeld));

    let mut stuck = Fingers::default();
    stuck.levels = stuck.levels.with(Start, true);
    stuck.wait(100);
    assert!(!gestures(&stuck.press(Stop, 4000)).contains(&Gesture::BothHeld));
}
