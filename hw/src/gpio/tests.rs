use super::*;
use crate::buttons::{Button, HeaderInputs, Inputs, Pins};
use crate::led::{HeaderLed, Led};

type Opened = Result<SimulatedHeader, BoardError>;

fn choose(choice: BackendChoice, rppal: Opened, device: Opened) -> Result<Backend, BoardError> {
    Header::choose(choice, || rppal, move || device.clone()).map(|header| header.backend())
}

fn denied() -> BoardError {
    BoardError::PermissionDenied { path: "/dev/gpiochip0".to_owned() }
}

#[test]
fn rppal_is_taken_where_it_can_be_had_and_the_character_device_where_it_cannot() {
    let header = SimulatedHeader::new;
    let unknown = || Err(BoardError::UnknownModel);
    let missing = || Err(BoardError::NoChip);
    use BackendChoice::{Auto, Gpiocdev, Rppal};
    assert_eq!(choose(Auto, Ok(header()), Ok(header())), Ok(Backend::Rppal));
    assert_eq!(choose(Auto, Ok(header()), missing()), Ok(Backend::Rppal));
    assert_eq!(choose(Auto, unknown(), Ok(header())), Ok(Backend::Gpiocdev));
    assert_eq!(choose(Auto, Err(denied()), Ok(header())), Ok(Backend::Gpiocdev));
    assert_eq!(choose(Gpiocdev, Ok(header()), Ok(header())), Ok(Backend::Gpiocdev));
    assert_eq!(choose(Gpiocdev, Ok(header()), missing()), Err(BoardError::NoChip));
    assert_eq!(choose(Rppal, unknown(), Ok(header())), Err(BoardError::UnknownModel));
    // On a machine without pins, and on one whose pins this user may not use.
    assert_eq!(choose(Auto, unknown(), missing()), Err(BoardError::UnknownModel));
    assert_eq!(choose(Auto, unknown(), Err(denied())), Err(denied()));
}

#[test]
fn on_a_board_that_rppal_does_not_know_buttons_jumper_and_led_work() {
    let simulated = SimulatedHeader::new();
    let header = simulated.unknown_board(BackendChoice::Auto).unwrap();
    assert_eq!((header.backend(), header.instead()), (Backend::Gpiocdev, Some(&BoardError::UnknownModel)));
    let mut inputs = HeaderInputs::open(&header, &Pins::default()).unwrap();
    let mut led = HeaderLed::open(&header, 13);
    for button in Button::ALL {
        simulated.ground(Pins::DEFAULT.gpio(button), true);
        assert!(inputs.read().unwrap().is_pressed(button), "{button}");
        simulated.ground(Pins::DEFAULT.gpio(button), false);
        assert!(!inputs.read().unwrap().is_pressed(button), "{button}");
    }
    simulated.ground(26, true);
    assert!(inputs.read().unwrap().jumper_fitted);
    led.set(true).unwrap();
    assert!(simulated.is_high(13));
    assert_eq!(inputs.unusable().len() + usize::from(led.unusable().is_some()), 0);
}

#[test]
fn an_led_on_the_pin_of_another_is_left_dark_and_named() {
    let simulated = SimulatedHeader::new();
    simulated.give_to(13, Some(""));
    let mut led = HeaderLed::open(&simulated.known_board(BackendChoice::Auto).unwrap(), 13);
    led.set(true).unwrap();
    assert!(!simulated.is_high(13) && simulated.open_pins().is_empty());
    let said = led.unusable().map(|pin| pin.to_string());
    let words = "GPIO13 belongs to a driver of the kernel: the LED does not work; choose another pin";
    assert_eq!(said.as_deref(), Some(words));
    simulated.give_to(13, None);
    led.review();
    led.set(true).unwrap();
    assert!(simulated.is_high(13) && led.unusable().is_none());
}

#[test]
fn a_pin_of_another_is_given_up_once_the_kernel_can_be_asked() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let simulated = SimulatedHeader::new();
    simulated.give_to(6, Some("mute"));
    let is_there = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_there);
    let may_ask = move || if asked.load(Ordering::Relaxed) { Ok(()) } else { Err(denied()) };
    let header = simulated.known_board_while(BackendChoice::Auto, may_ask).unwrap();
    let mut inputs = HeaderInputs::open(&header, &Pins::default()).unwrap();
    inputs.review();
    assert!(inputs.unusable().is_empty());
    is_there.store(true, Ordering::Relaxed);
    inputs.review();
    let said: Vec<String> = inputs.unusable().iter().map(ToString::to_string).collect();
    assert_eq!(said, ["GPIO6 belongs to \"mute\": the Volume down button does not work; choose another pin"]);
    assert!(simulated.restored_pins().is_empty(), "it is left as its user has it");
}

#[test]
fn a_reserved_pin_is_left_alone_although_the_kernel_knows_of_no_user() {
    let simulated = SimulatedHeader::new();
    let header = simulated.known_board(BackendChoice::Auto).unwrap();
    let header = header.reserving(16, "HiFiBerry MiniAmp").reserving(26, "HiFiBerry MiniAmp");
    let inputs = HeaderInputs::open(&header, &Pins::default()).unwrap();
    assert_eq!(simulated.open_pins(), [5, 6, 24]);
    let said = inputs.unusable().pop().map(|pin| pin.to_string());
    let words = "GPIO26 belongs to \"HiFiBerry MiniAmp\": the jumper does not work; choose another pin";
    assert_eq!(said.as_deref(), Some(words));
}
