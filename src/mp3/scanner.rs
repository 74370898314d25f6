//! Goes from frame to frame through a file, and finds the next one after anything that is not a
//! frame.
//!
//! What it finds from a frame on does not depend on anything before that frame, so that a file can
//! be entered at any frame that was found on the way from the beginning. This is the one definition
//! of which frames a file has.

use std::io;
use std::ops::RangeInclusive;

use super::bytes::{Bytes, ReadAt};
use super::header::{HEADER_BYTES, Header, MAX_FRAME_BYTES};
use super::tags::id3v2_bytes;

/// How many headers must follow, each at the end of the previous frame, before a frame is believed
/// that does not continue the stream: with fewer, random bytes would look like a frame in every few
/// files of a megabyte.
const FOLLOWERS_OF_A_NEW_STREAM: usize = 3;

/// The same for a frame of the stream's own version, layer and rate.
const FOLLOWERS_IN_THE_STREAM: usize = 1;

/// The same for a stream in free format, whose frame length is only guessed.
const FOLLOWERS_IN_FREE_FORMAT: usize = 8;

/// A stream in free format must begin within this distance: every place takes a search of its own.
const FREE_FORMAT_SEARCH_BYTES: u64 = 64 * 1024;

/// The least main data of a frame in free format, in bytes. With less there would hardly be any
/// sound, and a frame would depend on more frames than are decoded before a place that is joined
/// (`PREROLL_SAMPLES` in reader.rs).
const LEAST_MAIN_DATA_BYTES: usize = 20;

/// How many bytes are searched for a frame at once.
const SEARCH_BYTES: usize = 4096;

/// What all frames of a stream share: the header of one of them, and in free format their length
/// without padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    pub(super) header: Header,
    pub(super) free_format_bytes: usize,
}

impl Stream {
    fn continues_with(&self, header: Header) -> bool {
        self.header.is_compatible(header)
    }

    fn frame_bytes(&self, header: Header) -> usize {
        header.frame_bytes(self.free_format_bytes)
    }

    /// Returns the length of its frames in free format; 0 otherwise.
    pub(super) fn free_format_bytes_in_use(&self) -> usize {
        if self.header.is_free_format() { self.free_format_bytes } else { 0 }
    }

    /// Returns the average bytes of a frame at this bit rate, over frames with padding and without.
    pub(super) fn mean_bytes(&self) -> f64 {
        match self.header.bits_per_s() {
            0 => self.free_format_bytes as f64,
            bits_per_s => self.bytes_at(bits_per_s),
        }
    }

    /// Returns the range of averages that a frame's bytes can have, over all bit rates.
    pub(super) fn possible_mean_bytes(&self) -> RangeInclusive<f64> {
        match self.free_format_bytes {
            0 => {
                let bits_per_s = self.header.possible_bits_per_s();
                self.bytes_at(*bits_per_s.start())..=self.bytes_at(*bits_per_s.end())
            }
            bytes => bytes as f64..=bytes as f64 + 1.0,
        }
    }

    fn bytes_at(&self, bits_per_s: u32) -> f64 {
        self.header.samples() as f64 / 8.0 * f64::from(bits_per_s) / f64::from(self.header.rate_hz())
    }
}

/// A frame that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the file, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: usize,
    /// Its header and, in free format, the stream's frame length.
    pub stream: Stream,
    /// Whether another frame begins before it should end: bytes of it are lost, and it cannot be
    /// decoded.
    pub is_cut: bool,
    /// Bytes from its beginning to that of the next frame, if that is not at its end; 0 otherwise.
    pub stride_over_junk: u64,
}

/// A walk through the frames of a file.
#[derive(Debug, Clone)]
pub struct Scanner {
    position: u64,
    end: u64,
    stream: Option<Stream>,
    is_torn: bool,
    /// Where the walk began: streams in free format begin nearby.
    began: u64,
}

impl Scanner {
    /// Makes a walk through the bytes from `begin` to `end`, about which nothing is known.
    pub fn new(begin: u64, end: u64) -> Self {
        Self { position: begin, end, stream: None, is_torn: false, began: begin }
    }

    /// Makes a walk that continues at a frame that another walk has found.
    pub fn at_frame(offset: u64, stream: Stream, end: u64) -> Self {
        Self { position: offset, end, stream: Some(stream), is_torn: false, began: offset }
    }

