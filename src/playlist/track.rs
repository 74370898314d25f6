//! A track of a loaded playlist, and what may be wrong with it.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::mp3::map::FrameMap;
use crate::timetable::{Length, Timetable, TimetableError, slot_s};

use super::inspect::MAPPED_FROM_BYTES;
use super::readings::MAX_PARTS;
use super::stamp::FileStamp;
use super::{Departure, Fingerprint};

/// One entry of a playlist, with everything that is known about its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its line in the playlist, counted from 1.
    pub line: usize,
    /// The entry as the playlist has it, fit to be shown.
    pub location: String,
    /// The file, if it can be played.
    pub path: Option<PathBuf>,
    /// How the file's name differs from the entry; empty if it does not, or if the file was not
    /// searched for.
    pub departures: BTreeSet<Departure>,
    /// From the tags, otherwise from the playlist, otherwise the file's name.
    pub title: String,
    /// From the tags.
    pub artist: Option<String>,
    /// The length that its slot is made from; `None` if it is unknown.
    pub length: Option<Length>,
    /// The number of channels it is played with, 1 or 2.
    pub channels: usize,
    /// Where its frames are, for a long file, once that is known.
    pub map: KnownMap,
    /// The file's size in bytes; 0 if it is unknown.
    pub size_bytes: u64,
    /// Bytes that the file lacks compared with its original, according to the file itself: it is an
    /// incomplete copy.
    pub missing_bytes: u64,
    /// A short hash of the file's size and sampled blocks; `None` if the file cannot be played.
    pub content: Option<String>,
    /// Why it is silence, if it is.
    pub problem: Option<Problem>,
}

impl Track {
    /// Returns `Title - Artist`, or the title alone.
    pub fn display_name(&self) -> String {
        match &self.artist {
            Some(artist) => format!("{} - {artist}", self.title),
            None => self.title.clone(),
        }
    }
}

/// Returns whether a track's file is so long that its frames should be mapped, and has no map yet.
pub fn wants_map(track: &Track) -> bool {
    track.path.is_some() && track.size_bytes > MAPPED_FROM_BYTES && track.map.get().is_none()
}

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

/// Why a track is silence. It keeps its slot all the same: dropping it would shift this box against
/// all others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such file in the Music folder.
    #[error("the file is missing")]
    Missing,
    /// There is no such file, and the one that might be mistaken for it is another: the saved index
    /// knows which file was meant, or other lines show where it would be.
    #[error("the file is missing; {0} is another file")]
    Another(String),
    /// Several files differ from the entry only in letter case.
    #[error("it may mean several files: {}; rename one, or write the exact name", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// The entry is longer than any path.
    #[error("the line is longer than any path, or names more than {MAX_PARTS} folders")]
    TooLong,
    /// The file contains what macOS notes about another one, on disks that are not its own
    /// (AppleDouble).
    #[error("it is not music: macOS keeps notes about a file in it; take the line out on all boxes")]
    MacosNotes,
    /// The entry leads out of the Music folder.
    #[error("it leads out of the Music folder, and only files inside it are played")]
    Outside,
    /// The entry is a network address.
    #[error("it is a network address; only files in the Music folder are played")]
    Remote,
    /// The file has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The file holds no MPEG audio.
    #[error("the file holds no MP3 audio")]
    NoAudio,
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
}

/// A loaded playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Playlist {
    /// Its name, without the extension.
    pub name: String,
    /// Its tracks, in order; never empty.
    pub tracks: Vec<Track>,
}

impl Playlist {
    /// Returns the fingerprint, which is equal on two boxes that play the same music.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.tracks)
    }

    /// Returns the lengths that a timetable is made from.
    pub fn lengths(&self) -> Vec<Option<Length>> {
        self.tracks.iter().map(|track| track.length).collect()
    }

    /// Returns the length of all slots together, in seconds.
    pub fn runtime_s(&self) -> i64 {
        self.tracks.iter().map(|track| slot_s(track.length)).fold(0, i64::saturating_add)
    }

    /// Takes over the maps of a playlist that was loaded before, including those not made yet, for
    /// each file that is still the same.
    pub fn take_maps_of(&mut self, before: &Self) {
        let known: HashMap<&PathBuf, &Track> =
            before.tracks.iter().filter_map(|track| Some((track.path.as_ref()?, track))).collect();
        for track in self.tracks.iter_mut().filter(|track| wants_map(track)) {
            let before = track.path.as_ref().and_then(|path| known.get(path).copied());
            let is_same =
                |before: &&Track| before.content == track.content && before.map.stamp().agrees_with(&track.map.stamp());
            if let Some(before) = before.filter(is_same) {
                track.map = before.map.clone();
            }
        }
    }

    /// Describes what is wrong with each silent track, up to `most` of them, and counts the rest.
    pub fn problems(&self, most: usize, slot: impl Fn(&Track) -> String) -> impl Iterator<Item = String> {
        let mut silent = self.tracks.iter().filter_map(|track| Some((track, track.problem.as_ref()?)));
        let mut lines: Vec<String> = silent
            .by_ref()
            .take(most)
            .map(|(track, problem)| format!("line {}: {}: {problem}; {}", track.line, track.location, slot(track)))
            .collect();
        let more = silent.count();
        lines.extend(
            (more > 0).then(|| format!("and {more} more lines whose slots stay silent; jaudiosync list shows all")),
        );
        lines.into_iter()
    }

    /// Returns the timetable on which `first_track` begins at `anchor_utc_s`.
    ///
    /// # Errors
    /// As [`Timetable::new`].
    pub fn timetable(&self, anchor_utc_s: i64, first_track: usize, repeats: bool) -> Result<Timetable, TimetableError> {
        Timetable::new(self.lengths(), anchor_utc_s, first_track, repeats)
    }
}
