//! Counts samples from frame to frame: the one definition of where in the sound a frame is.

use std::io;

use super::bytes::{Bytes, ReadAt};
use super::head::{Gap, Head};
use super::header::{HEADER_BYTES, Header};
use super::scanner::{Frame, Scanner, Stream};

/// A frame at its place in the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Samples per channel of all frames before it, each at its own rate.
    pub first_sample: u64,
    /// The frame in the file; `None` for one that was overwritten without trace.
    pub frame: Option<Frame>,
    /// Its header, or that of the frame before.
    pub header: Header,
}

impl Placed {
    /// Returns the first sample after it.
    pub fn end_sample(&self) -> u64 {
        self.first_sample + self.header.samples() as u64
    }
}

/// How many frames after a gap are measured, to learn how long such frames are.
const LIKE_THOSE_BEHIND: usize = 64;

/// A walk through the frames of a file, from the first or from any that another walk has found.
#[derive(Debug, Clone)]
pub struct Walk {
    scanner: Scanner,
    gap: Option<Gap>,
    next_sample: u64,
    /// Overwritten frames still to be counted before the next existing one, and a header like
    /// theirs.
    missing: u64,
    missing_header: Option<Header>,
}

impl Walk {
    /// Makes a walk from the first frame with sound.
    pub fn from_start(head: &Head) -> Self {
        Self { scanner: head.scanner.clone(), gap: head.gap(), next_sample: 0, missing: 0, missing_header: None }
    }

    /// Makes a walk from a frame whose place is known.
    pub fn from_frame(head: &Head, offset: u64, stream: Stream, first_sample: u64) -> Self {
        let scanner = Scanner::at_frame(offset, stream, head.audio.end);
        Self { scanner, next_sample: first_sample, ..Self::from_start(head) }
    }

    /// Returns the samples before the next frame.
    pub fn next_sample(&self) -> u64 {
        self.next_sample
    }

    /// Returns whether the file ended within a frame.
    pub(super) fn is_torn(&self) -> bool {
        self.scanner.is_torn()
    }

    /// Goes to the next frame; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next<R: ReadAt>(&mut self, bytes: &mut Bytes<R>) -> io::Result<Option<Placed>> {
        let first_sample = self.next_sample;
        if let Some(header) = self.missing_header.filter(|_| self.missing > 0) {
            self.missing -= 1;
            self.next_sample += header.samples() as u64;
            return Ok(Some(Placed { first_sample, frame: None, header }));
        }
        let Some(frame) = self.scanner.next(bytes)? else { return Ok(None) };
        let header = frame.stream.header;
        self.next_sample += header.samples() as u64;
        self.missing = self.overwritten_behind(&frame, bytes)?;
        self.missing_header = Some(header);
        Ok(Some(Placed { first_sample, frame: Some(frame), header }))
    }

    /// Returns how many frames there were between a frame and the next one. Not 0 only in a file
    /// that has kept its size: otherwise frames were cut out, or something was inserted between
    /// them, and the sound continues at once.
    ///
    /// The result depends only on the frame and what follows it, as a walk may begin there.
    fn overwritten_behind<R: ReadAt>(&self, frame: &Frame, bytes: &mut Bytes<R>) -> io::Result<u64> {
        let stride = frame.stride_over_junk;
        let count = |bytes: u64, mean: f64| (bytes as f64 / mean).round() as u64;
        match self.gap {
            // If a bit rate was changed, a frame may also seem as long as two.
            Some(Gap::OfFramesLike { mean_bytes }) => {
                let length = if stride > 0 { stride } else { frame.bytes as u64 };
                Ok(count(length, mean_bytes).saturating_sub(1))
            }
            Some(Gap::OfAnyFrames { mean_bytes }) if stride > 0 => {
                let header = frame.stream.header;
                let Some(gap) = stride.checked_sub(frame.bytes as u64).filter(|gap| *gap > 0) else { return Ok(0) };
                // Usually a single byte was changed. Changing most bits of a header makes it
                // invalid, so its frame is missing; changing a few makes the frame itself seem
                // shorter than it is.
                let remains = header.is_resembled_by(bytes.get(frame.offset + frame.bytes as u64, HEADER_BYTES)?);
                match (header.can_have_bytes(gap), header.can_have_bytes(stride)) {
                    (true, false) => Ok(1),
                    (true, true) if remains => Ok(1),
                    (_, true) => Ok(0),
                    (false, false) => Ok(count(gap, self.mean_bytes_behind(bytes, mean_bytes)?).max(1)),
                }
            }
            _ => Ok(0),
        }
    }

    /// Returns the average length of the next frames; if there are none, that of all.
    fn mean_bytes_behind<R: ReadAt>(&self, bytes: &mut Bytes<R>, mean_of_all: f64) -> io::Result<f64> {
        let mut scanner = self.scanner.clone();
        let (mut frames, mut sum) = (0, 0);
        while frames < LIKE_THOSE_BEHIND {
            match scanner.next(bytes)? {
                Some(frame) if frame.stride_over_junk == 0 => (frames, sum) = (frames + 1, sum + frame.bytes),
                _ => break,
            }
        }
        Ok(if frames == 0 { mean_of_all } else { sum as f64 / frames as f64 })
    }
}
