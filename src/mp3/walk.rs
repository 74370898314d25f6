//! Counts samples from frame to frame: the one definition of where in the sound a frame is.

use std::io;

use super::bytes::{Bytes, ReadAt};
use super::head::Head;
use super::header::Header;
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

/// A walk through the frames of a file, from the first or from any that another walk has found.
#[derive(Debug, Clone)]
pub struct Walk {
    scanner: Scanner,
    mean_frame_bytes: Option<f64>,
    next_sample: u64,
    /// Frames that were overwritten and are to be counted before the next one that is there, and a header like theirs.
    missing: u64,
    missing_header: Option<Header>,
}

impl Walk {
    /// A walk from the first frame with sound.
    pub fn from_start(head: &Head) -> Self {
        Self {
            scanner: head.scanner.clone(),
            mean_frame_bytes: head.mean_frame_bytes(),
            next_sample: 0,
            missing: 0,
            missing_header: None,
        }
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
        self.missing = self.overwritten_behind(&frame);
        self.missing_header = Some(header);
        Ok(Some(Placed { first_sample, frame: Some(frame), header }))
    }

    /// How many frames there were between a frame and the next one. Only in a file that has kept its size: otherwise they
    /// were cut out, or something was put between them, and the sound goes on at once.
    fn overwritten_behind(&self, frame: &Frame) -> u64 {
        match self.mean_frame_bytes {
            Some(mean) if frame.stride_over_junk > 0 => {
                let frames = (frame.stride_over_junk as f64 / mean).round() as u64;
                frames.saturating_sub(1)
            }
            _ => 0,
        }
    }
}
