//! Reads the frames of an MP3 at any place, as the channels that are wanted; before its beginning and behind its end
//! there is silence.

use std::fs::File;
use std::path::Path;

use nanomp3::{Channels, Options, Reader};

use super::library::{FrameSource, TrackSource};

/// Which of a file's channels are heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mix {
    /// Left and right as they are.
    #[default]
    Stereo,
    /// Both channels mixed to both outputs, for a box with one speaker.
    Mono,
}

/// Why a file gives no sound.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is no MP3, or not one all the way.
    #[error("{0}")]
    Format(String),
}

impl From<nanomp3::Error> for DecodeError {
    fn from(error: nanomp3::Error) -> Self {
        match error {
            nanomp3::Error::Io(error) => Self::Io(error),
            other => Self::Format(other.to_string()),
        }
    }
}

/// An opened MP3. Positions are frames of the file's own rate, from its first audible one.
pub struct Decoder {
    reader: Reader<File, f32>,
    rate_hz: u32,
    file_channels: usize,
    mix: Mix,
    /// The frame that is read next; may lie before 0.
    position: i64,
    ended: bool,
    scratch: Vec<f32>,
}

impl Decoder {
    /// Opens a file. Its length is not looked for: the timetable knows it.
    ///
    /// # Errors
    /// When the file cannot be read or holds no MPEG audio.
    pub fn open(path: &Path, mix: Mix) -> Result<Self, DecodeError> {
        let reader = Reader::with_options(File::open(path)?, Options::default().skip_scan(true))?;
        let file_channels = match reader.channels() {
            Some(Channels::Mono) => 1,
            Some(Channels::Stereo) => 2,
            None => return Err(DecodeError::Format("the file holds no MP3 audio".to_owned())),
        };
        let rate_hz = reader.sample_rate();
        if rate_hz == 0 {
            return Err(DecodeError::Format("the file tells no sample rate".to_owned()));
        }
        Ok(Self { reader, rate_hz, file_channels, mix, position: 0, ended: false, scratch: Vec::new() })
    }

    /// Reads into the channels that are wanted. Returns the frames there were.
    fn read_inside(&mut self, out: &mut [f32]) -> Result<usize, DecodeError> {
        if self.ended || out.is_empty() {
            return Ok(0);
        }
        if self.channels() == self.file_channels {
            let filled = fill(&mut self.reader, out)?;
            self.ended = filled < out.len();
            return Ok(filled / self.file_channels);
        }
        self.scratch.resize(out.len() * self.file_channels, 0.0);
        let filled = fill(&mut self.reader, &mut self.scratch)?;
        self.ended = filled < self.scratch.len();
        let (pairs, _) = self.scratch.get(..filled).unwrap_or_default().as_chunks::<2>();
        for (mixed, [left, right]) in out.iter_mut().zip(pairs) {
            *mixed = 0.5 * (left + right);
        }
        Ok(filled / self.file_channels)
    }
}

impl TrackSource for Decoder {
    fn rate_hz(&self) -> u32 {
        self.rate_hz
    }

    fn channels(&self) -> usize {
        match self.mix {
            // Left and right would be the same.
            Mix::Mono => 1,
            Mix::Stereo => self.file_channels,
        }
    }
}

impl FrameSource for Decoder {
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError> {
        let inside = frame.max(0);
        // Going to where the file is read anyway would make the reader look for all of its frames.
        if inside != self.position.max(0) || self.ended {
            self.reader.seek(inside as u64)?;
            self.ended = false;
        }
        self.position = frame;
        Ok(())
    }

    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError> {
        let channels = self.channels();
        let frames = out.len() / channels;
        let silent = usize::try_from(-self.position.min(0)).unwrap_or(usize::MAX).min(frames);
        self.position += frames as i64;
        let (before, inside) = out.split_at_mut(silent * channels);
        before.fill(0.0);
        let filled = self.read_inside(inside);
        let (filled, result) = match filled {
            Ok(filled) => (filled, Ok(())),
            Err(error) => (0, Err(error)),
        };
        if let Some(rest) = inside.get_mut(filled * channels..) {
            rest.fill(0.0);
        }
        result
    }
}

/// Reads until `out` is full or the file ends.
fn fill(reader: &mut Reader<File, f32>, out: &mut [f32]) -> Result<usize, DecodeError> {
    let mut filled = 0;
    while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
