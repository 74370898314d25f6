//! Walks the frames of an ID3v2 tag from header to header, and extracts the few texts that are
//! needed.

use std::io::{self, BufReader, Read};

use flate2::read::ZlibDecoder;

use super::Source;
use super::layout::{FrameHeader, Kind, TagHeader, Version, Wrapping, is_id};

/// How many bytes of a text count; the rest would not be shown.
const MAX_TEXT_BYTES: usize = 4096;

/// How many bytes of a frame with a text are read, before it is unpacked.
const MAX_FRAME_BYTES: u64 = 16 * 1024;

/// The most frames of a tag that are read: real tags have a few dozen.
const MAX_FRAMES: usize = 1000;

/// In a tag that is unsynchronised as a whole, anything skipped must be read; texts after more than
/// this are not found. An SD card reads it in 0.2 s.
const MAX_UNSYNCHRONISED_BYTES: u64 = 4 * 1024 * 1024;

/// The contents of the frames that are needed, unpacked, at most [`MAX_TEXT_BYTES`] each.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub title: Option<Vec<u8>>,
    pub artist: Option<Vec<u8>>,
}

/// Reads the texts of the tag at the beginning of a file, as far as it can be understood.
pub(super) fn read_frames(source: &Source<'_>) -> Texts {
    let mut texts = Texts::default();
    let mut header = [0; TagHeader::BYTES];
    let Ok(TagHeader::BYTES) = source.read_at(0, &mut header) else { return texts };
    let Some(header) = TagHeader::parse(&header) else { return texts };
    let begin = TagHeader::BYTES as u64;
    let plain = Plain { source, position: begin, end: begin + header.size };
    // If reading ends early, what was found by then counts.
    let _ = if header.is_unsynchronised && header.version != Version::V24 {
        let bytes = BufReader::new(plain.take(MAX_UNSYNCHRONISED_BYTES));
        walk(&mut Unsynchronised { bytes, after_ff: false }, header, &mut texts)
    } else {
        walk(&mut { plain }, header, &mut texts)
    };
    texts
}

/// The bytes of a tag after its header.
trait Body: Read {
    fn skip(&mut self, bytes: u64) -> io::Result<()>;

    /// Returns the four bytes at this distance from here, if they can be read.
    fn peek(&self, ahead: u64) -> Option<[u8; 4]>;
}

fn walk(body: &mut impl Body, tag: TagHeader, texts: &mut Texts) -> io::Result<()> {
    if tag.has_extended_header {
        let mut size = [0; 4];
        body.read_exact(&mut size)?;
        body.skip(tag.version.extended_header_rest(size))?;
    }
    for _ in 0..MAX_FRAMES {
        let mut header = [0; 10];
        body.read_exact(header.get_mut(..tag.version.header_bytes()).unwrap_or_default())?;
        let Some(frame) = FrameHeader::parse(tag.version, header) else { break };
        let size = size_of(&frame, body);
        let wanted = match frame.kind {
            Kind::Title => &mut texts.title,
            Kind::Artist => &mut texts.artist,
            Kind::Other => {
                body.skip(size)?;
                continue;
            }
        };
        let mut content = Vec::new();
        body.take(size.min(MAX_FRAME_BYTES)).read_to_end(&mut content)?;
        if wanted.is_none() {
            let mut wrapping = frame.wrapping;
            wrapping.is_unsynchronised |= tag.is_unsynchronised && tag.version == Version::V24;
            *wanted = unwrap(content, wrapping);
        }
        if texts.title.is_some() && texts.artist.is_some() {
            break;
        }
        body.skip(size.saturating_sub(MAX_FRAME_BYTES))?;
    }
    Ok(())
}

/// Returns the size of a frame's content. If the two ways to read it differ, the one after which
/// another frame begins is right.
fn size_of(frame: &FrameHeader, body: &impl Body) -> u64 {
    let fits = |size: u64| body.peek(size).is_some_and(|next| is_id(&next));
    if frame.size != frame.plain_size && !fits(frame.size) && fits(frame.plain_size) {
        return frame.plain_size;
    }
    frame.size
}

/// Removes a frame's wrapping, as far as a text needs it.
fn unwrap(content: Vec<u8>, wrapping: Wrapping) -> Option<Vec<u8>> {
    let mut content = content;
    if wrapping.is_encrypted || content.len() < wrapping.prefix_bytes {
        return None;
    }
    content.drain(..wrapping.prefix_bytes);
    let mut text = Vec::new();
    let limit = MAX_TEXT_BYTES as u64;
    // If the end is damaged, the beginning remains.
    let _ = match (wrapping.is_unsynchronised, wrapping.is_compressed) {
        (false, false) => content.take(limit).read_to_end(&mut text),
        (false, true) => ZlibDecoder::new(&*content).take(limit).read_to_end(&mut text),
        (true, is_compressed) => {
            let plain = Unsynchronised { bytes: &*content, after_ff: false };
            match is_compressed {
                false => plain.take(limit).read_to_end(&mut text),
                true => ZlibDecoder::new(plain).take(limit).read_to_end(&mut text),
            }
        }
    };
    Some(text)
}

/// A tag as it lies in the file; skipping costs nothing.
struct Plain<'a> {
    source: &'a Source<'a>,
    position: u64,
    end: u64,
}

impl Read for Plain<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.position);
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.source.read_at(self.position, buffer.get_mut(..length).unwrap_or_default())?;
        self.position += read as u64;
        Ok(read)
    }
}

impl Body for Plain<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.position = self.position.saturating_add(bytes);
        Ok(())
    }

    fn peek(&self, ahead: u64) -> Option<[u8; 4]> {
        let position = self.position.checked_add(ahead)?;
        let mut next = [0; 4];
        let read = self.source.read_at(position, &mut next).ok()?;
        (position < self.end && read == next.len()).then_some(next)
    }
}

/// Removes the zeros that were inserted after every 0xFF byte so that nothing looked like MPEG
/// audio.
struct Unsynchronised<R> {
    bytes: R,
    after_ff: bool,
}

impl<R: Read> Read for Unsynchronised<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.bytes.read(buffer)?;
            let mut kept = 0;
            for place in 0..read {
                let Some(&byte) = buffer.get(place) else { break };
                let is_put_in = self.after_ff && byte == 0;
                self.after_ff = byte == 0xFF;
                if let Some(slot) = buffer.get_mut(kept).filter(|_| !is_put_in) {
                    *slot = byte;
                    kept += 1;
                }
            }
            // Returning 0 bytes would mean the end.
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

impl<R: Read> Body for Unsynchronised<R> {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        io::copy(&mut self.take(bytes), &mut io::sink()).map(drop)
    }

    fn peek(&self, _: u64) -> Option<[u8; 4]> {
        None
    }
}
