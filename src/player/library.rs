//! Where the player has its tracks from: files, or what a simulation puts in their place.

use std::path::PathBuf;

use super::decoder::{DecodeError, Decoder, Known, Mix};
use crate::mp3::reader::Progress;
use crate::playlist::{KnownMap, Playlist, Track};

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

/// The MP3 files of a playlist.
#[derive(Debug, Clone)]
pub struct Files {
    tracks: Vec<TrackFile>,
    mix: Mix,
}

/// What is known of a track's file.
#[derive(Debug, Clone)]
struct TrackFile {
    /// `None` is silence.
    path: Option<PathBuf>,
    rate_hz: Option<u32>,
    channels: usize,
    map: KnownMap,
}

impl Files {
    /// Makes a library of a playlist's tracks; `mix` says which of their channels are heard.
    pub fn of(playlist: &Playlist, mix: Mix) -> Self {
        let file = |track: &Track| TrackFile {
            path: track.path.clone(),
            rate_hz: track.length.map(|length| length.rate_hz),
            channels: track.channels,
            map: track.map.clone(),
        };
        Self { tracks: playlist.tracks.iter().map(file).collect(), mix }
    }
}

impl Library for Files {
    fn open(&self, track: usize) -> Result<Option<Box<dyn TrackSource>>, DecodeError> {
        let Some(TrackFile { path: Some(path), rate_hz, channels, map }) = self.tracks.get(track) else {
            return Ok(None);
        };
        let known = Known { rate_hz: *rate_hz, channels: Some(*channels), map: map.get() };
        Ok(Some(Box::new(Decoder::open_known(path, self.mix, known)?)))
    }
}
