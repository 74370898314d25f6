//! Scripted input for a simulated board: button presses of a given length, and the jumper.

use std::str::FromStr;

use jaudiosync_hw::buttons::{Button, ByButton};
use jaudiosync_hw::simulated_board::SimulatedBoard;
use jaudiosync_time::{Instant, Raw, Span};

/// How long a short press lasts.
pub(super) const SHORT: Span = Span::from_ms(150);

/// A press lasts for at least this many readings of the buttons, however long they take on a busy
/// machine: twice as many as a press needs in order to count.
const LEAST_READINGS: u64 = 8;

/// One step of the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    /// Presses a button, and releases it after a while.
    Press { button: Button, lasts: Span },
    /// Fits or removes the jumper.
    Jumper { fitted: bool },
}

/// The buttons that the script holds, and until when.
#[derive(Debug)]
pub(super) struct ScriptedInput {
    board: SimulatedBoard,
    /// When each pressed button is released.
    releases: ByButton<Option<Release>>,
}

/// When a button is released: at an instant, but not before it was read often enough.
#[derive(Debug, Clone, Copy)]
struct Release {
    due: Instant<Raw>,
    readings: u64,
}

impl ScriptedInput {
    pub(super) fn new(board: SimulatedBoard) -> Self {
        Self { board, releases: ByButton::default() }
    }

    /// Makes a move at this instant of the raw clock.
    pub(super) fn make(&mut self, what: Move, now: Instant<Raw>) {
        match what {
            Move::Press { button, lasts } => {
                self.board.press(button);
                let readings = self.board.readings() + LEAST_READINGS;
                let due = now + lasts;
                let release = &mut self.releases[button];
                *release = Some(Release { due: release.map_or(due, |before| before.due.max(due)), readings });
            }
            Move::Jumper { fitted } => self.board.set_jumper(fitted),
        }
    }

    /// Returns whether no button is held.
    pub(super) fn holds_nothing(&self) -> bool {
        self.releases.iter().all(Option::is_none)
    }

    /// Releases the buttons whose time is over.
    pub(super) fn step(&mut self, now: Instant<Raw>) {
        for button in Button::ALL {
            let readings = self.board.readings();
            if self.releases[button].is_some_and(|release| now >= release.due && readings >= release.readings) {
                self.releases[button] = None;
                self.board.release(button);
            }
        }
    }
}

impl FromStr for Move {
    type Err = String;

    /// Reads a line such as `press start`, `press volume-up 1.5` (seconds) or `jumper on`.
    fn from_str(line: &str) -> Result<Self, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let button = |name: &str| match name {
            "start" => Ok(Button::Start),
            "stop" => Ok(Button::Stop),
            "volume-up" => Ok(Button::VolumeUp),
            "volume-down" => Ok(Button::VolumeDown),
            other => Err(format!("there is no button {other:?}; there are start, stop, volume-up, volume-down")),
        };
        match words[..] {
            ["press", name] => Ok(Self::Press { button: button(name)?, lasts: SHORT }),
            ["press", name, seconds] => {
                let seconds: f64 =
                    seconds.parse().ok().filter(|seconds| (0.0..=3600.0).contains(seconds)).ok_or_else(|| {
                        format!("{seconds:?} is not a duration; write seconds from 0 to 3600, such as 2.5")
                    })?;
                Ok(Self::Press { button: button(name)?, lasts: Span::from_seconds_f64(seconds) })
            }
            ["jumper", "on"] => Ok(Self::Jumper { fitted: true }),
            ["jumper", "off"] => Ok(Self::Jumper { fitted: false }),
            _ => Err(format!("{line:?} is not understood; write: press BUTTON [SECONDS], or: jumper on|off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jaudiosync_hw::buttons::Inputs;

    use super::*;

    #[test]
    fn a_press_lasts_as_long_as_it_says_and_another_prolongs_it() {
        let board = SimulatedBoard::new();
        let mut buttons = board.clone();
        let mut read = |times| (0..times).for_each(|_| _ = buttons.read().unwrap());
        let mut input = ScriptedInput::new(board.clone());
        let is_pressed = || board.levels().is_pressed(Button::VolumeUp);
        let press = |seconds| Move::Press { button: Button::VolumeUp, lasts: Span::from_seconds(seconds) };
        let start = Instant::ZERO;
        input.make(press(2), start);
        input.make(press(1), start + Span::from_ms(500));
        read(LEAST_READINGS);
        input.step(start + Span::from_ms(1_999));
        assert!(is_pressed());
        input.step(start + Span::from_seconds(2));
        assert!(!is_pressed());
        input.make(press(0), start);
        read(LEAST_READINGS - 1);
        input.step(start + Span::SECOND);
        assert!(is_pressed(), "it was not read often enough to count");
        read(1);
        input.step(start + Span::SECOND);
        assert!(!is_pressed());
        input.make(Move::Jumper { fitted: true }, start + Span::from_seconds(3));
        assert!(board.levels().jumper_fitted);
    }

    #[test]
    fn a_line_is_understood_or_the_error_says_what_to_write() {
        assert_eq!("press start".parse(), Ok(Move::Press { button: Button::Start, lasts: SHORT }));
        assert_eq!(" press stop 5.5 ".parse(), Ok(Move::Press { button: Button::Stop, lasts: Span::from_ms(5_500) }));
        assert_eq!("jumper off".parse(), Ok(Move::Jumper { fitted: false }));
        for (line, word) in [
            ("", "press BUTTON"),
            ("press", "press BUTTON"),
            ("press play", "volume-up"),
            ("press start -1", "seconds"),
            ("press start nan", "seconds"),
            ("jumper maybe", "on|off"),
        ] {
            assert!(line.parse::<Move>().is_err_and(|error| error.contains(word)), "{line}");
        }
    }
}
