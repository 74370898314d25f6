//! Where a file's audio begins and ends: the tags that other programs put before and after it are
//! skipped, not read.

use std::io;
use std::ops::Range;

use super::bytes::{Bytes, ReadAt};

/// Bytes of the header, and of the footer, of an ID3v2 tag (id3.org, ID3v2.4.0 structure, 3.1 and
/// 3.4).
const ID3V2_EDGE_BYTES: u64 = 10;

/// Bytes of an ID3v1 tag, and of the "TAG+" block that some programs put before it.
const ID3V1_BYTES: u64 = 128;
const ID3V1_EXTENDED_BYTES: u64 = 227;

/// Bytes of the footer, and of the header, of an APEv2 tag.
const APE_EDGE_BYTES: u64 = 32;

/// The longest Lyrics3 tag of version 1 (id3.org, Lyrics3: 5,100 bytes of text between its two
/// marks).
const LYRICS3_V1_BYTES: u64 = 11 + 5100 + 9;

/// The most tags of a file that are skipped on each side.
const MAX_TAGS: usize = 16;

/// Returns the range in bytes that remains without the tags at both ends.
///
/// # Errors
/// When the file cannot be read.
pub fn audio_range<R: ReadAt>(bytes: &mut Bytes<R>) -> io::Result<Range<u64>> {
    let mut begin = 0;
    for _ in 0..MAX_TAGS {
        match id3v2_bytes(bytes, begin)? {
            Some(length) => begin += length,
            None => break,
        }
    }
    let mut end = bytes.length();
    for _ in 0..MAX_TAGS {
        match trailing_tag_bytes(bytes, end)? {
            Some(length) if end - length >= begin => end -= length,
            _ => break,
        }
    }
    Ok(begin..end)
}

/// Returns the length of an ID3v2 tag at a place. A tag that would not end within the file is not
/// believed.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn id3v2_bytes<R: ReadAt>(bytes: &mut Bytes<R>, offset: u64) -> io::Result<Option<u64>> {
    let length = nanomp3::id3v2_len(bytes.get(offset, ID3V2_EDGE_BYTES as usize)?) as u64;
    Ok((length > 0 && offset + length <= bytes.length()).then_some(length))
}

/// Returns the length of a tag that ends at `end`; `None` in a file that has become shorter since
/// it was opened.
fn trailing_tag_bytes<R: ReadAt>(bytes: &mut Bytes<R>, end: u64) -> io::Result<Option<u64>> {
    let mut before = |count: u64| -> io::Result<Vec<u8>> {
        Ok(match end.checked_sub(count) {
            Some(offset) => match bytes.get(offset, count as usize)? {
                all if all.len() as u64 == count => all.to_vec(),
                _ => Vec::new(),
            },
            None => Vec::new(),
        })
    };
    if before(ID3V1_BYTES)?.starts_with(b"TAG") {
        let extended = before(ID3V1_BYTES + ID3V1_EXTENDED_BYTES)?;
        let extension = if extended.starts_with(b"TAG+") { ID3V1_EXTENDED_BYTES } else { 0 };
        return Ok(Some(ID3V1_BYTES + extension));
    }
    let edge = before(APE_EDGE_BYTES)?;
    if edge.starts_with(b"APETAGEX") {
        return Ok(ape_bytes(&edge).filter(|length| *length <= end));
    }
    let edge = before(15)?;
    if edge.ends_with(b"LYRICS200") {
        let size = edge.get(..6).and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<u64>().ok());
        return Ok(size.map(|size| size + 15).filter(|length| *length <= end));
    }
    if edge.ends_with(b"LYRICSEND") {
        let tag = before(LYRICS3_V1_BYTES.min(end))?;
        let begin = tag.windows(11).rposition(|window| window == b"LYRICSBEGIN");
        return Ok(begin.map(|begin| (tag.len() - begin) as u64));
    }
    let footer = before(ID3V2_EDGE_BYTES)?;
    if footer.starts_with(b"3DI") {
        let size = footer.iter().skip(6).fold(0, |size, byte| size << 7 | u64::from(byte & 0x7F));
        return Ok(Some(size + 2 * ID3V2_EDGE_BYTES).filter(|length| *length <= end));
    }
    Ok(None)
}

