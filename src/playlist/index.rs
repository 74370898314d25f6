//! The saved index: everything known about the files of a playlist, in one readable JSON file
//! beside it, so that it travels with the music and every box has the same lengths.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::folder_lock::FolderLock;
use super::known_map::KnownMap;
use super::stamp::FileStamp;
use crate::digest::short_hex;
use crate::mp3::header::{MAX_FILE_SAMPLES, is_possible_rate_hz};
use crate::mp3::map::FrameMap;
use crate::storage;
use crate::timetable::Length;

/// Names the format and its version; an index of another version is rebuilt. Fields that were added
/// later are covered by the checksum, so an older program's index is rebuilt as well: its lengths
/// were found by other rules.
const FORMAT: &str = "jaudiosync-index-1";

/// A longer file is not an index: that of the longest playlist, with the maps of a thousand sets,
/// has some 60 MB.
const MAX_INDEX_BYTES: u64 = 128 << 20;

/// The largest file on Linux.
const MAX_FILE_BYTES: u64 = i64::MAX as u64;

/// MP3 files give their original length in 32 bits.
const MAX_MISSING_BYTES: u64 = u32::MAX as u64;

/// The index of one playlist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Index {
    format: String,
    /// For people to compare; the program computes it from the tracks.
    pub fingerprint: String,
    /// Covers all tracks as they are written here: a damaged index is not trusted.
    checksum: String,
    pub tracks: Vec<IndexedTrack>,
}

/// What is known about one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexedTrack {
    /// The playlist's entry, as written there; bytes that are not UTF-8 as `%XX`.
    pub entry: String,
    /// The file, relative to the Music folder, in the same notation.
    pub file: String,
    pub size_bytes: u64,
    pub modified_s: i64,
    pub frames: u64,
    pub rate_hz: u32,
    #[serde(default)]
    pub channels: usize,
    pub title: Option<String>,
    pub artist: Option<String>,
    pub content: String,
    /// Bytes that an incomplete copy lacks, according to the file itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missing_bytes: u64,
    /// Where the frames of a long file are, in the notation of
    /// [`FrameMap`](crate::mp3::map::FrameMap).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl IndexedTrack {
    pub fn length(&self) -> Length {
        Length { frames: self.frames, rate_hz: self.rate_hz.max(1) }
    }

    /// Returns the map, if there is one that this version can read.
    pub fn frame_map(&self) -> Option<FrameMap> {
        self.map.as_deref()?.parse().ok()
    }

    /// Returns whether such a file can exist. The checksum shows that nothing was damaged, not that
    /// what was written was right.
    fn can_be(&self) -> bool {
        let has_possible_bytes = self.size_bytes <= MAX_FILE_BYTES && self.missing_bytes <= MAX_MISSING_BYTES;
        is_possible_rate_hz(self.rate_hz) && self.frames <= MAX_FILE_SAMPLES && has_possible_bytes
    }

    pub fn stamp(&self) -> FileStamp {
        FileStamp { size_bytes: self.size_bytes, modified_s: self.modified_s }
    }
}

/// Why there is no usable index.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexError {
    #[error("there is none")]
    Missing,
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("it is damaged or of another version")]
    Damaged,
}

impl Index {
    pub fn new(fingerprint: String, tracks: Vec<IndexedTrack>) -> Self {
        Self { format: FORMAT.to_owned(), fingerprint, checksum: checksum(&tracks), tracks }
    }

