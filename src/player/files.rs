//! A playlist's MP3 files as a library of tracks.

use std::path::PathBuf;

use super::decoder::{Decoder, Known, Mix};
use super::library::{DecodeError, Library, TrackSource};
use crate::playlist::{KnownMap, Playlist, Track};

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
