//! What a file's first frames and its size tell: whether it is MPEG audio, and whether what it says of its length can be true.

use std::io;
use std::ops::Range;

use super::bytes::{Bytes, ReadAt};
use super::info_frame::InfoFrame;
use super::scanner::{Frame, Scanner};
use super::tags::audio_range;

/// What is known of frames that were overwritten.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gap {
    /// All frames have this length on average.
    OfFramesLike {
        /// To a byte in all.
        mean_bytes: f64,
    },
    /// The bit rate varies.
    OfAnyFrames {
        /// Over the whole file.
        mean_bytes: f64,
    },
}

/// What is known of a file without going through it.
#[derive(Debug, Clone)]
pub struct Head {
    /// The bytes between the tags.
    pub(super) audio: Range<u64>,
    /// The first frame with sound.
    pub(super) first: Frame,
    /// A walk that finds that frame next.
    pub(super) scanner: Scanner,
    /// What the frame before it says of the file.
    pub(super) info: Option<InfoFrame>,
    /// What that frame says of the file's length, where it does not contradict itself.
    pub(super) promise: Option<Promise>,
}

impl Head {
    /// Read the beginning of a file; none where it has no frames.
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

    /// Samples per second of the first frame.
    pub fn rate_hz(&self) -> u32 {
        self.first.stream.header.rate_hz()
    }

    /// Channels of the first frame.
    pub fn channels(&self) -> usize {
        self.first.stream.header.channels()
    }

    /// What the info frame says, where the file is as long as it was when it was made.
    fn kept_promise(&self) -> Option<Promise> {
        self.promise.filter(|promise| promise.missing_bytes == 0)
    }

    /// Frames of the file, where it says so and its size bears that out.
    pub(super) fn believed_frames(&self) -> Option<u64> {
        self.kept_promise().map(|promise| promise.frames)
    }

    /// Frames that the file had before its end was lost, and the bytes that are missing, if it says so.
    pub(super) fn before_loss(&self) -> Option<(u64, u64)> {
        self.promise.filter(|promise| promise.missing_bytes > 0).map(|promise| (promise.frames, promise.missing_bytes))
    }

    /// How frames are counted of which nothing is left, where the file is as long as it was when it was made. What is missing in
    /// the middle of such a file was overwritten, not cut out.
    pub(super) fn gap(&self) -> Option<Gap> {
        self.kept_promise().map(|promise| match promise.constant_bit_rate {
            true => Gap::OfFramesLike { mean_bytes: promise.mean_frame_bytes },
            false => Gap::OfAnyFrames { mean_bytes: promise.mean_frame_bytes },
        })
    }

    /// Samples that are heard of so many frames like the first.
    pub(super) fn audible_samples(&self, frames: u64) -> u64 {
        self.trim().audible_before(frames.saturating_mul(self.first.stream.header.samples() as u64))
    }

    /// Samples that are not to be heard.
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

/// A length that an info frame gives, in frames and in bytes that go together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Promise {
    frames: u64,
    mean_frame_bytes: f64,
    constant_bit_rate: bool,
    /// Bytes that the file had more.
    missing_bytes: u64,
}

impl Promise {
    /// What an info frame of so many bytes says of a file that has `counted_bytes` from there on. None where it contradicts itself,
    /// or where the file has more than it says: something was added.
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

    /// None where so many frames of this kind cannot have so many bytes.
    fn of_sound(frames: u64, sound_bytes: u64, constant_bit_rate: bool, first: &Frame) -> Option<Self> {
        let mean = sound_bytes as f64 / frames as f64;
        let can_be = if constant_bit_rate {
            // Padding keeps the mean of a constant bit rate exact, to within a byte in all.
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
    /// At the beginning.
    pub skipped: u64,
    /// Behind the sound. The file may go on behind it: another one was appended.
    pub padding: Range<u64>,
}

impl Trim {
    /// Return how many samples are heard of those before a place.
    pub fn audible_before(&self, sample: u64) -> u64 {
        let padding = sample.min(self.padding.end).saturating_sub(self.padding.start);
        sample.saturating_sub(self.skipped).saturating_sub(padding)
    }

    /// Return the place of an audible sample; the reverse of [`audible_before`](Self::audible_before).
    pub fn place_of(&self, audible: u64) -> u64 {
        let place = audible.saturating_add(self.skipped);
        let is_behind = place >= self.padding.start;
        place.saturating_add(if is_behind { self.padding.end - self.padding.start } else { 0 })
    }

    /// Whether a sample is heard.
    pub fn is_heard(&self, sample: u64) -> bool {
        sample >= self.skipped && !self.padding.contains(&sample)
    }
}
