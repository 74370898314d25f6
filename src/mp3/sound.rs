//! The samples of a file that are heard: without those that the encoder put before and after the
//! sound.

use std::io;
use std::sync::Arc;

use super::bytes::ReadAt;
use super::map::FrameMap;
use super::reader::{Progress, Reader};

/// The audible samples of a file, counted from 0, each at its own rate.
pub struct Sound<R> {
    reader: Reader<R>,
    /// The sample that is read next.
    next: u64,
    /// Where a search is going.
    searched: Option<u64>,
}

impl<R: ReadAt> Sound<R> {
    /// Opens a file; `None` if it has no frames. `map` is one that was saved, if there is one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(source: R, map: Option<Arc<FrameMap>>) -> io::Result<Option<Self>> {
        Ok(Reader::open(source, map)?.map(|reader| Self { reader, next: 0, searched: None }))
    }

    /// Returns the file's frames.
    pub fn frames(&self) -> &Reader<R> {
        &self.reader
    }

    /// Goes to a sample. Call it again while it is on the way.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn seek(&mut self, sample: u64) -> io::Result<Progress> {
        self.searched = Some(sample);
        let progress = self.reader.seek(self.reader.trim().place_of(sample))?;
        if progress == Progress::Reached {
            (self.next, self.searched) = (sample, None);
        }
        Ok(progress)
    }

    /// Reads the samples that follow, interleaved, as 1 channel (the mean of two) or 2 (one twice).
    /// Returns how many of them are sound of this rate: fewer than requested at the end of the file
    /// and where its rate changes.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(&mut self, rate_hz: u32, channels: usize, out: &mut [f32]) -> io::Result<usize> {
        let wanted = out.len() / channels;
        let mut filled = 0;
        while filled < wanted {
            let trim = self.reader.trim().clone();
            let place = trim.place_of(self.next);
            let Some(frame) = self.reader.current() else { break };
            let end = frame.first_sample + (frame.samples.len() / frame.channels.max(1)) as u64;
            if place >= end {
                if self.reader.advance()?.is_none() {
                    break;
                }
                continue;
            }
            let Some(offset) = place.checked_sub(frame.first_sample).filter(|_| frame.rate_hz == rate_hz) else {
                break;
            };
            // Up to the end of the frame, or to its part that is not heard.
            let until = if place < trim.padding.start { end.min(trim.padding.start) } else { end };
            let count = (wanted - filled).min((until - place) as usize);
            let from = offset as usize * frame.channels;
            let source = frame.samples.get(from..from + count * frame.channels).unwrap_or_default();
            let target = out.get_mut(filled * channels..(filled + count) * channels).unwrap_or_default();
            convert(source, frame.channels, target, channels);
            filled += count;
            self.next += count as u64;
        }
        Ok(filled)
    }
}

/// Copies samples, and converts the number of their channels if it differs.
fn convert(source: &[f32], source_channels: usize, target: &mut [f32], channels: usize) {
    match (source_channels, channels) {
        (1, 2) => {
            for (pair, sample) in target.as_chunks_mut::<2>().0.iter_mut().zip(source) {
                *pair = [*sample; 2];
            }
        }
        (2, 1) => {
            for (sample, [left, right]) in target.iter_mut().zip(source.as_chunks::<2>().0) {
                *sample = 0.5 * (left + right);
            }
        }
        _ => target.iter_mut().zip(source).for_each(|(target, source)| *target = *source),
    }
}
