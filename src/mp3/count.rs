//! Counts the frames of a file, a part at a time, and so makes its map.

use std::io;

use super::bytes::{Bytes, ReadAt};
use super::head::Head;
use super::map::FrameMap;
use super::timeline::Timeline;
use super::walk::Walk;

/// What is known about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survey {
    /// The rate at which it is played: the one that most of it has.
    pub rate_hz: u32,
    /// Frames of the sound at that rate, without those that the encoder added.
    pub frames: u64,
    /// 2 if any part is stereo; if the file's own length is believed, that of the first frame.
    pub channels: usize,
    /// Where its frames are, if all were counted.
    pub map: Option<FrameMap>,
    /// Bytes that it lacks compared with its original, according to the file itself: it is an
    /// incomplete copy.
    pub missing_bytes: u64,
}

/// More frames in a row than any file has by chance.
const FRAMES_OF_A_STREAM: u64 = 100;

/// With fewer in a row, at least this share of a file's bytes, tags apart, must be frames.
const LEAST_PART_OF_FRAMES: f64 = 0.5;

/// A count in progress.
pub struct Count<R> {
    bytes: Bytes<R>,
    head: Head,
    walk: Walk,
    map: FrameMap,
    channels: usize,
    frame_bytes: u64,
    in_a_row: u64,
    longest_row: u64,
}

impl<R: ReadAt> Count<R> {
    /// Begins to count the frames of a file; `None` if it has none.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn begin(source: R) -> io::Result<Option<Self>> {
        let mut bytes = Bytes::new(source)?;
        let head = Head::read(&mut bytes)?;
        Ok(head.map(|head| Self::of(bytes, head)))
    }

    pub(super) fn of(bytes: Bytes<R>, head: Head) -> Self {
        let walk = Walk::from_start(&head);
        Self { bytes, head, walk, map: FrameMap::default(), channels: 1, frame_bytes: 0, in_a_row: 0, longest_row: 0 }
    }

    /// Counts up to `frames` more. Returns whether there are more.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn go_on(&mut self, frames: usize) -> io::Result<bool> {
        for _ in 0..frames {
            let Some(placed) = self.walk.next(&mut self.bytes)? else { return Ok(false) };
            self.map.note(&placed);
            self.channels = self.channels.max(placed.header.channels());
            if let Some(frame) = placed.frame {
                self.frame_bytes += frame.bytes as u64;
                self.in_a_row = if frame.stride_over_junk == 0 { self.in_a_row + 1 } else { 0 };
                self.longest_row = self.in_a_row.max(self.longest_row);
            }
        }
        Ok(true)
    }

    /// Counts the rest, and returns the result; `None` if the frames are a handful that are there
    /// by chance.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn finish(mut self) -> io::Result<Option<Survey>> {
        while self.go_on(usize::MAX)? {}
        self.map.finish(self.head.audio.end);
        let head = &self.head;
        let part = self.frame_bytes as f64 / (head.audio.end - head.audio.start).max(1) as f64;
        let is_sound = self.longest_row >= FRAMES_OF_A_STREAM || part >= LEAST_PART_OF_FRAMES;
        let Some(samples) = self.map.samples().filter(|_| is_sound) else { return Ok(None) };
        let sections = self.map.sections();
        let rate_hz = Timeline::prevailing_rate_hz(sections, samples).unwrap_or_else(|| head.rate_hz());
        let timeline = Timeline::new(rate_hz, sections, &head.trim(), Some(samples));
        let counted = timeline.frames().unwrap_or(0);
        // An interrupted copy, which hardly ever ends between two frames, keeps its slot.
        let before_loss = head.before_loss().filter(|_| self.walk.is_torn());
        let promised = before_loss.map_or(0, |(frames, _)| head.audible_samples(frames));
        let frames = counted.max(promised);
        let missing_bytes = before_loss.map_or(0, |(_, missing_bytes)| missing_bytes);
        let survey = Survey { rate_hz, frames, channels: self.channels, map: Some(self.map), missing_bytes };
        Ok((survey.frames > 0).then_some(survey))
    }
}
