//! The questions on the terminal. Enter keeps the present value.

use std::io::{stderr, stdin};
use std::path::PathBuf;

use dialoguer::{Confirm, Error, Input, Password, Select};
use jaudiosync_hw::buttons::Pins;
use jaudiosync_hw::dac::cards::{AUTOMATIC, Listing, is_automatic};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;

use super::super::{Failure, terminal};
use super::ride;
use crate::appliance::StartKind;
use crate::config::{AddressError, ChannelChoice, Hat, OptionalServer, RtcChoice, ServerAddress};
use crate::ending::{LastAct, last_act};
use crate::setup::answers::{Answers, HEADER_BUS, Wifi, check_host_name, check_overlay, check_wifi, local_gpsd};
use crate::setup::pins::OtherUses;
use crate::setup::ride::KeyNow;

/// Restores the terminal when the result is dropped or the process exits: the questions hide the
/// cursor, and the passphrase's turns off the echo.
pub(super) fn restored() -> LastAct {
    let before = tcgetattr(stdin()).ok();
    last_act(move || {
        if terminal::is_ours() {
            let _ = before.map(|before| tcsetattr(stdin(), SetArg::TCSANOW, &before));
            let _ = execute!(stderr(), Show);
        }
    })
}

/// Asks all questions. Those about the boot configuration are left out if there is none;
/// `ride_key` is the ride's key that there is; `other_uses` says what else uses pins with the
/// answers so far.
pub(super) fn ask(
    mut answers: Answers,
    is_pi: bool,
    ride_key: &KeyNow,
    other_uses: impl Fn(&Answers) -> Option<OtherUses>,
) -> Result<Answers, Failure> {
    answers.device = device(&answers.device)?;
    if is_pi && answers.overlay.is_none() {
        let overlay = text("Overlay of a DAC on the header, such as hifiberry-dac (empty: no change)", "", |text| {
            if text.is_empty() { Ok(()) } else { check_overlay(text) }
        })?;
        if !overlay.is_empty() {
            answers.choose_overlay(overlay);
        }
    }
    if other_uses(&answers).is_some_and(|uses| uses.may_be_miniamp(&answers)) {
        let question = Confirm::new().with_prompt("Is the HAT a HiFiBerry MiniAmp?").default(false);
        answers.hat = if question.interact().map_err(failed)? { Hat::MiniAmp } else { Hat::Other };
    }
    let channels = ["stereo: two loudspeakers", "mono: one loudspeaker, both channels mixed"];
    answers.channels = match select("Loudspeakers", &channels, usize::from(answers.channels == ChannelChoice::Mono))? {
        0 => ChannelChoice::Stereo,
        _ => ChannelChoice::Mono,
    };
    answers.rtc = rtc(&answers.rtc)?;
    let has_gps =
        Confirm::new().with_prompt("Does the box have a GPS receiver and gpsd?").default(answers.gpsd.0.is_some());
    answers.gpsd = match (has_gps.interact().map_err(failed)?, answers.gpsd.0.is_some()) {
        (false, _) => OptionalServer(None),
        (true, false) => local_gpsd(),
        (true, true) => answers.gpsd,
    };
    answers.ntp_servers = ntp_servers(&answers.ntp_servers)?;
    let kinds = ["common: join what all boxes play", "fresh: begin with the first track"];
    answers.jumper = match select("The jumper at power-on", &kinds, usize::from(answers.jumper == StartKind::Fresh))? {
        0 => StartKind::Common,
        _ => StartKind::Fresh,
    };
    answers.pins = pins(answers.pins, other_uses(&answers).as_ref())?;
    let music = answers.music.to_string();
    let named =
        text(
            "Music folder",
            &music,
            |text| {
                if text.trim().is_empty() { Err("name a folder".to_owned()) } else { Ok(()) }
            },
        )?;
    if named != music {
        answers.music = PathBuf::from(named).into();
    }
    let name = answers.host_name.take().unwrap_or_default();
    let name = text("Name of the box on the network (empty: no change)", &name, |text| {
        if text.is_empty() { Ok(()) } else { check_host_name(text) }
    })?;
    answers.host_name = Some(name).filter(|name| !name.is_empty());
    answers.wifi = wifi(answers.wifi)?;
    ride::ask(&mut answers, ride_key)?;
    Ok(answers)
}

