//! Repairs TOML with damaged lines: reports them and blanks them out, so that the rest can be read.

use std::ops::Range;

use toml::de::{DeTable, Error};

/// After this many errors the rest of the file is not worth reading.
const MAX_ERRORS: usize = 20;

/// A line that is not TOML, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// The line, from 1.
    pub line: usize,
    pub message: String,
}

/// Returns the text with every damaged line blanked: it parses, and all offsets in it stay the
/// same.
pub(super) fn repair(text: &str) -> (String, Vec<Damage>) {
    let mut text = text.to_owned();
    let mut damages = Vec::new();
    while let Some((at, message)) = first_error(&text) {
        damages.push(Damage { line: line_of(&text, at), message });
        let whole_line = line_around(&text, at);
        text = if damages.len() < MAX_ERRORS && !text[whole_line.clone()].trim().is_empty() {
            // An array or text that is not closed causes an error in a later line. The line to
            // blank is the one without which more of the file can be read.
            let here = blank(&text, whole_line.clone());
            let before = key_line_before(&text, whole_line.start).map(|line| blank(&text, line));
            let reach = |text: &str| first_error(text).map_or(usize::MAX, |(at, _)| at);
            match before {
                Some(before) if reach(&before) > reach(&here) => before,
                _ => here,
            }
        } else {
            // An error at the very end, or too many of them: the lines before the last key stay.
            match key_line_before(&text, whole_line.start) {
                Some(line) => blank_range(&text, line.start..text.len()),
                None => blank_range(&text, 0..text.len()),
            }
        };
    }
    (text, damages)
}

/// Returns the line, from 1, that contains a byte.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

fn first_error(text: &str) -> Option<(usize, String)> {
    let error: Error = DeTable::parse(text).err()?;
    let at = error.span().map_or(text.len(), |span| span.start);
    Some((at.min(text.len()), error.message().to_owned()))
}

fn line_around(text: &str, at: usize) -> Range<usize> {
    let start = text.as_bytes()[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let end = text.as_bytes()[at..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |newline| at + newline);
    start..end
}

fn key_line_before(text: &str, mut start: usize) -> Option<Range<usize>> {
    while start > 0 {
        let line = line_around(text, start - 1);
        if is_header(&text[line.clone()]) || text[line.clone()].contains('=') {
            return Some(line);
        }
        start = line.start;
    }
    None
}

fn is_header(line: &str) -> bool {
    line.trim_start_matches('\u{feff}').trim_start().starts_with('[')
}

/// Blanks a line. With a section's header the whole section goes, as its keys would otherwise fall
/// to the section above.
fn blank(text: &str, line: Range<usize>) -> String {
    if !is_header(&text[line.clone()]) {
        return blank_range(text, line);
    }
    let mut end = line.end;
    while end < text.len() {
        let next = line_around(text, end + 1);
        if is_header(&text[next.clone()]) {
            break;
        }
        end = next.end;
    }
    blank_range(text, line.start..end)
}

/// Replaces everything except newlines by spaces, so that bytes keep their offsets.
fn blank_range(text: &str, range: Range<usize>) -> String {
    let blanked: String = text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    [&text[..range.start], &blanked, &text[range.end..]].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn remaining(text: &str) -> (String, Vec<usize>) {
        let (text, damages) = repair(text);
        let lines = text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("|");
        (lines, damages.iter().map(|damage| damage.line).collect())
    }

    #[test]
    fn a_bad_line_is_blanked_and_the_others_stay() {
        assert_eq!(remaining("a = 1\nb = yes\nc = 3\n"), ("a = 1|c = 3".to_owned(), vec![2]));
        assert_eq!(remaining("a = 1\nb\nc = \"x\nd = 4"), ("a = 1|d = 4".to_owned(), vec![2, 3]));
        assert_eq!(remaining("a = 1\na = 2\n"), ("a = 1".to_owned(), vec![2]));
    }

    #[test]
    fn an_unclosed_array_takes_no_other_key_with_it() {
        assert_eq!(remaining("a = 1\nb = [1,\nc = 3\nd = 4\n").0, "a = 1|c = 3|d = 4");
    }

    #[test]
    fn keys_under_a_bad_header_do_not_fall_to_the_section_above() {
        assert_eq!(remaining("[v]\na = 1\n[w\na = 2\n[x]\na = 3\n"), ("[v]|a = 1|[x]|a = 3".to_owned(), vec![3]));
    }

    #[test]
    fn a_text_without_an_end_leaves_what_is_before_it() {
        assert!(remaining("a = 1\nb = \"\"\"x\n").0.contains("a = 1"));
    }

    proptest! {
        #[test]
        fn any_text_parses_after_repair_and_keeps_its_offsets(text in "(?s)([a-c\\[\\]={}\"'# .,\n0-9é]|\"\"\"|\r\n){0,120}") {
            let (repaired, damages) = repair(&text);
            prop_assert!(DeTable::parse(&repaired).is_ok());
            prop_assert_eq!(repaired.len(), text.len());
            prop_assert_eq!(repaired == text, damages.is_empty());
        }
    }
}