    /// Reads and verifies an index.
    ///
    /// # Errors
    /// When there is no usable one.
    pub fn read(path: &Path) -> Result<Self, IndexError> {
        let unreadable = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => IndexError::Missing,
            _ => IndexError::Unreadable(error),
        };
        // Opening a pipe would wait for a writer.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(IndexError::Damaged);
        }
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(MAX_INDEX_BYTES + 1).read_to_end(&mut bytes));
        if read.map_err(unreadable)? as u64 > MAX_INDEX_BYTES {
            return Err(IndexError::Damaged);
        }
        let index: Self = serde_json::from_slice(&bytes).map_err(|_| IndexError::Damaged)?;
        let is_whole = index.format == FORMAT && index.checksum == checksum(&index.tracks);
        if is_whole && index.tracks.iter().all(IndexedTrack::can_be) { Ok(index) } else { Err(IndexError::Damaged) }
    }

    /// Replaces the index that was read before. What others have written in the meantime stays:
    /// maps of the same files, and entries of the playlist that this index lacks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn replace(self, before: Option<&Self>, path: &Path, entries: &HashMap<String, usize>) -> io::Result<()> {
        // That for the state may not be there yet; that of a playlist always is.
        fs::create_dir_all(folder_of(path))?;
        let _lock = FolderLock::take(folder_of(path))?;
        let Ok(now) = Self::read(path) else { return self.write(path) };
        if Some(&now) == before {
            return self.write(path);
        }
        let merged = self.with_news(before, &now, entries);
        if merged == now { Ok(()) } else { merged.write(path) }
    }

    /// Merges into this index what `now` has beyond `before`.
    fn with_news(self, before: Option<&Self>, now: &Self, entries: &HashMap<String, usize>) -> Self {
        let before = before.map(Self::by_entry).unwrap_or_default();
        let is_news = |track: &&IndexedTrack| before.get(track.entry.as_str()) != Some(track);
        let mut news: HashMap<&str, &IndexedTrack> =
            now.tracks.iter().filter(is_news).map(|track| (track.entry.as_str(), track)).collect();
        let mut tracks = self.tracks;
        for track in &mut tracks {
            let Some(other) = news.remove(track.entry.as_str()) else { continue };
            let is_same_file = other.file == track.file && other.stamp().agrees_with(&track.stamp());
            if track.map.is_none() && is_same_file && other.content == track.content {
                track.map.clone_from(&other.map);
            }
        }
        tracks.extend(news.into_values().filter(|track| entries.contains_key(&track.entry)).cloned());
        tracks.sort_by_key(|track| entries.get(&track.entry).copied());
        Self::new(self.fingerprint, tracks)
    }

    /// Writes the whole file or nothing.
    fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        storage::write_atomically(path, &text)
    }

    /// Returns the tracks by entry.
    pub fn by_entry(&self) -> HashMap<&str, &IndexedTrack> {
        self.tracks.iter().map(|track| (track.entry.as_str(), track)).collect()
    }
}

/// Saves a map that has become known in the index. Returns whether the index has the file in the
/// state in which it was mapped.
///
/// # Errors
/// When the index cannot be read or written.
pub fn persist_map(index_path: &Path, known: &KnownMap) -> io::Result<bool> {
    let Some(map) = known.get() else { return Ok(false) };
    let _lock = FolderLock::take(folder_of(index_path))?;
    let Index { mut tracks, fingerprint, .. } = Index::read(index_path).map_err(io::Error::other)?;
    let map = map.to_string();
    let is_file = |track: &&mut IndexedTrack| track.file == known.file() && track.stamp().agrees_with(&known.stamp());
    let mut is_known = false;
    for track in tracks.iter_mut().filter(is_file) {
        track.map = Some(map.clone());
        is_known = true;
    }
    if is_known {
        Index::new(fingerprint, tracks).write(index_path)?;
    }
    Ok(is_known)
}

fn folder_of(index_path: &Path) -> &Path {
    index_path.parent().unwrap_or(Path::new(""))
}

/// Returns the path of a playlist's index: `Ride.index.json` for `Ride.m3u8`, and for any other
/// extension a name of its own, such as `Ride.m3u.index.json`, since both playlists may exist.
pub(super) fn index_path(playlist: &Path) -> PathBuf {
    if playlist.extension().is_some_and(|extension| extension == "m3u8") {
        return playlist.with_extension("index.json");
    }
    let mut name = playlist.as_os_str().to_owned();
    name.push(".index.json");
    PathBuf::from(name)
}

fn checksum(tracks: &[IndexedTrack]) -> String {
    let mut hash = Sha256::new();
    for track in tracks {
        for text in [&track.entry, &track.file, &track.content] {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        for text in [&track.title, &track.artist, &track.map] {
            hash.update(text.as_deref().unwrap_or("\0").as_bytes());
            hash.update([0]);
        }
        let numbers = [track.frames, u64::from(track.rate_hz), track.channels as u64, track.missing_bytes];
        for number in [track.size_bytes, track.modified_s as u64].into_iter().chain(numbers) {
            hash.update(number.to_le_bytes());
        }
    }
    short_hex(hash)
}

#[cfg(test)]
mod tests;
