//! The keys of the panel: the bytes that a terminal sends for them, and what they do. Pure.

use jaudiosync_hw::buttons::Button;
use jaudiosync_time::Span;

use crate::appliance::{START_HELD, STOP_HELD, STUCK};
use crate::cli::run::scripted_input::{Move, SHORT};

/// How much longer than necessary a long press lasts.
const MARGIN: Span = Span::from_ms(200);
/// How long U and D hold a volume button: some ten steps.
const VOLUME_HELD: Span = Span::from_seconds(2);

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyAction {
    /// A step of scripted input.
    Move(Move),
    /// Fit the jumper, or remove it if it is fitted.
    TurnJumper,
    /// End the panel.
    Quit,
}

/// The keys in words, for the panel's last lines.
pub(super) const HELP: [&str; 2] = [
    "s Start   x Stop   + - volume   j jumper   q quit        (capitals hold: terminals report no releases)",
    "S Start held 2 s   X Stop held 5 s   U D volume held   Z Start stuck for 12 s",
];

/// A key that the panel knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// A printable character of ASCII.
    Char(char),
    Escape,
    Up,
    Down,
    /// Ctrl-C, which in raw mode is a byte like any other.
    Interrupt,
}

/// Finds keys in bytes. Those of one key may come one by one; unknown sequences are skipped.
///
/// The arrows are CSI or SS3 sequences (ECMA-48 5.4; xterm's ctlseqs, "PC-Style Function Keys").
#[derive(Debug, Default)]
pub(super) struct KeyReader {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After ESC [, within parameters.
    Sequence,
    /// After ESC O.
    SingleShift,
}

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;

impl KeyReader {
    /// Returns the keys that these bytes complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        bytes.iter().filter_map(|byte| self.byte(*byte)).collect()
    }

    /// Ends a sequence that no byte has followed for a while: a lone ESC was the key itself,
    /// anything else is dropped.
    pub(super) fn idle(&mut self) -> Option<Key> {
        (std::mem::take(&mut self.state) == State::Escape).then_some(Key::Escape)
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        let (state, key) = match (self.state, byte) {
            (State::Escape, ESC) => (State::Escape, Some(Key::Escape)),
            (_, ESC) => (State::Escape, None),
            (_, CTRL_C) => (State::Ground, Some(Key::Interrupt)),
            (State::Ground, b' '..=b'~') => (State::Ground, Some(Key::Char(char::from(byte)))),
            (State::Escape, b'[') => (State::Sequence, None),
            (State::Escape, b'O') => (State::SingleShift, None),
            (State::Sequence, b' '..=b'?') => (State::Sequence, None),
            (State::Sequence | State::SingleShift, b'A') => (State::Ground, Some(Key::Up)),
            (State::Sequence | State::SingleShift, b'B') => (State::Ground, Some(Key::Down)),
            _ => (State::Ground, None),
        };
        self.state = state;
        key
    }
}

/// Returns what a key does, if anything.
pub(super) fn meaning(key: Key) -> Option<KeyAction> {
    let press = |button, lasts| Some(KeyAction::Move(Move::Press { button, lasts }));
    match key {
        Key::Char('q') | Key::Escape | Key::Interrupt => Some(KeyAction::Quit),
        Key::Char('+' | 'u') | Key::Up => press(Button::VolumeUp, SHORT),
        Key::Char('-' | 'd') | Key::Down => press(Button::VolumeDown, SHORT),
        Key::Char('U') => press(Button::VolumeUp, VOLUME_HELD),
        Key::Char('D') => press(Button::VolumeDown, VOLUME_HELD),
        Key::Char('s') => press(Button::Start, SHORT),
        Key::Char('S') => press(Button::Start, START_HELD + MARGIN),
        Key::Char('x') => press(Button::Stop, SHORT),
        Key::Char('X') => press(Button::Stop, STOP_HELD + MARGIN),
        Key::Char('Z') => press(Button::Start, STUCK + VOLUME_HELD),
        Key::Char('j') => Some(KeyAction::TurnJumper),
        Key::Char(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn a_capital_holds_long_enough() {
        let held = |letter: char| match meaning(Key::Char(letter)) {
            Some(KeyAction::Move(Move::Press { lasts, .. })) => lasts,
            other => panic!("{letter}: {other:?}"),
        };
        assert!((START_HELD..STOP_HELD).contains(&held('S')));
        assert!((STOP_HELD..STUCK).contains(&held('X')));
        assert!(held('Z') > STUCK && held('s') < START_HELD);
        assert_eq!(meaning(Key::Char('y')), None);
        assert_eq!(meaning(Key::Interrupt), Some(KeyAction::Quit));
    }

    #[test]
    fn keys_are_known_by_their_bytes_and_escape_by_the_silence_after_it() {
        let keys = |bytes: &[u8]| KeyReader::default().take(bytes);
        assert_eq!(keys(b"s+\x03"), [Key::Char('s'), Key::Char('+'), Key::Interrupt]);
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[1;2A"), [Key::Up, Key::Down, Key::Up]);
        // F5, Delete, a mouse, Alt-q and umlauts are no keys here; the j that follows is one.
        assert_eq!(keys(b"\x1b[15~\x1b[3~\x1b[<0;1;1M\x1bq\xc3\xa4j"), [Key::Char('j')]);
        let mut reader = KeyReader::default();
        assert_eq!((reader.take(b"\x1b"), reader.idle(), reader.idle()), (vec![], Some(Key::Escape), None));
        assert_eq!((reader.take(b"\x1b["), reader.idle(), reader.take(b"A")), (vec![], None, vec![Key::Char('A')]));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_are_split(bytes: Vec<u8>, cut in 0..64_usize) {
            let whole = KeyReader::default().take(&bytes);
            let mut reader = KeyReader::default();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let parts = [reader.take(first), reader.take(second)].concat();
            prop_assert_eq!(parts, whole);
        }
    }
}
