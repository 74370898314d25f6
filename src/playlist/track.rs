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

/// One entry of a playlist with all that is known of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Line of the playlist, from 1.
    pub line: usize,
    /// The entry as the playlist has it, fit to be shown.
    pub location: String,
    /// The file, if it can be played.
    pub path: Option<PathBuf>,
    /// How the file is called other than as the entry says; empty where it is called so, or where nobody looked.
    pub departures: BTreeSet<Departure>,
    /// From the tags, otherwise from the playlist, otherwise the file's name.
    pub title: String,
    /// From the tags.
    pub artist: Option<String>,
    /// What its slot is made from; none if nobody knows.
    pub length: Option<Length>,
    /// Channels that it is played with, 1 or 2.
    pub channels: usize,
    /// Where its frames are, for a long file, once somebody has found out.
    pub map: KnownMap,
    /// The file's size in bytes; 0 if it is not known.
    pub size_bytes: u64,
    /// Bytes that the file had more when it was made, by what it says itself: it is a copy that was cut off.
    pub missing_bytes: u64,
    /// Short hash of the file's size and sampled blocks; none if the file cannot be played.
    pub content: Option<String>,
    /// Why it is silence, if it is.
    pub problem: Option<Problem>,
}

impl Track {
    /// `Title - Artist`, or the title alone.
    pub fn display_name(&self) -> String {
        match &self.artist {
            Some(artist) => format!("{} - {artist}", self.title),
            None => self.title.clone(),
        }
    }
}

/// Whether a track's file is so long that its frames should be mapped, and are not.
pub fn wants_map(track: &Track) -> bool {
    track.path.is_some() && track.size_bytes > MAPPED_FROM_BYTES && track.map.get().is_none()
}

/// The map of a file's frames, shared by all who know the track, and which file that is. It says nothing about what is played,
/// only how to get there quickly: tracks that differ in it alone are equal.
#[derive(Debug, Clone, Default)]
pub struct KnownMap(Arc<MappedFile>);

/// A file that has a map, or may have one.
#[derive(Debug, Default)]
struct MappedFile {
    /// The path within the Music folder, as the index writes it.
    file: String,
    stamp: FileStamp,
    map: OnceLock<Arc<FrameMap>>,
}

impl KnownMap {
    /// No map yet of a file of this path within the Music folder, as the index writes it.
    pub(super) fn of(file: String, stamp: FileStamp) -> Self {
        Self(Arc::new(MappedFile { file, stamp, map: OnceLock::new() }))
    }

    /// The file's path within the Music folder, as the index writes it.
    pub(super) fn file(&self) -> &str {
        &self.0.file
    }

    /// Size and time of the file that the map is of.
    pub fn stamp(&self) -> FileStamp {
        self.0.stamp
    }

    /// The map, if it is known.
    pub fn get(&self) -> Option<Arc<FrameMap>> {
        self.0.map.get().cloned()
    }

    /// Make the map known. The first one stays.
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

/// Why a track is silence. It keeps its slot all the same: dropping it would shift this box against all others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// There is no such file in the Music folder.
    #[error("the file is missing")]
    Missing,
    /// There is no such file, and the one that might be taken for it is another: the saved index knows what was meant, or
    /// other lines show where it would lie.
    #[error("the file is missing; {0} is another file")]
    Another(String),
    /// Several files differ from the entry in nothing but letter case.
    #[error("several files may be meant: {}; rename one, or write the name as it is", .0.join(", "))]
    Ambiguous(Vec<String>),
    /// The entry is longer than any path.
    #[error("the line is longer than any path, or names more than {MAX_PARTS} folders")]
    TooLong,
    /// The file holds what macOS notes about another one, on disks that are not its own (AppleDouble).
    #[error("it is not music: macOS keeps notes about a file in it; take the line out on all boxes")]
    MacosNotes,
    /// The entry leads out of the Music folder.
    #[error("it leads out of the Music folder, where nothing is played from")]
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
    /// Equal on two boxes that play the same.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.tracks)
    }

    /// The lengths that a timetable is made from.
    pub fn lengths(&self) -> Vec<Option<Length>> {
        self.tracks.iter().map(|track| track.length).collect()
    }

    /// Return the seconds of all slots together.
    pub fn runtime_s(&self) -> i64 {
        self.tracks.iter().map(|track| slot_s(track.length)).fold(0, i64::saturating_add)
    }

    /// Take over the maps of a playlist that was loaded before, also those that are not made yet, of each file that is still the
    /// same.
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

    /// Say what is wrong with each silent track, of the first so many; what follows them is counted.
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

    /// The timetable on which `first_track` begins at `anchor_utc_s`.
    ///
    /// # Errors
    /// As [`Timetable::new`].
    pub fn timetable(&self, anchor_utc_s: i64, first_track: usize, repeats: bool) -> Result<Timetable, TimetableError> {
        Timetable::new(self.lengths(), anchor_utc_s, first_track, repeats)
    }
}