/// Asks yes or no; Enter is yes.
pub(super) fn confirm(question: &str) -> Result<bool, Failure> {
    Confirm::new().with_prompt(question).default(true).interact().map_err(failed)
}

fn device(now: &str) -> Result<String, Failure> {
    let listing = Listing::read();
    let (names, items, position) = device_items(now, &listing);
    let items: Vec<&str> = items.iter().map(String::as_str).collect();
    let chosen = select("Sound card", &items, position)?;
    Ok(names.into_iter().nth(chosen).unwrap_or_default())
}

/// Returns the values of `sound.device` to choose from, how each is shown, and the position of the
/// present one. Cards are named by their ids, which stay the same when others come and go.
fn device_items(now: &str, listing: &Listing) -> (Vec<String>, Vec<String>, usize) {
    let taken = listing.choose().map_or_else(|_| "none".to_owned(), |taken| taken.id);
    let mut names = vec![String::new()];
    let mut items = vec![format!("{AUTOMATIC}: a HAT, otherwise USB, otherwise the headphone jack; now {taken}")];
    for card in listing.playing() {
        items.push(format!("{}: {}, {}", card.id, listing.kind(card).word(), card.name));
        names.push(card.id.clone());
    }
    let known = listing.resolve_card(now).map_or(now, |card| &card.id);
    let wanted = if is_automatic(now) { "" } else { known };
    let position = names.iter().position(|name| name == wanted);
    if position.is_none() {
        items.push(format!("{now} (not a card that is connected now)"));
        names.push(now.to_owned());
    }
    let position = position.unwrap_or(names.len() - 1);
    (names, items, position)
}

fn rtc(now: &RtcChoice) -> Result<RtcChoice, Failure> {
    let bus = match now {
        RtcChoice::Bus(bus) => bus.clone(),
        _ => PathBuf::from(HEADER_BUS),
    };
    let on_bus = format!("a DS3231 on {}", bus.display());
    let is_none = *now == RtcChoice::None;
    match select("Clock", &[&on_bus, "none: the box has the time only from GPS or a network"], usize::from(is_none))? {
        0 => Ok(RtcChoice::Bus(bus)),
        _ => Ok(RtcChoice::None),
    }
}

fn ntp_servers(now: &[ServerAddress]) -> Result<Vec<ServerAddress>, Failure> {
    let read =
        |text: &str| text.split_whitespace().map(str::parse).collect::<Result<Vec<ServerAddress>, AddressError>>();
    let now = now.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let question = "Time servers to ask whenever there is a network (empty: none)";
    let servers = text(question, &now, |text| read(text).map(drop).map_err(|error| error.to_string()))?;
    read(&servers).map_err(|error| Failure::Other(error.to_string()))
}

/// Asks for the pins. Where one collides with the HAT or an overlay, free ones are proposed, and no
/// others are accepted.
fn pins(mut now: Pins, other_uses: Option<&OtherUses>) -> Result<Pins, Failure> {
    let collisions = |pins: &Pins| other_uses.map(|uses| uses.collisions(pins)).unwrap_or_default();
    let colliding = collisions(&now);
    colliding.iter().for_each(super::output::warn);
    if let Some(proposal) = other_uses.filter(|_| !colliding.is_empty()).and_then(|uses| uses.proposal(&now)) {
        super::output::say("These pins are free:");
        now = proposal;
    }
    let possible = |pins: &Pins| other_uses.map(|uses| uses.possible(pins)).unwrap_or_default();
    possible(&now).iter().for_each(super::output::warn);
    let words = format!(
        "Buttons on GPIO {} (volume up), {} (volume down), {} (Start), {} (Stop), jumper on {}, LED on {}. Is that right?",
        now.volume_up_gpio,
        now.volume_down_gpio,
        now.start_gpio,
        now.stop_gpio,
        now.jumper_gpio,
        now.led_gpio.map_or("none".to_owned(), |led| led.to_string())
    );
    if confirm(&words)? && collisions(&now).is_empty() {
        return Ok(now);
    }
    loop {
        let pins = Pins {
            volume_up_gpio: gpio("Volume up", now.volume_up_gpio)?,
            volume_down_gpio: gpio("Volume down", now.volume_down_gpio)?,
            start_gpio: gpio("Start", now.start_gpio)?,
            stop_gpio: gpio("Stop", now.stop_gpio)?,
            jumper_gpio: gpio("Jumper", now.jumper_gpio)?,
            led_gpio: Some(gpio("LED (0: none)", now.led_gpio.unwrap_or(0))?).filter(|led| *led != 0),
        };
        match (pins.validate(), collisions(&pins)) {
            (Ok(()), colliding) if colliding.is_empty() => {
                possible(&pins).iter().for_each(super::output::warn);
                return Ok(pins);
            }
            (Ok(()), colliding) => colliding.iter().for_each(super::output::warn),
            (Err(error), _) => super::output::warn(error),
        }
    }
}

