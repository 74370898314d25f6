//! The real contacts, on the header of a Raspberry Pi.

use super::{BoardError, Button, Inputs, Levels, Pins};
use crate::gpio::{Claim, Header, InputPin, PinPurpose, PinTrouble, UnusablePin};

/// The buttons and the jumper: inputs with the chip's own pull-up of some 50 kΩ, so that a contact
/// to ground reads low.
pub struct HeaderInputs {
    header: Header,
    buttons: [Contact; 4],
    jumper: Contact,
}

/// A contact, if its pin can be had.
struct Contact {
    claim: Claim<dyn InputPin>,
    /// Whether a pin that became free later reads as closed until it has been open once: what
    /// happened to it before is nobody's press.
    waits_for_open: bool,
}

impl HeaderInputs {
    /// Takes the pins that nothing else uses. Dropping this gives them back.
    ///
    /// # Errors
    /// When the pins are not usable as configured, or none of them can be had although none is in
    /// use.
    pub fn open(header: &Header, pins: &Pins) -> Result<Self, BoardError> {
        pins.validate()?;
        let contact = |purpose, gpio| Contact { claim: Claim::new(header, purpose, gpio), waits_for_open: false };
        let buttons = Button::ALL.map(|button| contact(PinPurpose::Button(button), pins.gpio(button)));
        let jumper = contact(PinPurpose::Jumper, pins.jumper_gpio);
        let inputs = Self { header: header.clone(), buttons, jumper };
        let has_failed = |contact: &Contact| matches!(contact.claim.pin, Err(PinTrouble::Failed(_)));
        match &inputs.jumper.claim.pin {
            Err(PinTrouble::Failed(error)) if inputs.buttons.iter().all(has_failed) => Err(error.clone()),
            _ => Ok(inputs),
        }
    }

    fn contacts(&mut self) -> impl Iterator<Item = &mut Contact> {
        self.buttons.iter_mut().chain([&mut self.jumper])
    }
}

impl Contact {
    fn is_closed(&mut self) -> Result<bool, BoardError> {
        let Ok(pin) = &mut self.claim.pin else { return Ok(false) };
        let is_low = pin.is_low()?;
        self.waits_for_open &= is_low;
        Ok(is_low && !self.waits_for_open)
    }
}

impl Inputs for HeaderInputs {
    fn read(&mut self) -> Result<Levels, BoardError> {
        let mut levels = Levels { jumper_fitted: self.jumper.is_closed()?, ..Levels::default() };
        for (pressed, contact) in levels.pressed.iter_mut().zip(&mut self.buttons) {
            *pressed = contact.is_closed()?;
        }
        Ok(levels)
    }

    fn unusable(&self) -> Vec<UnusablePin> {
        self.buttons.iter().chain([&self.jumper]).filter_map(|contact| contact.claim.unusable()).collect()
    }

    fn review(&mut self) {
        let header = self.header.clone();
        for contact in self.contacts() {
            if contact.claim.review(&header) {
                contact.waits_for_open = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpio::{BackendChoice, SimulatedHeader};

    fn open(simulated: &SimulatedHeader, choice: BackendChoice) -> HeaderInputs {
        let header = simulated.known_board(choice).unwrap();
        HeaderInputs::open(&header, &Pins::default()).unwrap()
    }

    #[test]
    fn unusable_pins_are_reported_before_the_chip_is_touched() {
        let simulated = SimulatedHeader::new();
        let header = simulated.known_board(BackendChoice::Auto).unwrap();
        let pins = Pins { start_gpio: 26, ..Pins::default() };
        assert!(matches!(HeaderInputs::open(&header, &pins), Err(BoardError::Pins(_))));
        assert!(simulated.open_pins().is_empty());
    }

    #[test]
    fn a_pin_of_another_is_named_and_left_alone_and_the_other_buttons_work() {
        for choice in [BackendChoice::Rppal, BackendChoice::Gpiocdev] {
            let simulated = SimulatedHeader::new();
            simulated.give_to(6, Some("mute"));
            let mut inputs = open(&simulated, choice);
            assert_eq!(simulated.open_pins(), [5, 16, 24, 26], "{choice:?}");
            simulated.ground(6, true);
            simulated.ground(5, true);
            simulated.ground(26, true);
            let levels = inputs.read().unwrap();
            let pressed: Vec<Button> = Button::ALL.into_iter().filter(|button| levels.is_pressed(*button)).collect();
            assert_eq!((pressed, levels.jumper_fitted), (vec![Button::Start], true), "{choice:?}");
            let [unusable] = &inputs.unusable()[..] else { panic!("{:?}", inputs.unusable()) };
            let said = "GPIO6 belongs to \"mute\": the Volume down button does not work; choose another pin";
            assert_eq!(unusable.to_string(), said);
        }
    }

    #[test]
    fn a_pin_that_becomes_free_works_from_the_next_press_on() {
        let simulated = SimulatedHeader::new();
        simulated.give_to(16, Some("sdmode"));
        simulated.ground(16, true);
        let mut inputs = open(&simulated, BackendChoice::Gpiocdev);
        simulated.give_to(16, None);
        inputs.review();
        assert_eq!(inputs.unusable(), []);
        assert!(!inputs.read().unwrap().is_pressed(Button::Stop), "nobody pressed it");
        simulated.ground(16, false);
        assert!(!inputs.read().unwrap().is_pressed(Button::Stop));
        simulated.ground(16, true);
        assert!(inputs.read().unwrap().is_pressed(Button::Stop));
    }

    #[test]
    fn with_rppal_a_driver_that_comes_later_gets_its_pin_as_it_set_it() {
        let simulated = SimulatedHeader::new();
        let mut inputs = open(&simulated, BackendChoice::Rppal);
        simulated.give_to(6, Some("mute"));
        simulated.ground(6, true);
        inputs.review();
        assert_eq!(simulated.open_pins(), [5, 16, 24, 26]);
        assert!(simulated.restored_pins().is_empty(), "the driver's pin must not become an input again");
        assert!(!inputs.read().unwrap().is_pressed(Button::VolumeDown));
        assert_eq!(inputs.unusable().len(), 1);
        drop(inputs);
        assert_eq!(simulated.restored_pins(), [24, 5, 16, 26]);
    }

    #[test]
    fn one_pin_that_fails_takes_no_other_with_it_and_all_of_them_are_an_error() {
        let simulated = SimulatedHeader::new();
        simulated.fail(24);
        let inputs = open(&simulated, BackendChoice::Gpiocdev);
        assert_eq!(simulated.open_pins(), [5, 6, 16, 26]);
        assert!(inputs.unusable()[0].to_string().starts_with("GPIO24 cannot be used ("));
        drop(inputs);
        [5, 6, 16, 26].into_iter().for_each(|gpio| simulated.fail(gpio));
        let header = simulated.known_board(BackendChoice::Gpiocdev).unwrap();
        assert!(matches!(HeaderInputs::open(&header, &Pins::default()), Err(BoardError::Failed(_))));
    }
}
