//! Buttons and jumper, as they read now.

use jaudiosync_hw::buttons::{Button, Levels};

use super::super::Finding;
use crate::config::{BoardKind, Config};

const CHECK: &str = "buttons";

/// Checks the levels of the pins, or reports why they cannot be read.
pub fn board(config: &Config, levels: Result<Levels, &str>) -> Vec<Finding> {
    if config.board.kind != BoardKind::Pi {
        return vec![Finding::good(CHECK, "none: the box is controlled through its socket")];
    }
    let levels = match levels {
        Ok(levels) => levels,
        Err(reason) => {
            return vec![Finding::problem(
                CHECK,
                reason,
                "on a box without buttons set board.kind = \"none\"; the service needs the group gpio",
            )];
        }
    };
    let pressed: Vec<Button> = Button::ALL.into_iter().filter(|button| levels.is_pressed(*button)).collect();
    let jumper = if levels.jumper_fitted {
        "the jumper is fitted: the box plays by itself at power-on"
    } else {
        "the jumper is not fitted: the box waits for Start"
    };
    let mut findings: Vec<Finding> = pressed
        .iter()
        .map(|button| {
            let gpio = config.board.pins().gpio(*button);
            Finding::warning(
                CHECK,
                format!("{button} (GPIO{gpio}) reads as pressed"),
                "release it; if nobody is pressing it, look for a wire that touches ground, or another HAT on the pin",
            )
        })
        .collect();
    if pressed.is_empty() {
        let words = "none is pressed; to test each of them: jaudiosync doctor --buttons";
        findings.push(Finding::good(CHECK, words));
    }
    findings.push(Finding::good(CHECK, jumper));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;

    #[test]
    fn a_button_that_reads_as_pressed_is_named_with_its_pin() {
        let config = Config::default();
        let released = board(&config, Ok(Levels { jumper_fitted: true, ..Levels::default() }));
        assert!(released.iter().all(|finding| finding.level == Level::Good), "{released:?}");
        assert!(released[1].text.contains("by itself"));
        let pressed = board(&config, Ok(Levels::default().with(Button::Stop, true)));
        assert_eq!(pressed[0].text, "Stop (GPIO16) reads as pressed");
        assert_eq!(board(&config, Err("no pins"))[0].level, Level::Problem);
    }
}
