//! One entry of a playlist on its way to becoming a track: what the index knows about it, where its
//! file is, and what that contains.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::index::IndexedTrack;
use super::inspect::{Inspected, Maps, cost_bytes, inspect};
use super::load_options::LoadOptions;
use super::locate::{Folder, Found, Located, Locator};
use super::stamp::FileStamp;
use super::text::{bytes_to_text, decode, shown, shown_path, text_to_bytes};
use super::{Departure, Entry, KnownMap, Problem, Track};
use crate::panics;

/// One entry on its way to becoming a track.
pub(super) struct PendingTrack<'a> {
    entry: &'a Entry,
    key: String,
    /// What the index knows about it.
    known: Option<&'a IndexedTrack>,
    state: State,
    /// How the file was found other than as the entry says.
    departures: BTreeSet<Departure>,
    /// See [`Found::dropped`].
    dropped: Option<Folder>,
}

enum State {
    /// The index has the answer.
    Known(PathBuf),
    /// The file must be inspected.
    ToInspect(ToInspect),
    Inspected(PathBuf, Box<IndexedTrack>),
    Broken(Problem),
}

struct ToInspect {
    path: PathBuf,
    stamp: FileStamp,
    /// The path within the Music folder.
    file: String,
    /// The content that it must have, if the index says that the entry meant another file.
    must_be: Option<String>,
}

impl<'a> PendingTrack<'a> {
    pub(super) fn first(
        entry: &'a Entry,
        known: &HashMap<&str, &'a IndexedTrack>,
        options: &LoadOptions,
        locator: &mut Locator,
    ) -> Self {
        let key = bytes_to_text(&entry.location);
        let known = known.get(key.as_str()).copied().filter(|_| !entry.is_too_long);
        let state = State::Broken(Problem::TooLong);
        let mut pending = Self { entry, key, known, state, departures: BTreeSet::new(), dropped: None };
        if entry.is_too_long {
            return pending;
        }
        pending.state = match known {
            Some(track) if options.trust_index => State::Known(locator.path_of(&track.file)),
            _ => match locator.locate(&entry.location) {
                Located::File(found) => pending.settle(found, options, locator),
                Located::Ambiguous(files) => State::Broken(Problem::Ambiguous(files)),
                Located::Missing => {
                    let denied = locator.denied(&entry.location).map(Problem::Unreadable);
                    State::Broken(denied.unwrap_or(Problem::Missing))
                }
                Located::Outside => State::Broken(Problem::Outside),
                Located::Remote => State::Broken(Problem::Remote),
                Located::TooLong => State::Broken(Problem::TooLong),
            },
        };
        if matches!(pending.state, State::Broken(_)) {
            pending.doubt_index(locator);
        }
        pending
    }

    /// Decides what to do with a file that was found. If the index says that the entry meant
    /// another file, which is gone, only a file of the same content takes its place: any other
    /// would have another length than on boxes that have the right one.
    fn settle(&mut self, found: Found, options: &LoadOptions, locator: &mut Locator) -> State {
        let Found { path, stamp, departures, dropped } = found;
        let is_named = departures.is_empty();
        (self.departures, self.dropped) = (departures, dropped);
        let knows_all = |known: &IndexedTrack| known.stamp().agrees_with(&stamp) && !options.wants_map(known);
        let is_unchanged = self.known.is_some_and(knows_all);
        if is_unchanged && is_named && self.known.is_some_and(|known| known.file == self.key) {
            return State::Known(path);
        }
        let file = locator.relative(&path);
        let must_be = match self.known {
            Some(known) if known.file == file && is_unchanged => return State::Known(path),
            Some(known) if !is_named && known.file != file && !locator.has(&known.file) => Some(known.content.clone()),
            _ => None,
        };
        State::ToInspect(ToInspect { path, stamp, file, must_be })
    }

    /// Returns whether its file was found by its name alone.
    pub(super) fn may_be_reconsidered(&self) -> bool {
        self.dropped.is_some()
    }

    /// Lets the locator learn where the Music folder of an entry's path is, from an entry that a
    /// trusted index has answered without a search: what other entries mean must not depend on
    /// whether the index is trusted.
    pub(super) fn teach(&self, locator: &mut Locator) {
        if self.departures.is_empty() && matches!(self.state, State::Known(_)) {
            locator.locate(&self.entry.location);
        }
    }

    /// Gives up a file that was found by its name alone if other lines show that its folder is
    /// inside the Music folder, and so is not the Music folder itself.
    pub(super) fn reconsider(&mut self, locator: &mut Locator) {
        if self.dropped.as_ref().is_none_or(|dropped| !locator.lies_deeper(dropped)) {
            return;
        }
        let (State::Known(path) | State::ToInspect(ToInspect { path, .. })) = &self.state else { return };
        self.state = State::Broken(Problem::Another(locator.shown(path)));
        self.departures.clear();
        self.doubt_index(locator);
    }

    /// Discards what the index says about the entry if it names an existing file that the entry
    /// does not mean: the index was made by an older version, or for another playlist.
    fn doubt_index(&mut self, locator: &mut Locator) {
        self.known = self.known.filter(|known| !locator.has(&known.file));
    }