/// Returns the length of an APEv2 tag from its footer: its size field counts everything except the
/// header, which may be missing.
fn ape_bytes(footer: &[u8]) -> Option<u64> {
    let size = u64::from(u32::from_le_bytes(*footer.get(12..16)?.first_chunk()?));
    let has_header = footer.get(23)? & 0x80 != 0;
    Some(size.max(APE_EDGE_BYTES) + if has_header { APE_EDGE_BYTES } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id3v2(body: usize) -> Vec<u8> {
        let size = [body >> 21 & 127, body >> 14 & 127, body >> 7 & 127, body & 127].map(|part| part as u8);
        [&b"ID3\x03\0\0"[..], &size, &vec![0xFF; body]].concat()
    }

    fn ape(items: usize, with_header: bool) -> Vec<u8> {
        let edge = |flags: u8| {
            let size = (items as u32 + 32).to_le_bytes();
            [&b"APETAGEX\xD0\x07\0\0"[..], &size, &[1, 0, 0, 0, 0, 0, 0, flags], &[0; 8]].concat()
        };
        let header = if with_header { edge(0xA0) } else { Vec::new() };
        [header, vec![0xFF; items], edge(if with_header { 0x80 } else { 0 })].concat()
    }

    fn id3v1() -> Vec<u8> {
        [&b"TAG"[..], &[b' '; 125]].concat()
    }

    fn lyrics3() -> Vec<u8> {
        let text = [&b"LYRICSBEGININD0000200LYR02000"[..], &[b'x'; 2000]].concat();
        [&text[..], format!("{:06}LYRICS200", text.len()).as_bytes()].concat()
    }

    #[test]
    fn tags_on_both_sides_are_not_audio() {
        let footer = [id3v2(500), [&b"3DI\x04\0\0"[..], &[0, 0, 3, 116]].concat()].concat();
        let lyrics_v1 = [&b"LYRICSBEGIN"[..], &[b'x'; 700], b"LYRICSEND"].concat();
        let before = [vec![], id3v2(300), [id3v2(300), id3v2(70_000)].concat()];
        let behind = [
            vec![],
            id3v1(),
            [&b"TAG+"[..], &[0; 223], &id3v1()].concat(),
            [ape(1000, true), id3v1()].concat(),
            [ape(1000, false), lyrics3(), id3v1()].concat(),
            [lyrics_v1, id3v1()].concat(),
            footer,
            [id3v1(), id3v1()].concat(),
        ];
        for before in &before {
            for behind in &behind {
                let file = [&before[..], &[0xAA; 5000], behind].concat();
                let range = audio_range(&mut Bytes::new(&file[..]).unwrap()).unwrap();
                let expected = before.len() as u64..before.len() as u64 + 5000;
                assert_eq!(range, expected, "{} and {} bytes of tags", before.len(), behind.len());
            }
        }
    }

    /// A file that has become shorter since it was opened.
    struct Shrunk<'a> {
        bytes: &'a [u8],
        length: u64,
    }

    impl ReadAt for Shrunk<'_> {
        fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
            self.bytes.read_at(buffer, offset)
        }

        fn length(&self) -> io::Result<u64> {
            Ok(self.length)
        }
    }

    #[test]
    fn a_file_that_becomes_shorter_while_it_is_read_is_harmless() {
        let footer = [id3v2(500), [&b"3DI\x04\0\0"[..], &[0, 0, 3, 116]].concat()].concat();
        let lyrics_v1 = [&b"LYRICSBEGIN"[..], &[b'x'; 700], b"LYRICSEND"].concat();
        for tag in [id3v1(), [&b"TAG+"[..], &[0; 223], &id3v1()].concat(), ape(100, true), lyrics3(), lyrics_v1, footer]
        {
            let file = [&[0xAA; 1000], &tag[..]].concat();
            for kept in (0..file.len()).rev().take(400) {
                let shrunk = Shrunk { bytes: &file[..kept], length: file.len() as u64 };
                let range = audio_range(&mut Bytes::new(shrunk).unwrap()).unwrap();
                assert!(range.start <= range.end && range.end <= file.len() as u64, "{kept}: {range:?}");
            }
        }
    }

    #[test]
    fn tags_that_cannot_be_true_hide_nothing() {
        for tag in [id3v2(100_000)[..2000].to_vec(), [vec![1; 2000], ape(10, true)].concat()] {
            let mut file = tag;
            if file.ends_with(&[0; 8]) {
                // The size of the APE tag, which would reach beyond the beginning of the file.
                let at = file.len() - 20;
                file[at..at + 4].copy_from_slice(&100_000_u32.to_le_bytes());
            }
            let range = audio_range(&mut Bytes::new(&file[..]).unwrap()).unwrap();
            assert_eq!(range, 0..file.len() as u64);
        }
    }
}
