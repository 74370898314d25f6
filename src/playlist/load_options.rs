//! What to load, and how.

use std::path::PathBuf;

use super::index::IndexedTrack;
use super::known_map::MAPPED_FROM_BYTES;

/// What to load, and how.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The Music folder, which holds the playlist too; or several, of which the first that has one is
    /// taken.
    pub folders: Vec<PathBuf>,
    /// The playlist's name, with or without `.m3u8` or `.m3u`.
    pub name: String,
    /// The file in which the index is saved if the playlist's folder cannot be written to; `None`:
    /// nowhere.
    pub index_elsewhere: Option<PathBuf>,
    /// Play all MP3s where there is no playlist at all.
    pub every_mp3: bool,
    /// Take the saved index as it is, without checking the files.
    pub trust_index: bool,
    /// Inspect every file, whatever the index says.
    pub rebuild: bool,
    /// Read long files to map their frames if the index has no map.
    pub make_maps: bool,
}

impl LoadOptions {
    pub(super) fn wants_map(&self, track: &IndexedTrack) -> bool {
        self.make_maps && track.size_bytes > MAPPED_FROM_BYTES && track.frame_map().is_none()
    }
}
