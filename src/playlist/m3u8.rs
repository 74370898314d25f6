//! Reads the lines of a `.m3u8` or `.m3u` playlist, as bytes: names need not be UTF-8.
//!
//! The contents of a playlist are bounded, so that a damaged or foreign file costs neither memory
//! nor time. The bounds are the same on every box. An entry that exceeds one keeps its slot; a list
//! that exceeds one is refused as a whole, as a truncated list would be a different list.

use encoding_rs::Encoding;

use super::foreign::Format;
use super::text;
use crate::timetable::Length;

/// The largest size of a playlist, in bytes; 50,000 lines of 300 bytes are 15 MB.
pub const MAX_PLAYLIST_BYTES: usize = 16 * 1024 * 1024;

/// The most tracks that a playlist may name; songs of four minutes would then last 138 days.
pub const MAX_ENTRIES: usize = 50_000;

/// The longest entry, in bytes: that of a path on Linux (`PATH_MAX`).
pub const MAX_ENTRY_BYTES: usize = 4096;

/// The longest slot that an `#EXTINF` line may make, in seconds: a day.
pub const MAX_EXTINF_S: f64 = 86_400.0;

/// The most comments that are remembered, to check whether they were meant as names.
const MAX_COMMENTS: usize = 1000;

/// How many bytes of an `#EXTINF` line are read; its title is shown with fewer.
const MAX_EXTINF_BYTES: usize = 4096;

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// What a playlist says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct M3u8 {
    /// The tracks, in order.
    pub entries: Vec<Entry>,
    /// Comments that are not directives (`#EXT...`), with their lines: a file name that begins with
    /// `#` looks like a comment.
    pub comments: Vec<(usize, Vec<u8>)>,
    /// The code page of the names, if an `#EXTENC` line declares it.
    pub encoding: Option<&'static Encoding>,
    /// What was ignored, in words.
    pub warnings: Vec<String>,
}

/// A track as the playlist names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// The path or URL as written, without surrounding white space and byte order marks; at most
    /// its first 4,096 bytes.
    pub location: Vec<u8>,
    /// Whether it was longer, and so cannot be a path.
    pub is_too_long: bool,
    /// What the `#EXTINF` line before it says.
    pub extinf: Option<ExtInf>,
}

/// An `#EXTINF:seconds,title` line.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtInf {
    /// The length in seconds; `None` if it is unknown, which is written as -1.
    pub seconds: Option<f64>,
    /// The title to show, if there is one.
    pub title: Option<String>,
}

impl ExtInf {
    /// Returns the length of a slot for it, at most a day.
    pub fn length(&self) -> Option<Length> {
        self.seconds.map(|seconds| Length::from_seconds(seconds.min(MAX_EXTINF_S)))
    }

    /// Returns whether [`length`](Self::length) is shorter than what was written.
    pub fn is_cut(&self) -> bool {
        self.seconds.is_some_and(|seconds| seconds > MAX_EXTINF_S)
    }
}

/// Why a file is not a playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It contains zero bytes, which no path can.
    #[error("it holds zero bytes: it is damaged, or not a playlist but binary data; copy or export it again")]
    Binary,
    /// It contains nothing else.
    #[error("it holds nothing but zero bytes, as after a power cut; copy it again")]
    Zeros,
    /// It is of another format.
    #[error("{0}")]
    Foreign(Format),
    /// It has too many entries.
    #[error("it names more than {MAX_ENTRIES} tracks; split it into several playlists")]
    TooManyEntries,
    /// It is too large.
    #[error("it is larger than {} MiB, the most a playlist may have", MAX_PLAYLIST_BYTES / (1024 * 1024))]
    TooLarge,
}

/// Reads a playlist: with or without `#EXTM3U`, in UTF-8, a code page or UTF-16, with or without
/// byte order marks, and with any line ends, comments and blank lines.
///
/// # Errors
/// When the bytes cannot be a list of paths at all, or are too long a list.
pub fn parse(bytes: &[u8]) -> Result<M3u8, ParseError> {
    if bytes.len() > MAX_PLAYLIST_BYTES {
        return Err(ParseError::TooLarge);
    }
    let mut list = M3u8::default();
    if let Some(text) = utf16(bytes, &mut list.warnings) {
        parse_lines(text.as_bytes(), &mut list)?;
    } else {
        parse_lines(bytes, &mut list)?;
    }
    Ok(list)
}