    /// Returns whether the file ended within a frame.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// Finds the next frame; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next<R: ReadAt>(&mut self, bytes: &mut Bytes<R>) -> io::Result<Option<Frame>> {
        if self.stream.is_none() {
            match self.search(bytes, self.position)? {
                Some((offset, stream)) => (self.position, self.stream) = (offset, Some(stream)),
                None => {
                    self.position = self.end;
                    return Ok(None);
                }
            }
        }
        let Some(stream) = self.stream else { return Ok(None) };
        let offset = self.position;
        // Every way that leads here has seen a header at this place.
        let Some(header) = self.header_at(bytes, offset)? else { return Ok(None) };
        let stream = Stream { header, ..stream };
        let whole = stream.frame_bytes(header);
        let frame_end = offset + whole as u64;
        let found = |bytes: usize, is_cut, stride_over_junk| {
            Ok(Some(Frame { offset, bytes, stream, is_cut, stride_over_junk }))
        };
        if self.follows(bytes, frame_end, stream)? {
            return found(whole, false, 0);
        }
        // Something is wrong. The next frame may begin before the end of this one, if bytes of it
        // are lost.
        let next = self.search(bytes, offset + HEADER_BYTES as u64)?;
        match next {
            Some((next_offset, next_stream)) => {
                (self.position, self.stream) = (next_offset, Some(next_stream));
                let is_cut = next_offset < frame_end;
                let present = if is_cut { (next_offset - offset) as usize } else { whole };
                found(present, is_cut, next_offset - offset)
            }
            None => {
                self.position = self.end;
                self.stream = None;
                // A last frame that lacks bytes is not counted.
                self.is_torn = frame_end > self.end;
                if self.is_torn { Ok(None) } else { found(whole, false, 0) }
            }
        }
    }

    /// Returns whether the stream continues at the end of a frame, or ends there; takes the walk
    /// there if so. Steps over a tag.
    fn follows<R: ReadAt>(&mut self, bytes: &mut Bytes<R>, frame_end: u64, stream: Stream) -> io::Result<bool> {
        if frame_end == self.end {
            (self.position, self.stream) = (self.end, None);
            return Ok(true);
        }
        let mut next = frame_end;
        while let Some(length) = id3v2_bytes(bytes, next)?.filter(|length| next + length < self.end) {
            next += length;
        }
        let Some(header) = self.header_at(bytes, next)? else { return Ok(false) };
        if stream.continues_with(header) {
            (self.position, self.stream) = (next, Some(stream));
            return Ok(true);
        }
        let begun = Stream { header, free_format_bytes: 0 };
        if !header.is_free_format() && self.is_followed(bytes, next, begun, FOLLOWERS_OF_A_NEW_STREAM)? {
            (self.position, self.stream) = (next, Some(begun));
            return Ok(true);
        }
        Ok(false)
    }

    fn header_at<R: ReadAt>(&self, bytes: &mut Bytes<R>, offset: u64) -> io::Result<Option<Header>> {
        if offset + HEADER_BYTES as u64 > self.end {
            return Ok(None);
        }
        Ok(Header::parse(bytes.get(offset, HEADER_BYTES)?))
    }

    /// Finds a frame that is believed and begins at `from` or later.
    fn search<R: ReadAt>(&self, bytes: &mut Bytes<R>, from: u64) -> io::Result<Option<(u64, Stream)>> {
        let mut at = from;
        while at < self.end {
            if let Some(length) = id3v2_bytes(bytes, at)? {
                at += length;
                continue;
            }
            let looked = bytes.get(at, SEARCH_BYTES)?;
            if looked.is_empty() {
                return Ok(None);
            }
            // The next place that may be a header, or a tag to step over.
            let step =
                looked.iter().skip(1).position(|byte| matches!(byte, 0xFF | b'I')).map_or(looked.len(), |at| at + 1);
            if looked.first() == Some(&0xFF)
                && let Some(stream) = self.believe(bytes, at)?
            {
                return Ok(Some((at, stream)));
            }
            at += step as u64;
        }
        Ok(None)
    }

    /// Returns the stream that a frame at a place belongs to, if there is a frame to believe.
    fn believe<R: ReadAt>(&self, bytes: &mut Bytes<R>, at: u64) -> io::Result<Option<Stream>> {
        let Some(header) = self.header_at(bytes, at)? else { return Ok(None) };
        if let Some(stream) = self.stream.filter(|stream| stream.continues_with(header)) {
            let stream = Stream { header, ..stream };
            return Ok(self.is_followed(bytes, at, stream, FOLLOWERS_IN_THE_STREAM)?.then_some(stream));
        }
        if header.is_free_format() {
            if self.stream.is_some() || at > self.began + FREE_FORMAT_SEARCH_BYTES {
                return Ok(None);
            }
            return self.believe_free_format(bytes, at, header);
        }
        let stream = Stream { header, free_format_bytes: 0 };
        Ok(self.is_followed(bytes, at, stream, FOLLOWERS_OF_A_NEW_STREAM)?.then_some(stream))
    }

    /// Finds the frame length of a stream in free format: the distance to the next matching header,
    /// if more follow at that distance.
    fn believe_free_format<R: ReadAt>(
        &self,
        bytes: &mut Bytes<R>,
        at: u64,
        header: Header,
    ) -> io::Result<Option<Stream>> {
        let near = bytes.get(at, MAX_FRAME_BYTES + HEADER_BYTES)?.to_vec();
        let shortest = HEADER_BYTES + header.side_information_bytes() + LEAST_MAIN_DATA_BYTES;
        for distance in shortest..=MAX_FRAME_BYTES {
            let next = near.get(distance..).and_then(Header::parse);
            if next.is_some_and(|next| header.is_compatible(next)) {
                let stream = Stream { header, free_format_bytes: distance - header.padding_bytes() };
                if self.is_followed(bytes, at, stream, FOLLOWERS_IN_FREE_FORMAT)? {
                    return Ok(Some(stream));
                }
            }
        }
        Ok(None)
    }

    /// Returns whether `wanted` headers of the same stream follow a frame, each at the end of the
    /// previous one. Fewer are enough if the file ends with the last of them; a frame alone is
    /// enough only if there is nothing else.
    fn is_followed<R: ReadAt>(&self, bytes: &mut Bytes<R>, at: u64, stream: Stream, wanted: usize) -> io::Result<bool> {
        let mut next = at + stream.frame_bytes(stream.header) as u64;
        for followers in 0..wanted {
            if next == self.end {
                return Ok(followers > 0 || at == self.began || self.stream.is_some());
            }
            match self.header_at(bytes, next)?.filter(|header| stream.continues_with(*header)) {
                Some(header) => next += stream.frame_bytes(header).max(HEADER_BYTES) as u64,
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}
