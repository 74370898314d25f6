//! What the player takes its tracks from: `files` in the program, something else in simulations and
//! tests.

use std::io;

use crate::mp3::reader::Progress;

/// Why a track produces no sound.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It cannot be opened or read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is not an MP3.
    #[error("{0}")]
    Format(String),
}

/// Where the frames of a track come from. It can seek to any place, and outside the track there is
/// silence.
pub trait FrameSource {
    /// Goes to a frame; negative ones lie before the track.
    ///
    /// # Errors
    /// When the track can no longer be read.
    fn seek(&mut self, frame: i64) -> Result<(), DecodeError>;

    /// Fills `out` with the frames that follow, interleaved.
    ///
    /// # Errors
    /// When the track can no longer be read.
    fn read(&mut self, out: &mut [f32]) -> Result<(), DecodeError>;
}

/// A track that can be played.
pub trait TrackSource: FrameSource + Send {
    /// Returns the frames per second.
    fn rate_hz(&self) -> u32;

    /// Returns the number of channels that it is read with, 1 or 2.
    fn channels(&self) -> usize;

    /// Does a part of going to a frame, as [`seek`](FrameSource::seek) does the whole: for a caller
    /// that may have to go elsewhere meanwhile.
    ///
    /// # Errors
    /// When the track can no longer be read.
    fn approach(&mut self, frame: i64) -> Result<Progress, DecodeError> {
        self.seek(frame)?;
        Ok(Progress::Reached)
    }
}

/// The tracks of a playlist.
pub trait Library: Send + Sync {
    /// Opens a track, by its index in the playlist; `None` if it is known to be silence.
    ///
    /// # Errors
    /// When it should be there and cannot be read.
    fn open(&self, track: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError>;
}
