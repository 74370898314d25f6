//! Reads the lines of a `.m3u8` playlist, as bytes: names need not be UTF-8.

/// A track as the playlist names it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Line of the file, from 1.
    pub line: usize,
    /// The path or URL as written, without surrounding white space.
    pub location: Vec<u8>,
    /// What the `#EXTINF` line before it said.
    pub extinf: Option<ExtInf>,
}

/// An `#EXTINF:seconds,title` line.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtInf {
    /// The length; none where it is unknown, which is written as -1.
    pub seconds: Option<f64>,
    /// The title to show, if there is one.
    pub title: Option<String>,
}

/// Why a file is no playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It is UTF-16, as some editors write.
    #[error("it is UTF-16 text; save it as UTF-8")]
    Utf16,
    /// It holds zero bytes, which no path can.
    #[error("it is not a playlist but binary data")]
    Binary,
}

/// Reads a playlist: with or without `#EXTM3U`, byte order mark, any line ends, comments and blank lines.
///
/// # Errors
/// When the bytes cannot be a list of paths at all.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>, ParseError> {
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(ParseError::Utf16);
    }
    if bytes.contains(&0) {
        return Err(ParseError::Binary);
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut entries = Vec::new();
    let mut extinf = None;
    for (number, line) in lines(bytes).enumerate() {
        let line = line.trim_ascii();
        if let Some(rest) = strip_prefix_ignoring_case(line, b"#EXTINF:") {
            extinf = Some(parse_extinf(rest));
        } else if !line.is_empty() && !line.starts_with(b"#") {
            entries.push(Entry { line: number + 1, location: line.to_vec(), extinf: extinf.take() });
        }
    }
    Ok(entries)
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

fn strip_prefix_ignoring_case<'a>(line: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = line.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Reads `seconds[ attributes],title`.
fn parse_extinf(text: &[u8]) -> ExtInf {
    let text = String::from_utf8_lossy(text);
    let (head, title) = text.split_once(',').unwrap_or((&text, ""));
    let number = head.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
    let title = title.trim();
    ExtInf {
        seconds: number.filter(|seconds| seconds.is_finite() && *seconds >= 0.0),
        title: (!title.is_empty()).then(|| title.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn locations(bytes: &[u8]) -> Vec<(usize, String)> {
        let entries = parse(bytes).unwrap();
        entries.iter().map(|entry| (entry.line, String::from_utf8_lossy(&entry.location).into_owned())).collect()
    }

    #[test]
    fn all_line_ends_count_the_same_lines() {
        let expected = vec![(2, "a.mp3".to_owned()), (5, "b.mp3".to_owned())];
        for ending in ["\n", "\r\n", "\r"] {
            let text = ["#EXTM3U", "a.mp3", "", "# a comment", " b.mp3 "].join(ending);
            assert_eq!(locations(text.as_bytes()), expected, "{ending:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_a_name() {
        assert_eq!(locations(b"\xEF\xBB\xBFa.mp3\n"), [(1, "a.mp3".to_owned())]);
        assert_eq!(parse(b"\xFF\xFEa\0"), Err(ParseError::Utf16));
        assert_eq!(parse(b"a\0b"), Err(ParseError::Binary));
    }

    #[test]
    fn extinf_belongs_to_the_next_entry_only() {
        let text =
            b"#EXTINF:123,Artist - Title\n#EXTGRP:x\na.mp3\nb.mp3\n#EXTINF:-1 tvg-id=\"x\",C\nc.mp3\n#extinf:x\nd.mp3";
        let entries = parse(text).unwrap();
        let extinf = |index: usize| entries[index].extinf.clone();
        assert_eq!(extinf(0), Some(ExtInf { seconds: Some(123.0), title: Some("Artist - Title".to_owned()) }));
        assert_eq!(extinf(1), None);
        assert_eq!(extinf(2), Some(ExtInf { seconds: None, title: Some("C".to_owned()) }));
        assert_eq!(extinf(3), Some(ExtInf { seconds: None, title: None }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            if let Ok(entries) = parse(&bytes) {
                prop_assert!(entries.iter().all(|entry| !entry.location.is_empty()));
                prop_assert!(entries.is_sorted_by_key(|entry| entry.line));
            }
        }
    }
}
