//! `doctor --buttons`: reports which button was pressed, and when the jumper is moved.

use std::time::{Duration, Instant};

use jaudiosync_hw::buttons::{Button, ByButton, Levels};
use jaudiosync_hw::gpio::PinPurpose;

use super::super::service_options::ServiceOptions;
use super::super::{Failure, output};
use super::devices::{Holder, levels};
use crate::config::{BoardKind, Config};
use crate::control::Request;
use crate::doctor::checks::LeftOut;
use crate::service::devices::open_board;

/// The test ends when nothing has been pressed or moved for this long.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// Reports every change until all buttons that have a pin have been pressed, or nothing has changed
/// for [`PATIENCE`].
pub(super) fn follow(
    config: &Config,
    service: &ServiceOptions,
    holder: Holder<'_>,
    left_out: &[LeftOut],
) -> Result<(), Failure> {
    let service_runs = !matches!(holder, Holder::Nobody);
    if config.board.kind != BoardKind::Pi && !service_runs {
        return Err(Failure::Usage("this box has no buttons: board.kind is not \"pi\"".to_owned()));
    }
    let mut read = reader(config, service, service_runs)?;
    let acts = if service_runs { " The service is running and acts on them." } else { "" };
    output::say(format_args!(
        "Press every button, and move the jumper.{acts} The test ends after 30 s without a press."
    ));
    let mut before = read()?;
    // What has no pin cannot be pressed.
    let mut seen = ByButton::new(|button| is_left_out(button, left_out));
    let mut until = Instant::now() + PATIENCE;
    while Instant::now() < until && seen.iter().any(|seen| !seen) {
        let now = read()?;
        for button in Button::ALL {
            if now.is_pressed(button) && !before.is_pressed(button) {
                seen[button] = true;
                output::say(format_args!("{button} (GPIO{})", config.board.pins().gpio(button)));
            }
        }
        if now.jumper_fitted != before.jumper_fitted {
            output::say(if now.jumper_fitted { "the jumper is fitted" } else { "the jumper is removed" });
        }
        if now != before {
            until = Instant::now() + PATIENCE;
        }
        before = now;
        std::thread::sleep(POLL);
    }
    let missing: Vec<String> =
        Button::ALL.into_iter().filter(|button| !seen[*button]).map(|button| button.to_string()).collect();
    if missing.is_empty() {
        output::say(all_work(left_out));
        return Ok(());
    }
    Err(Failure::Other(format!(
        "no press was read from: {}; check the wires and the pins in [board], or try again",
        missing.join(", ")
    )))
}

fn is_left_out(button: Button, left_out: &[LeftOut]) -> bool {
    let key = PinPurpose::Button(button).key();
    left_out.iter().any(|pin| pin.key == key)
}

/// Returns what is reported once all buttons that have a pin were pressed; the jumper and the LED
/// may be without one.
fn all_work(left_out: &[LeftOut]) -> &'static str {
    match Button::ALL.into_iter().any(|button| is_left_out(button, left_out)) {
        false => "All four buttons work.",
        true => "All buttons that have a pin work.",
    }
}

type Read = Box<dyn FnMut() -> Result<Levels, Failure>>;

/// Returns a function that reads the buttons. While the service runs it owns the pins, so the
/// service is asked: opening them here as well would switch off its pull-ups.
fn reader(config: &Config, service: &ServiceOptions, service_runs: bool) -> Result<Read, Failure> {
    if service_runs {
        let mut client = service.connect_configured(&config.control.socket)?;
        return Ok(Box::new(move || {
            let status = client.request(&Request::Status { watch: false })?.into_status()?.unwrap_or_default();
            levels(&status).map_err(Failure::Other)
        }));
    }
    let failed = |error: jaudiosync_hw::buttons::BoardError| Failure::Other(error.to_string());
    let mut board = open_board(&config.board).map_err(failed)?;
    Ok(Box::new(move || board.inputs.read().map_err(failed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jumper_without_a_pin_leaves_four_buttons() {
        let left_out = |purpose: PinPurpose| LeftOut { gpio: 5, key: purpose.key().to_owned(), message: String::new() };
        assert_eq!(all_work(&[left_out(PinPurpose::Jumper), left_out(PinPurpose::Led)]), "All four buttons work.");
        let some = all_work(&[left_out(PinPurpose::Button(Button::Start))]);
        assert_eq!(some, "All buttons that have a pin work.");
    }
}
