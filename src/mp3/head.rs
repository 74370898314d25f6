//! What a file's first frames and its size reveal: whether it is MPEG audio, and whether the length
//! that it claims can be true.

use std::io;
use std::ops::Range;

use super::bytes::{Bytes, ReadAt};
use super::info_frame::InfoFrame;
use super::scanner::{Frame, Scanner};
use super::tags::audio_range;

/// What is known about frames that were overwritten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gap {
    /// All frames have this average length.
    OfFramesLike {
        /// Exact enough that the sum over the file is right to within a byte.
        mean_bytes: f64,
    },
    /// The bit rate varies.
    OfAnyFrames {
        /// The average over the whole file.
        mean_bytes: f64,
    },
}

/// What is known about a file without reading all of it.
#[derive(Debug, Clone)]
pub struct Head {
    /// The bytes between the tags.
    pub(super) audio: Range<u64>,
    /// The first frame with sound.
    pub(super) first: Frame,
    /// A walk that finds that frame next.
    pub(super) scanner: Scanner,
    /// What the frame before it says about the file.
    pub(super) info: Option<InfoFrame>,
    /// What that frame says about the file's length, if it does not contradict itself.
    pub(super) promise: Option<Promise>,
}

impl Head {
    /// Reads the beginning of a file; `None` if it has no frames.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read<R: ReadAt>(bytes: &mut Bytes<R>) -> io::Result<Option<Self>> {
        let audio = audio_range(bytes)?;
        let start = Scanner::new(audio.start, audio.end);
        let mut walk = start.clone();
        let Some(leading) = walk.next(bytes)? else { return Ok(None) };
        let info = InfoFrame::parse(bytes.get(leading.offset, leading.bytes)?);
        let mut scanner = if info.is_some() { walk } else { start };
        let after_info = scanner.clone();
        let Some(first) = scanner.next(bytes)? else { return Ok(None) };
        let (info_bytes, counted_bytes) = (leading.bytes as u64, audio.end - leading.offset);
        let promise = info.and_then(|info| Promise::of(&info, info_bytes, &first, counted_bytes));
        Ok(Some(Self { audio, first, scanner: after_info, info, promise }))
    }

    /// Returns the samples per second of the first frame.
    pub fn rate_hz(&self) -> u32 {
        self.first.stream.header.rate_hz()
    }

    /// Returns the channels of the first frame.
    pub fn channels(&self) -> usize {
        self.first.stream.header.channels()
    }

    /// Returns what the info frame says if the file is as long as it was when it was made.
    fn kept_promise(&self) -> Option<Promise> {
        self.promise.filter(|promise| promise.missing_bytes == 0)
    }

    /// Returns the file's number of frames, if it gives one and its size confirms it.
    pub(super) fn believed_frames(&self) -> Option<u64> {
        self.kept_promise().map(|promise| promise.frames)
    }

    /// Returns how many frames the file had before its end was lost, and how many bytes are
    /// missing, if it says so.
    pub(super) fn before_loss(&self) -> Option<(u64, u64)> {
        self.promise.filter(|promise| promise.missing_bytes > 0).map(|promise| (promise.frames, promise.missing_bytes))
    }

    /// Returns how to count frames of which nothing is left, if the file is as long as it was when
    /// it was made. Anything missing in the middle of such a file was overwritten, not cut out.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.kept_promise().map(|promise| match promise.constant_bit_rate {
            true => Gap::OfFramesLike { mean_bytes: promise.mean_frame_bytes },
            false => Gap::OfAnyFrames { mean_bytes: promise.mean_frame_bytes },
        })
    }

    /// Returns how many samples of `frames` frames like the first are heard.
    pub(super) fn audible_samples(&self, frames: u64) -> u64 {
        self.trim().audible_before(frames.saturating_mul(self.first.stream.header.samples() as u64))
    }

    /// Returns the samples that are not heard.
    pub(super) fn trim(&self) -> Trim {
        let Some(info) = self.info else { return Trim::default() };
        let samples = u64::from(info.frames.unwrap_or(0)) * self.first.stream.header.samples() as u64;
        let skipped = info.skipped_samples();
        let padding = info.padding_samples();
        if skipped + padding >= samples {
            return Trim::default();
        }
        Trim { skipped, padding: samples - padding..samples }
    }
}

/// A length that an info frame gives, in frames and bytes that are consistent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Promise {
    frames: u64,
    mean_frame_bytes: f64,
    constant_bit_rate: bool,
    /// Bytes that the file lacks.
    missing_bytes: u64,
}

impl Promise {
    /// Interprets what an info frame of `info_bytes` bytes says about a file that has
    /// `counted_bytes` from there on. `None` if it contradicts itself, or if the file has more than
    /// it says: something was added.
    fn of(info: &InfoFrame, info_bytes: u64, first: &Frame, counted_bytes: u64) -> Option<Self> {
        let (frames, bytes) = (u64::from(info.frames?), u64::from(info.bytes?));
        let of_sound = |sound_bytes| Self::of_sound(frames, sound_bytes, info.constant_bit_rate, first);
        // Most programs count the info frame itself.
        let (with_itself, without) = (bytes.saturating_sub(info_bytes), bytes);
        match bytes {
            _ if bytes == counted_bytes => of_sound(with_itself),
            _ if bytes + info_bytes == counted_bytes => of_sound(without),
            _ => {
                let missing_bytes = bytes.checked_sub(counted_bytes)?;
                Some(Self { missing_bytes, ..of_sound(with_itself).or_else(|| of_sound(without))? })
            }
        }
    }

    /// Returns `None` if that many frames of this kind cannot have that many bytes.
    fn of_sound(frames: u64, sound_bytes: u64, constant_bit_rate: bool, first: &Frame) -> Option<Self> {
        let mean = sound_bytes as f64 / frames as f64;
        let can_be = if constant_bit_rate {
            // Padding keeps the average of a constant bit rate exact, to within a byte over the
            // file.
            (mean - first.stream.mean_bytes()).abs() * (frames as f64) < 0.5 * first.stream.mean_bytes()
        } else {
            first.stream.possible_mean_bytes().contains(&mean)
        };
        let constant_bit_rate = constant_bit_rate || first.stream.header.is_free_format();
        can_be.then_some(Self { frames, mean_frame_bytes: mean, constant_bit_rate, missing_bytes: 0 })
    }
}

/// Samples that an encoder added, counted from the first frame's first sample. They are not heard.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trim {
    /// How many at the beginning.
    pub skipped: u64,
    /// The samples after the sound. The file may continue after them: another one was appended.
    pub padding: Range<u64>,
}

impl Trim {
    /// Returns how many of the samples before a place are heard.
    pub fn audible_before(&self, sample: u64) -> u64 {
        let padding = sample.min(self.padding.end).saturating_sub(self.padding.start);
        sample.saturating_sub(self.skipped).saturating_sub(padding)
    }

    /// Returns the place of an audible sample; the inverse of
    /// [`audible_before`](Self::audible_before).
    pub fn place_of(&self, audible: u64) -> u64 {
        let place = audible.saturating_add(self.skipped);
        let is_behind = place >= self.padding.start;
        place.saturating_add(if is_behind { self.padding.end - self.padding.start } else { 0 })
    }

    /// Returns whether a sample is heard.
    pub fn is_heard(&self, sample: u64) -> bool {
        sample >= self.skipped && !self.padding.contains(&sample)
    }
}
