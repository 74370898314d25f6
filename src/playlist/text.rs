//! Text from files made elsewhere: code pages, and the part of it that is fit to be shown.

use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

/// The most characters that are shown of a title, artist or entry: more than fit on a line
/// anywhere.
const MAX_SHOWN_CHARS: usize = 200;

/// Decodes text of unknown encoding: as UTF-8 if it is valid, and otherwise as Windows-1252, which
/// contains Latin-1. Every byte stands for a character, so that different bytes remain different
/// text.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// Decodes text that may have been cut in the middle of a character, as [`decode`] does otherwise.
pub(super) fn decode_cut(bytes: &[u8]) -> Cow<'_, str> {
    let Err(error) = std::str::from_utf8(bytes) else { return decode(bytes) };
    let whole = bytes.get(..error.valid_up_to()).unwrap_or_default();
    // A single last letter, as in Latin-1 `Café`, is not a sign of UTF-8.
    if error.error_len().is_none() && !whole.is_ascii() { decode(whole) } else { decode(bytes) }
}

/// Decodes UTF-16 in the order of its byte order mark, which is left out; without one, as
/// little-endian.
pub(super) fn decode_utf16(bytes: &[u8]) -> Cow<'_, str> {
    UTF_16LE.decode(bytes).0
}

/// Decodes UTF-16 in big-endian order.
pub(super) fn decode_utf16_be(bytes: &[u8]) -> Cow<'_, str> {
    UTF_16BE.decode(bytes).0
}

/// Makes text from a file fit for one line on a terminal: without control characters and
/// surrounding white space, and cut to [`MAX_SHOWN_CHARS`]. Returns `None` if nothing is left.
pub(super) fn shown(text: &str) -> Option<String> {
    let mut letters = text.chars().filter(|&letter| !upsets_a_line(letter));
    let shown: String = letters.by_ref().skip_while(|letter| letter.is_whitespace()).take(MAX_SHOWN_CHARS).collect();
    let shown = shown.trim_end();
    if letters.any(|letter| !letter.is_whitespace()) {
        return Some(format!("{shown}…"));
    }
    (!shown.is_empty()).then(|| shown.to_owned())
}

/// Returns whether a character would disturb a line: control characters, marks that change the
/// direction of the rest of the line, and byte order marks.
fn upsets_a_line(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Returns a path fit to be shown.
pub(super) fn shown_path(path: &Path) -> String {
    shown(&decode(path.as_os_str().as_bytes())).unwrap_or_default()
}

/// Writes bytes as readable text from which they can be recovered: bytes that are not UTF-8,
/// control characters, and the percent sign itself become `%XX`.
pub(super) fn bytes_to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter == '%' || letter.is_ascii_control() {
                text.push_str(&format!("%{:02X}", letter as u32));
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// Recovers the bytes from the text of [`bytes_to_text`].
pub(super) fn text_to_bytes(text: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(text).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_of_any_bytes_come_back(bytes: Vec<u8>) {
            prop_assert_eq!(text_to_bytes(&bytes_to_text(&bytes)), bytes);
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "é".repeat(1000);
        assert_eq!(shown(&long), Some("é".repeat(MAX_SHOWN_CHARS) + "…"));
        let just = "é".repeat(MAX_SHOWN_CHARS);
        assert_eq!(shown(&format!("  {just}  ")), Some(just));
    }

    #[test]
    fn nothing_that_disturbs_a_terminal_is_shown() {
        assert_eq!(shown("\u{1b}[2Jno\u{202e}ise\u{0}\u{7}\n").as_deref(), Some("[2Jnoise"));
        assert_eq!(shown(" \u{1b}\u{feff} "), None);
    }

    #[test]
    fn windows_1252_is_more_than_latin_1() {
        assert_eq!(decode(b"Don\x92t \x96 \x80 5 \x8C\x9F"), "Don’t – € 5 ŒŸ");
        assert_eq!(decode("déjà".as_bytes()), "déjà");
    }

    #[test]
    fn text_cut_in_the_middle_of_a_character_loses_that_one() {
        assert_eq!(decode_cut("déjà".as_bytes().split_last().unwrap().1), "déj");
        assert_eq!(decode_cut(b"Caf\xE9"), "Café");
        assert_eq!(decode_cut("déjà".as_bytes()), "déjà");
    }

    proptest! {
        #[test]
        fn different_bytes_of_a_code_page_are_different_text(a: Vec<u8>, b: Vec<u8>) {
            let is_utf8 = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
            prop_assume!(a != b && !is_utf8(&a) && !is_utf8(&b));
            prop_assert_ne!(decode(&a), decode(&b));
        }

        #[test]
        fn shown_text_is_short_and_shown_as_it_is(text: String) {
            if let Some(short) = shown(&text) {
                prop_assert!(short.chars().count() <= MAX_SHOWN_CHARS + 1);
                prop_assert_eq!(shown(&short), Some(short.clone()));
            }
        }
    }
}
