//! Title and artist of an MP3 file, from ID3v2 or ID3v1: read with bounded memory and time,
//! whatever the file claims. Frames that are not needed, such as pictures, are skipped without
//! being read. Lengths are not read here: they come from the frames.

mod frames;
mod layout;

use std::fs::File;
use std::io;
use std::path::Path;

use self::frames::{Texts, read_frames};
use super::reading::read_up_to;
use super::text::{decode_cut, decode_utf16, decode_utf16_be, shown};
use crate::panics;

/// Size of an ID3v1 tag, which is at the end of its file.
const ID3V1_BYTES: u64 = 128;

/// Reads title and artist. Anything damaged counts as missing. A fault here or in a library costs
/// this file's tags and nothing else; it is logged with the file's name.
///
/// `first` is the beginning of the file, which has already been read.
pub(super) fn read_tags(path: &Path, file: &File, first: &[u8]) -> (Option<String>, Option<String>) {
    guarded(path, || read_all(&Source { file, first }))
}

fn guarded(path: &Path, read: impl FnOnce() -> Tags) -> (Option<String>, Option<String>) {
    let tags = panics::catch(read).unwrap_or_else(|panic| {
        log::warn!(
            "the tags of {} cannot be read, because of a bug in this program ({panic}); its file name is shown instead",
            path.display()
        );
        Tags::default()
    });
    (tags.title, tags.artist)
}

/// What the tags say, fit to be shown.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Tags {
    title: Option<String>,
    artist: Option<String>,
}

fn read_all(source: &Source<'_>) -> Tags {
    let Texts { title, artist } = read_frames(source);
    let mut tags =
        Tags { title: title.and_then(|text| text_of(&text)), artist: artist.and_then(|text| text_of(&text)) };
    if tags.title.is_none() || tags.artist.is_none() {
        let old = read_id3v1(source);
        tags = Tags { title: tags.title.or(old.title), artist: tags.artist.or(old.artist) };
    }
    tags
}

/// Decodes the content of a text frame: a byte for the encoding, and one or more texts separated by
/// zeros.
fn text_of(content: &[u8]) -> Option<String> {
    let (&encoding, text) = content.split_first()?;
    let text = match encoding {
        1 => decode_utf16(text),
        2 => decode_utf16_be(text),
        // The standard says Latin-1 and UTF-8; many programs write their own code page, or UTF-8,
        // in place of the former.
        0 | 3 => decode_cut(text),
        // The writer left the byte out.
        _ => decode_cut(content),
    };
    let texts: Vec<String> = text.split('\0').filter_map(shown).collect();
    shown(&texts.join(" / "))
}

fn read_id3v1(source: &Source<'_>) -> Tags {
    let mut tag = [0; ID3V1_BYTES as usize];
    let Some(offset) = source.size().and_then(|size| size.checked_sub(ID3V1_BYTES)) else { return Tags::default() };
    match source.read_at(offset, &mut tag) {
        Ok(read) if read == tag.len() && tag.starts_with(b"TAG") => {}
        _ => return Tags::default(),
    }
    // Thirty bytes each, filled with zeros or spaces.
    let field = |from: usize| {
        let field = tag.get(from..from + 30)?;
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
        shown(&decode_cut(field.get(..end)?))
    };
    Tags { title: field(3), artist: field(33) }
}

/// An MP3 file whose beginning is in memory.
struct Source<'a> {
    file: &'a File,
    first: &'a [u8],
}

impl Source<'_> {
    fn size(&self) -> Option<u64> {
        Some(self.file.metadata().ok()?.len())
    }

    /// Reads as much as there is. Returns how many bytes that was.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let in_memory = usize::try_from(offset).ok().and_then(|offset| self.first.get(offset..)).unwrap_or_default();
        if let Some(bytes) = in_memory.get(..buffer.len()) {
            buffer.copy_from_slice(bytes);
            return Ok(buffer.len());
        }
        read_up_to(self.file, offset, buffer)
    }
}

#[cfg(test)]
mod tests;
