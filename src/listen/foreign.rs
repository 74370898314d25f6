//! What a file is that cannot be read as a recording, by its first bytes. Pure.

/// How many of the first bytes are enough.
pub(super) const ENOUGH: usize = 512;

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It holds sound in a format that is not read; what it is, in words.
    Sound(&'static str),
    /// It holds no sound, but this.
    Other(&'static str),
    /// It is an MP4 file, M4A and 3GP among them.
    Mp4,
}

/// Where a file has which bytes, and what it then is.
const MARKS: [(usize, &[u8], Foreign); 14] = [
    (4, b"ftyp", Foreign::Mp4),
    // RFC 4867, section 5.
    (0, b"#!AMR", Foreign::Sound("an AMR file")),
    // RFC 8794, section 11.2.1.
    (0, &[0x1a, 0x45, 0xdf, 0xa3], Foreign::Sound("a WebM or Matroska file")),
    // The GUID of an ASF header.
    (0, &[0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11], Foreign::Sound("a Windows Media file")),
    (8, b"AVI ", Foreign::Sound("an AVI film")),
    (0, b"FLV", Foreign::Sound("a Flash film")),
    // ATSC A/52, section 5.4.1.
    (0, &[0x0b, 0x77], Foreign::Sound("an AC-3 file")),
    (0, &[0x89, b'P', b'N', b'G'], Foreign::Other("a picture")),
    (0, &[0xff, 0xd8, 0xff], Foreign::Other("a picture")),
    (0, b"GIF8", Foreign::Other("a picture")),
    (0, b"%PDF", Foreign::Other("a PDF")),
    (0, b"PK\x03\x04", Foreign::Other("a ZIP archive")),
    (0, &[0x1f, 0x8b], Foreign::Other("a compressed archive")),
    (0, &[0x7f, b'E', b'L', b'F'], Foreign::Other("a program")),
];

/// Returns what a file is that begins with these bytes, if that is known.
pub(super) fn kind(first: &[u8]) -> Option<Foreign> {
    let has = |at: usize, mark: &[u8]| first.get(at..).is_some_and(|rest| rest.starts_with(mark));
    let marked = MARKS.iter().find(|(at, mark, _)| has(*at, mark)).map(|(.., kind)| *kind);
    marked.or_else(|| is_text(first).then_some(Foreign::Other("text")))
}

/// Returns whether bytes are text; the last character may be cut off.
fn is_text(first: &[u8]) -> bool {
    let (text, is_whole) = match std::str::from_utf8(first) {
        Ok(text) => (text, true),
        Err(error) => {
            let text = std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default();
            (text, error.error_len().is_none())
        }
    };
    is_whole && !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        assert_eq!(kind(b"\0\0\0\x20ftypM4A \0"), Some(Foreign::Mp4));
        assert_eq!(kind(b"#!AMR-WB\n\x04"), Some(Foreign::Sound("an AMR file")));
        assert_eq!(kind(b"RIFF\x10\0\0\0AVI LIST"), Some(Foreign::Sound("an AVI film")));
        assert_eq!(kind(b"\x89PNG\r\n\x1a\n"), Some(Foreign::Other("a picture")));
        assert_eq!(kind("# Notes\nüber".as_bytes()), Some(Foreign::Other("text")));
        assert_eq!(kind(&"über".as_bytes()[..1]), None);
        assert_eq!(kind(&"grün".as_bytes()[..3]), Some(Foreign::Other("text")));
        for unknown in [&b""[..], b"\0\0\0", b"RIFF\x10\0\0\0WAVE", &[7, 200, 31, 0]] {
            assert_eq!(kind(unknown), None, "{unknown:?}");
        }
    }
}
