//! What the keys of the panel do. Pure.

use jaudiosync_hw::buttons::Button;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::appliance::{START_HELD_NS, STOP_HELD_NS, STUCK_NS};
use crate::cli::run::hand::{Move, SHORT_NS};

/// A long press is a little longer than it need be.
const MARGIN_NS: i64 = 200_000_000;
/// Volume held: ten steps or so.
const VOLUME_HELD_NS: i64 = 2_000_000_000;

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The hand does something.
    Move(Move),
    /// The jumper is fitted or removed, whichever it is not.
    TurnJumper,
    /// The panel ends.
    Quit,
}

/// The keys in words, for the panel's last lines.
pub(super) const HELP: [&str; 2] = [
    "s Start   x Stop   + - volume   j jumper   q quit        (terminals tell no releases: capitals hold)",
    "S Start held 2 s   X Stop held 5 s   U D volume held   Z Start stuck for 12 s",
];

/// What a key means, if anything.
pub(super) fn meaning(key: KeyEvent) -> Option<Meaning> {
    let press = |button, for_ns| Some(Meaning::Move(Move::Press { button, for_ns }));
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Meaning::Quit),
        KeyCode::Char('q') | KeyCode::Esc => Some(Meaning::Quit),
        KeyCode::Char('+' | 'u') | KeyCode::Up => press(Button::VolumeUp, SHORT_NS),
        KeyCode::Char('-' | 'd') | KeyCode::Down => press(Button::VolumeDown, SHORT_NS),
        KeyCode::Char('U') => press(Button::VolumeUp, VOLUME_HELD_NS),
        KeyCode::Char('D') => press(Button::VolumeDown, VOLUME_HELD_NS),
        KeyCode::Char('s') => press(Button::Start, SHORT_NS),
        KeyCode::Char('S') => press(Button::Start, START_HELD_NS + MARGIN_NS),
        KeyCode::Char('x') => press(Button::Stop, SHORT_NS),
        KeyCode::Char('X') => press(Button::Stop, STOP_HELD_NS + MARGIN_NS),
        KeyCode::Char('Z') => press(Button::Start, STUCK_NS + VOLUME_HELD_NS),
        KeyCode::Char('j') => Some(Meaning::TurnJumper),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capital_holds_for_as_long_as_it_takes() {
        let pressed_ns = |letter: char| match meaning(KeyEvent::from(KeyCode::Char(letter))) {
            Some(Meaning::Move(Move::Press { for_ns, .. })) => for_ns,
            other => panic!("{letter}: {other:?}"),
        };
        assert!((START_HELD_NS..STOP_HELD_NS).contains(&pressed_ns('S')));
        assert!((STOP_HELD_NS..STUCK_NS).contains(&pressed_ns('X')));
        assert!(pressed_ns('Z') > STUCK_NS && pressed_ns('s') < START_HELD_NS);
        assert_eq!(meaning(KeyEvent::from(KeyCode::Char('y'))), None);
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(meaning(interrupt), Some(Meaning::Quit));
    }
}
