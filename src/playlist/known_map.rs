//! The map of a track's frames: made late, shared by everything that knows the track.

use std::sync::{Arc, OnceLock};

use super::stamp::FileStamp;
use crate::mp3::map::FrameMap;

/// The maps of files longer than this are saved: reading that much takes a second from a card.
pub(super) const MAPPED_FROM_BYTES: u64 = 20_000_000;

/// The map of a file's frames, shared by everything that knows the track, and which file it belongs
/// to. It says nothing about what is played, only how to get there quickly: tracks that differ in
/// it alone are equal.
#[derive(Debug, Clone, Default)]
pub struct KnownMap(Arc<MappedFile>);

/// A file that has a map, or may have one.
#[derive(Debug, Default)]
struct MappedFile {
    /// The path within the Music folder, in the notation of the index.
    file: String,
    stamp: FileStamp,
    map: OnceLock<Arc<FrameMap>>,
}

impl KnownMap {
    /// Makes one without a map, for a file at this path within the Music folder, in the notation of
    /// the index.
    pub(super) fn of(file: String, stamp: FileStamp) -> Self {
        Self(Arc::new(MappedFile { file, stamp, map: OnceLock::new() }))
    }

    /// Returns the file's path within the Music folder, in the notation of the index.
    pub(super) fn file(&self) -> &str {
        &self.0.file
    }

    /// Returns size and time of the file that the map belongs to.
    pub fn stamp(&self) -> FileStamp {
        self.0.stamp
    }

    /// Returns the map, if it is known.
    pub fn get(&self) -> Option<Arc<FrameMap>> {
        self.0.map.get().cloned()
    }

    /// Makes the map known. If one is known already, that one stays.
    pub fn set(&self, map: Arc<FrameMap>) {
        let _ = self.0.map.set(map);
    }
}

impl PartialEq for KnownMap {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for KnownMap {}
