//! Where the player has its tracks from: files, or what a simulation puts in their place.

use std::path::PathBuf;

use super::decoder::{DecodeError, Decoder, Mix};

/// Where the frames of a track come from: any place can be gone to, and outside of the track there is silence.
pub trait FrameSource {
    /// Goes to a frame; negative ones lie before the track.
    ///
    /// # Errors
    /// When the track cannot be read any more.
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError>;

    /// Fills `out` with the frames that follow, interleaved.
    ///
    /// # Errors
    /// When the track cannot be read any more.
    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError>;
}

/// A track that can be played.
pub trait TrackSource: FrameSource + Send {
    /// Frames per second.
    fn rate_hz(&self) -> u32;

    /// Channels that it is read with, 1 or 2.
    fn channels(&self) -> usize;
}

/// The tracks of a playlist.
pub trait Library: Send + Sync {
    /// Opens a track, by its index in the playlist; none if it is known to be silence.
    ///
    /// # Errors
    /// When it should be there and cannot be read.
    fn open(&self, track: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError>;
}

/// The MP3 files of a playlist.
#[derive(Debug, Clone)]
pub struct Files {
    /// The file of each track; none is silence.
    pub paths: Vec<Option<PathBuf>>,
    /// Which of their channels are heard.
    pub mix: Mix,
}

impl Library for Files {
    fn open(&self, track: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        match self.paths.get(track) {
            Some(Some(path)) => Ok(Some(Box::new(Decoder::open(path, self.mix)?))),
            _ => Ok(None),
        }
    }
}
