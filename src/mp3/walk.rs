//! Counts samples from frame to frame: the one definition of where in the sound a frame is.

use std::io;

use super::bytes::{Bytes, ReadAt};
use super::head::{Gap, Head};
use super::header::{HEADER_BYTES, Header};
use super::scanner::{Frame, Scanner, Stream};

/// A frame at its place in the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Samples per channel before it, of all frames from the first on, each at its own rate.
    pub first_sample: u64,
    /// The frame in the file; none for one that was overwritten, of which nothing is left.
    pub frame: Option<Frame>,
    /// Its header, or that of the frame before.
    pub header: Header,
}

impl Placed {
    /// The first sample behind it.
    pub fn end_sample(&self) -> u64 {
        self.first_sample + self.header.samples() as u64
    }
}

/// Frames that are looked at behind a gap, to know how long such frames are.
const LIKE_THOSE_BEHIND: usize = 64;

/// A walk through the frames of a file, from the first or from any that another walk has found.
#[derive(Debug, Clone)]
pub struct Walk {
    scanner: Scanner,
    gap: Option<Gap>,
    next_sample: u64,
    /// Frames that were overwritten and are to be counted before the next one that is there, and a header like theirs.
    missing: u64,
    missing_header: Option<Header>,
}

impl Walk {
    /// A walk from the first frame with sound.
    pub fn from_start(head: &Head) -> Self {
        Self { scanner: head.scanner.clone(), gap: head.gap(), next_sample: 0, missing: 0, missing_header: None }
    }

    /// A walk from a frame whose place is known.
    pub fn from_frame(head: &Head, offset: u64, stream: Stream, first_sample: u64) -> Self {
        let scanner = Scanner::at_frame(offset, stream, head.audio.end);
        Self { scanner, next_sample: first_sample, ..Self::from_start(head) }
    }

    /// Samples before the next frame.
    pub fn next_sample(&self) -> u64 {
        self.next_sample
    }

    /// Whether the file ended within a frame.
    pub(super) fn is_torn(&self) -> bool {
        self.scanner.is_torn()
    }

    /// Go to the next frame; none at the end.
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

    /// Return how many frames there were between a frame and the next one. Only in a file that has kept its size: otherwise they
    /// were cut out, or something was put between them, and the sound goes on at once.
    ///
    /// What it returns depends on the frame and what is behind it alone, as a walk may begin there.
    fn overwritten_behind<R: ReadAt>(&self, frame: &Frame, bytes: &mut Bytes<R>) -> io::Result<u64> {
        let stride = frame.stride_over_junk;
        let count = |bytes: u64, mean: f64| (bytes as f64 / mean).round() as u64;
        match self.gap {
            // With a bit rate that was changed a frame may also seem as long as two.
            Some(Gap::OfFramesLike { mean_bytes }) => {
                let length = if stride > 0 { stride } else { frame.bytes as u64 };
                Ok(count(length, mean_bytes).saturating_sub(1))
            }
            Some(Gap::OfAnyFrames { mean_bytes }) if stride > 0 => {
                let header = frame.stream.header;
                let Some(gap) = stride.checked_sub(frame.bytes as u64).filter(|gap| *gap > 0) else { return Ok(0) };
                // Mostly it is one byte that was changed. Of a header's bits most make it invalid, and its frame one that is
                // missing; a few make the frame itself seem shorter than it is.
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

    /// The mean length of the next frames; where there are none, that of all.
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