/// Returns the text of a file in UTF-16: one with a byte order mark, or one in which every second
/// byte at the beginning is zero.
fn utf16(bytes: &[u8], warnings: &mut Vec<String>) -> Option<String> {
    let (is_big_endian, is_marked) = match *bytes {
        [0xFF, 0xFE, ..] => (false, true),
        [0xFE, 0xFF, ..] => (true, true),
        [a, 0, b, 0, ..] if a != 0 && b != 0 => (false, false),
        [0, a, 0, b, ..] if a != 0 && b != 0 => (true, false),
        _ => return None,
    };
    if !is_marked {
        warnings
            .push("it seems to be UTF-16 without a byte order mark, and is read as such; save it as UTF-8".to_owned());
    }
    // A power cut may leave half a unit.
    let units = bytes.get(..bytes.len() & !1).unwrap_or(bytes);
    let text = if is_big_endian { text::decode_utf16_be(units) } else { text::decode_utf16(units) };
    Some(text.into_owned())
}

fn parse_lines(bytes: &[u8], list: &mut M3u8) -> Result<(), ParseError> {
    let bytes = without_zeros_at_end(bytes, &mut list.warnings)?;
    if let Some(format) = Format::of(trim(bytes)) {
        return Err(ParseError::Foreign(format));
    }
    if bytes.contains(&0) {
        return Err(ParseError::Binary);
    }
    let mut extinf = None;
    let pieces = lines(bytes).zip(1..).flat_map(|(line, number)| pieces(line).map(move |piece| (number, trim(piece))));
    for (line, text) in pieces.filter(|(_, text)| !text.is_empty()) {
        if let Some(rest) = strip_prefix_ignoring_case(text, b"#EXTINF:") {
            extinf = Some(parse_extinf(rest));
        } else if let Some(label) = strip_prefix_ignoring_case(text, b"#EXTENC:") {
            list.encoding = Encoding::for_label(label).or(list.encoding);
        } else if !text.starts_with(b"#") {
            if list.entries.len() == MAX_ENTRIES {
                return Err(ParseError::TooManyEntries);
            }
            let location = text.get(..MAX_ENTRY_BYTES).unwrap_or(text).to_vec();
            let is_too_long = location.len() < text.len();
            list.entries.push(Entry { line, location, is_too_long, extinf: extinf.take() });
        } else if strip_prefix_ignoring_case(text, b"#EXT").is_none()
            && text.len() <= MAX_ENTRY_BYTES
            && list.comments.len() < MAX_COMMENTS
        {
            list.comments.push((line, text.to_vec()));
        }
    }
    Ok(())
}

/// Removes the zeros at the end that a FAT file system shows if a power cut came before the end of
/// a file was written.
fn without_zeros_at_end<'a>(bytes: &'a [u8], warnings: &mut Vec<String>) -> Result<&'a [u8], ParseError> {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let zeros = bytes.len() - end;
    if zeros > 0 && end == 0 {
        return Err(ParseError::Zeros);
    }
    if zeros > 0 {
        warnings.push(format!(
            "{zeros} zero bytes at its end are ignored, as a power cut leaves them; check whether its last tracks are there"
        ));
    }
    Ok(bytes.get(..end).unwrap_or(bytes))
}

/// Splits at `\n`, `\r\n` or `\r`, each of which ends one line.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
            rest = None;
            return Some(bytes);
        };
        let (line, ending) = bytes.split_at(end);
        let ending_length = if ending.starts_with(b"\r\n") { 2 } else { 1 };
        rest = ending.get(ending_length..);
        Some(line)
    })
}

/// Splits a line in which another playlist begins: it was appended to one whose last line had no
/// end.
fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    const BEGINNING: &[u8] = b"\xEF\xBB\xBF#EXT";
    let middle = line.windows(BEGINNING.len()).position(|window| window.eq_ignore_ascii_case(BEGINNING));
    let (first, second) = line.split_at(middle.unwrap_or(line.len()));
    [first, second].into_iter()
}

/// Trims white space and byte order marks on both sides.
fn trim(line: &[u8]) -> &[u8] {
    let mut line = line.trim_ascii();
    while let Some(rest) = line.strip_prefix(MARK).or_else(|| line.strip_suffix(MARK)) {
        line = rest.trim_ascii();
    }
    line
}

fn strip_prefix_ignoring_case<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Reads `seconds[ attributes],title`.
fn parse_extinf(text: &[u8]) -> ExtInf {
    let text = text::decode_cut(text.get(..MAX_EXTINF_BYTES).unwrap_or(text));
    let (head, title) = text.split_once(',').unwrap_or((&text, ""));
    let number = head.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    ExtInf { seconds: number.filter(|seconds| seconds.is_finite() && *seconds >= 0.0), title: text::shown(title) }
}

#[cfg(test)]
mod tests;
