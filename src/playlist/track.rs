//! A loaded playlist and its tracks.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::departure::Departure;
use super::fingerprint::Fingerprint;
use super::known_map::{KnownMap, MAPPED_FROM_BYTES};
use super::problem::Problem;
use crate::timetable::{Length, Timetable, TimetableError, slot_s};

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
        Fingerprint::of(self.tracks.iter().map(|track| (track.length, track.content.as_deref())))
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