fn gpio(what: &str, now: u8) -> Result<u8, Failure> {
    Input::new().with_prompt(format!("{what}: GPIO")).default(now).interact_text().map_err(failed)
}

fn wifi(now: Option<Wifi>) -> Result<Option<Wifi>, Failure> {
    if now.is_some() {
        return Ok(now);
    }
    network("Wireless network to join (empty: no change)")
}

/// Asks for the name of a wireless network and its passphrase; `None` for an empty name.
pub(super) fn network(question: &str) -> Result<Option<Wifi>, Failure> {
    loop {
        let ssid = text(question, "", |_| Ok(()))?;
        if ssid.is_empty() {
            return Ok(None);
        }
        let passphrase = Password::new().with_prompt("Its passphrase").interact().map_err(failed)?;
        let wifi = Wifi { ssid, passphrase };
        match check_wifi(&wifi) {
            Ok(()) => return Ok(Some(wifi)),
            Err(error) => super::output::warn(error),
        }
    }
}

/// Asks for a text. The present value is filled in, to be kept, changed or erased.
pub(super) fn text(question: &str, now: &str, check: impl Fn(&str) -> Result<(), String>) -> Result<String, Failure> {
    let input = Input::<String>::new().with_prompt(question).with_initial_text(now).allow_empty(true);
    input.validate_with(|text: &String| check(text)).interact_text().map_err(failed)
}

pub(super) fn select(question: &str, items: &[&str], now: usize) -> Result<usize, Failure> {
    Select::new().with_prompt(question).items(items).default(now).interact().map_err(failed)
}

pub(super) fn failed(error: Error) -> Failure {
    Failure::Other(format!("nothing was changed: {error}"))
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::dac::cards::{CardInfo, Output};

    use super::super::stable_device;
    use super::*;

    fn listing() -> Listing {
        let card = |index, id: &str, driver: &str, name: &str| CardInfo {
            index,
            id: id.to_owned(),
            driver: driver.to_owned(),
            name: name.to_owned(),
            outputs: vec![Output::default()],
            ..CardInfo::default()
        };
        let headphones = card(0, "Headphones", "bcm2835_headpho", "bcm2835 Headphones");
        Listing::new(vec![headphones, card(1, "Device", "USB-Audio", "USB PnP Sound Device")], None)
    }

    #[test]
    fn the_question_offers_the_cards_by_id_and_keeps_the_present_value() {
        let (names, items, position) = device_items("", &listing());
        assert_eq!((names[1..].to_vec(), position), (vec!["Device".to_owned(), "Headphones".to_owned()], 0));
        assert_eq!(items[0], "auto: a HAT, otherwise USB, otherwise the headphone jack; now Device");
        assert_eq!(items[1], "Device: USB, USB PnP Sound Device");
        // A number of an older configuration is shown as the card that it is.
        assert_eq!(device_items("hw:0", &listing()).2, 2);
        let (names, items, position) = device_items("Gone", &listing());
        assert_eq!((names[position].as_str(), position), ("Gone", 3));
        assert!(items[3].contains("not a card that is connected now"), "{items:?}");
    }

    #[test]
    fn a_card_is_written_by_its_id() {
        for (named, written) in [
            ("hw:1", "Device"),
            ("0", "Headphones"),
            ("headphones", "Headphones"),
            ("pnp", "Device"),
            ("plughw:1", "plughw:CARD=Device,DEV=0"),
            ("Audio", "Audio"),
            ("default", "default"),
            ("server", "server"),
            ("auto", ""),
        ] {
            assert_eq!(stable_device(named, &listing()), written, "{named}");
        }
    }
}