    /// Returns whether its file must be inspected.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, State::ToInspect(..))
    }

    /// Returns roughly how many bytes must be read to inspect its file; 0 if it need not be
    /// inspected.
    pub(super) fn cost_bytes(&self, maps: Maps) -> u64 {
        match &self.state {
            State::ToInspect(ToInspect { stamp, .. }) => cost_bytes(stamp.size_bytes, maps),
            _ => 0,
        }
    }

    /// Inspects the file if that is needed. Bytes are reported as they are read from it.
    pub(super) fn inspect(&mut self, maps: Maps, report: &dyn Fn(u64)) {
        let State::ToInspect(ToInspect { path, stamp, file, must_be }) = &self.state else { return };
        let result = guarded(path, || inspect(path, maps, report));
        let is_another = |content: Option<&String>| must_be.as_ref().is_some_and(|must_be| content != Some(must_be));
        self.state = match result {
            result if is_another(result.as_ref().ok().map(|found| &found.content)) => {
                self.departures.clear();
                State::Broken(Problem::Another(shown_path(Path::new(OsStr::from_bytes(&text_to_bytes(file))))))
            }
            Err(Problem::NoAudio) if is_macos_notes(path) => State::Broken(Problem::MacosNotes),
            Ok(found) => {
                // A copy often has another time. Its frames are in the same places nevertheless.
                let kept = || self.known.filter(|known| known.content == found.content)?.map.clone();
                let map = found.survey.map.as_ref().map(ToString::to_string).or_else(kept);
                let track = IndexedTrack {
                    entry: self.key.clone(),
                    file: file.clone(),
                    size_bytes: stamp.size_bytes,
                    modified_s: stamp.modified_s,
                    frames: found.survey.frames,
                    rate_hz: found.survey.rate_hz,
                    channels: found.survey.channels,
                    title: found.title,
                    artist: found.artist,
                    content: found.content,
                    missing_bytes: found.survey.missing_bytes,
                    map,
                };
                State::Inspected(path.clone(), Box::new(track))
            }
            Err(problem) => State::Broken(problem),
        };
    }

    /// Makes the track, and records in `saved` what is known about it. A track that is broken now
    /// keeps what the index knew, so that its slot stays as long as on all the other boxes.
    pub(super) fn finish(self, saved: &mut BTreeMap<String, IndexedTrack>) -> Track {
        let (path, track, problem) = match self.state {
            State::Known(path) => (Some(path), self.known.cloned(), None),
            State::Inspected(path, track) => (Some(path), Some(*track), None),
            State::Broken(problem) => (None, self.known.cloned(), Some(problem)),
            // All pending files have been inspected; one that has not is silence.
            State::ToInspect(..) => {
                (None, self.known.cloned(), Some(Problem::Unreadable("it was not inspected".to_owned())))
            }
        };
        let extinf = self.entry.extinf.as_ref();
        let length = track.as_ref().map(IndexedTrack::length);
        let length = length.or_else(|| extinf?.length());
        let title = track.as_ref().and_then(|track| track.title.clone());
        let title = title.or_else(|| extinf?.title.clone()).unwrap_or_else(|| file_title(&self.entry.location));
        let map = track.as_ref().map(|track| KnownMap::of(track.file.clone(), track.stamp())).unwrap_or_default();
        if let Some(known) = track.as_ref().and_then(IndexedTrack::frame_map) {
            map.set(Arc::new(known));
        }
        let made = Track {
            line: self.entry.line,
            location: shown(&decode(&self.entry.location)).unwrap_or_default(),
            content: track.as_ref().filter(|_| problem.is_none()).map(|track| track.content.clone()),
            artist: track.as_ref().and_then(|track| track.artist.clone()),
            channels: track.as_ref().map_or(2, |track| track.channels.clamp(1, 2)),
            map,
            size_bytes: track.as_ref().map_or(0, |track| track.size_bytes),
            missing_bytes: track.as_ref().map_or(0, |track| track.missing_bytes),
            path,
            departures: self.departures,
            title,
            length,
            problem,
        };
        if let Some(track) = track {
            saved.insert(self.key, track);
        }
        made
    }
}

/// Inspects a file. A panic here or in a library costs this file's slot its music, and nothing
/// else.
fn guarded(path: &Path, inspect: impl FnOnce() -> Result<Inspected, Problem>) -> Result<Inspected, Problem> {
    panics::catch(inspect).unwrap_or_else(|panic| {
        let fault = format!("a bug in this program; please report it with {}: {panic}", shown_path(path));
        Err(Problem::Unreadable(fault))
    })
}

/// Returns the name to show for a file without tags: its name without folders and extension.
fn file_title(location: &[u8]) -> String {
    let name = location.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or(location);
    let name: Vec<u8> = percent_encoding::percent_decode(name).collect();
    let name = decode(&name);
    let stem = Path::new(&*name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let title = shown(&stem.unwrap_or(name.into_owned())).or_else(|| shown(&decode(location)));
    title.unwrap_or_else(|| "?".to_owned())
}

/// Returns whether a file has the kind of name under which macOS stores its notes about another
/// file on disks that are not its own (AppleDouble).
fn is_macos_notes(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("._"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_one_file_and_names_it() {
        let result = guarded(Path::new("Rock/odd.mp3"), || panic!("index 7 of 3"));
        let Err(problem) = result else { panic!("it was read") };
        let words = problem.to_string();
        assert!(words.contains("Rock/odd.mp3") && words.contains("index 7 of 3"), "{words}");
        assert_eq!(guarded(Path::new("a.mp3"), || Err(Problem::Empty)), Err(Problem::Empty));
    }
}
