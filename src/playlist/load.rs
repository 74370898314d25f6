//! Loads a playlist: the list, the saved index, and a look into each file that the index does not know.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::choose::{find_playlist, playlist_name};
use super::departure::summary;
use super::index::{Index, IndexError, IndexedTrack, bytes_to_text, index_path, text_to_bytes};
use super::inspect::{MAPPED_FROM_BYTES, Maps, inspect};
use super::locate::{FileStamp, Folder, Found, Located, Locator, shown_path};
use super::m3u8::MAX_PLAYLIST_BYTES;
use super::notices::{cut_lengths, made_one_folder_up, names_like_comments};
use super::text::{decode, shown};
use super::{Departure, Entry, KnownMap, M3u8, ParseError, Playlist, Problem, Track, parse};
use crate::mp3::map::FrameMap;

/// What to load and how.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The Music folder, which holds the playlist too.
    pub music: PathBuf,
    /// The playlist's name, with or without `.m3u8` or `.m3u`.
    pub name: String,
    /// Take the saved index as it is, without a look at the files.
    pub trust_index: bool,
    /// Look into every file, whatever the index says.
    pub rebuild: bool,
    /// Go through long files to map their frames, where the index has no map.
    pub make_maps: bool,
}

impl LoadOptions {
    fn wants_map(&self, track: &IndexedTrack) -> bool {
        self.make_maps && track.size_bytes > MAPPED_FROM_BYTES && track.map.is_none()
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Loaded {
    /// The playlist.
    pub playlist: Playlist,
    /// Where its index is.
    pub index: PathBuf,
    /// Why the index could not be written, if so.
    pub index_error: Option<std::io::Error>,
    /// How many files were looked into; the others were in the index.
    pub inspected: usize,
    /// What did not go well and did not keep it from loading, for people.
    pub warnings: Vec<String>,
}

/// What is told while files are looked into: how many are done, of how many.
pub type Progress<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// Why a playlist cannot be loaded. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no Music folder.
    #[error("there is no Music folder at {0}; make one, or name another with --music")]
    NoMusic(PathBuf),
    /// There is no such playlist; others may be there.
    #[error("there is no playlist {path}; {others}")]
    NoPlaylist {
        /// Where it was looked for.
        path: PathBuf,
        /// Which are there.
        others: Listing,
    },
    /// There is none, but a file that somebody may take for it.
    #[error("there is no playlist {path}; {file} {advice}")]
    Mistaken {
        /// Where it was looked for.
        path: PathBuf,
        /// The file that is there.
        file: String,
        /// What to do with it.
        advice: &'static str,
    },
    /// Several files may be meant.
    #[error("there is no playlist {path}, and several that differ from it in letter case: {files}; rename one")]
    SeveralPlaylists {
        /// Where it was looked for.
        path: PathBuf,
        /// Which there are.
        files: String,
    },
    /// It cannot be read.
    #[error("the playlist {0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It cannot be understood.
    #[error("the playlist {0} cannot be used: {1}")]
    NotAPlaylist(PathBuf, ParseError),
    /// It has no entries.
    #[error("the playlist {0} is empty; write one file name a line into it")]
    Empty(PathBuf),
}

/// The playlists that a Music folder holds.
#[derive(Debug)]
pub struct Listing(pub Vec<String>);

impl std::fmt::Display for Listing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            write!(f, "the folder holds none: put a .m3u8 file there")
        } else {
            write!(f, "name one of these with --playlist-name: {}", self.0.join(", "))
        }
    }
}

/// Loads a playlist. The saved index is used for every file whose size and modification time still agree, and written
/// anew where something changed; that it cannot be written is a warning.
///
/// # Errors
/// When there is no playlist to speak of. Broken and missing files are no error: they are silence.
pub fn load(options: &LoadOptions, progress: &Progress<'_>) -> Result<Loaded, LoadError> {
    let path = find_playlist(&options.music, &options.name)?;
    let list = read_list(&path)?;
    let entries = &list.entries;
    let index_file = index_path(&path);
    let mut warnings: Vec<String> =
        list.warnings.iter().map(|warning| format!("the playlist {}: {warning}", path.display())).collect();
    let index = read_index(&index_file, options, &mut warnings);
    let known = index.as_ref().map(Index::by_entry).unwrap_or_default();
    let mut locator =
        Locator::new(&options.music, &path, list.encoding).map_err(|_| LoadError::NoMusic(options.music.clone()))?;

    let mut looks: Vec<Look<'_>> =
        entries.iter().map(|entry| Look::first(entry, &known, options, &mut locator)).collect();
    if looks.iter().any(|look| look.dropped.is_some()) {
        looks.iter().for_each(|look| look.teach(&mut locator));
    }
    looks.iter_mut().for_each(|look| look.reconsider(&mut locator));
    warnings.extend(names_like_comments(&list, &mut locator));
    let maps = if options.make_maps { Maps::OfLongFiles } else { Maps::AsTheyCome };
    let inspected = inspect_all(&mut looks, maps, progress);
    let mut saved: BTreeMap<String, IndexedTrack> = BTreeMap::new();
    let tracks: Vec<Track> = looks.into_iter().map(|look| look.finish(&mut saved)).collect();

    let playlist = Playlist { name: playlist_name(&options.name), tracks };
    warnings.extend(summary(&playlist.tracks, |track| {
        track.path.as_deref().map(|path| locator.shown(path)).unwrap_or_default()
    }));
    warnings.extend(cut_lengths(entries, &playlist.tracks));
    warnings.extend(made_one_folder_up(entries, &playlist.tracks, &mut locator));
    let order: HashMap<String, usize> =
        entries.iter().enumerate().map(|(position, entry)| (bytes_to_text(&entry.location), position)).collect();
    let mut saved: Vec<IndexedTrack> = saved.into_values().collect();
    saved.sort_by_key(|track| order.get(&track.entry).copied());
    let new_index = Index::new(playlist.fingerprint().to_string(), saved);
    let is_news = index.as_ref() != Some(&new_index) && (inspected > 0 || !options.trust_index);
    let written = if is_news { new_index.write(&index_file) } else { Ok(()) };
    if let Err(error) = &written {
        warnings.push(format!(
            "the index {} cannot be written ({error}); all works without it, only slower",
            index_file.display()
        ));
    }
    Ok(Loaded { playlist, index: index_file, index_error: written.err(), inspected, warnings })
}

fn read_list(path: &Path) -> Result<M3u8, LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One more byte than is allowed tells that there are more.
    file.take(MAX_PLAYLIST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let list = parse(&bytes).map_err(|error| LoadError::NotAPlaylist(path.to_owned(), error))?;
    if list.entries.is_empty() { Err(LoadError::Empty(path.to_owned())) } else { Ok(list) }
}

fn read_index(path: &Path, options: &LoadOptions, warnings: &mut Vec<String>) -> Option<Index> {
    if options.rebuild {
        return None;
    }
    match Index::read(path) {
        Ok(index) => Some(index),
        Err(IndexError::Missing) if !options.trust_index => None,
        Err(error) => {
            warnings.push(format!("the index {} is made anew: {error}", path.display()));
            None
        }
    }
}

/// One entry on its way to a track.
struct Look<'a> {
    entry: &'a Entry,
    key: String,
    /// What the index knows of it.
    known: Option<&'a IndexedTrack>,
    state: State,
    /// How the file was found other than as the entry says.
    departures: BTreeSet<Departure>,
    /// See [`Found::dropped`].
    dropped: Option<Folder>,
}

enum State {
    /// The index answers.
    Known(PathBuf),
    /// The file is to be looked into.
    ToInspect(ToInspect),
    Inspected(PathBuf, Box<IndexedTrack>),
    Broken(Problem),
}

struct ToInspect {
    path: PathBuf,
    stamp: FileStamp,
    /// The path within the Music folder.
    file: String,
    /// The content that it must have, where the index says that another file was meant.
    must_be: Option<String>,
}

impl<'a> Look<'a> {
    fn first(
        entry: &'a Entry,
        known: &HashMap<&str, &'a IndexedTrack>,
        options: &LoadOptions,
        locator: &mut Locator,
    ) -> Self {
        let key = bytes_to_text(&entry.location);
        let known = known.get(key.as_str()).copied().filter(|_| !entry.is_too_long);
        let state = State::Broken(Problem::TooLong);
        let mut look = Self { entry, key, known, state, departures: BTreeSet::new(), dropped: None };
        if entry.is_too_long {
            return look;
        }
        look.state = match known {
            Some(track) if options.trust_index => State::Known(locator.path_of(&track.file)),
            _ => match locator.locate(&entry.location) {
                Located::File(found) => look.settle(found, options, locator),
                Located::Ambiguous(files) => State::Broken(Problem::Ambiguous(files)),
                Located::Missing => State::Broken(Problem::Missing),
                Located::Outside => State::Broken(Problem::Outside),
                Located::Remote => State::Broken(Problem::Remote),
                Located::TooLong => State::Broken(Problem::TooLong),
            },
        };
        if matches!(look.state, State::Broken(_)) {
            look.doubt_index(locator);
        }
        look
    }

    /// What to do with a file that was found. Where the index says that the entry meant another file, and that one is
    /// gone, only a file of the same content takes its place: any other would play for another time than on boxes that
    /// have the right one.
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

    /// Let the locator learn from an entry that a trusted index has answered, and that nobody has looked for, where its
    /// Music folder lies: what other entries mean must not depend on whether the index is trusted.
    fn teach(&self, locator: &mut Locator) {
        if self.departures.is_empty() && matches!(self.state, State::Known(_)) {
            locator.locate(&self.entry.location);
        }
    }

    /// Gives a file up which was found by nothing but its name, where other lines show that its folder is a folder of the
    /// Music folder and so not the Music folder itself.
    fn reconsider(&mut self, locator: &mut Locator) {
        if self.dropped.as_ref().is_none_or(|dropped| !locator.lies_deeper(dropped)) {
            return;
        }
        let (State::Known(path) | State::ToInspect(ToInspect { path, .. })) = &self.state else { return };
        self.state = State::Broken(Problem::Another(locator.shown(path)));
        self.departures.clear();
        self.doubt_index(locator);
    }

    /// An index which names a file that is there, and that the entry does not mean, is mistaken about the entry: it was
    /// made by an older version, or for another playlist.
    fn doubt_index(&mut self, locator: &mut Locator) {
        self.known = self.known.filter(|known| !locator.has(&known.file));
    }

    fn inspect(&mut self, maps: Maps) {
        let State::ToInspect(ToInspect { path, stamp, file, must_be }) = &self.state else { return };
        let result = inspect(path, maps);
        let is_another = |content: Option<&String>| must_be.as_ref().is_some_and(|must_be| content != Some(must_be));
        self.state = match result {
            result if is_another(result.as_ref().ok().map(|found| &found.content)) => {
                self.departures.clear();
                State::Broken(Problem::Another(shown_path(Path::new(OsStr::from_bytes(&text_to_bytes(file))))))
            }
            Err(Problem::NoAudio) if is_macos_notes(path) => State::Broken(Problem::MacosNotes),
            Ok(found) => {
                let track = IndexedTrack {
                    entry: self.key.clone(),
                    file: file.clone(),
                    size_bytes: stamp.size,
                    modified_s: stamp.modified_s,
                    frames: found.survey.frames,
                    rate_hz: found.survey.rate_hz,
                    channels: found.survey.channels,
                    title: found.title,
                    artist: found.artist,
                    content: found.content,
                    map: found.survey.map.map(|map| map.to_string()),
                };
                State::Inspected(path.clone(), Box::new(track))
            }
            Err(problem) => State::Broken(problem),
        };
    }

    /// Makes the track, and keeps in `saved` what is known of it. A track that is broken now keeps what the index
    /// knew, so that its slot stays as long as on all the other boxes.
    fn finish(self, saved: &mut BTreeMap<String, IndexedTrack>) -> Track {
        let (path, track, problem) = match self.state {
            State::Known(path) => (Some(path), self.known.cloned(), None),
            State::Inspected(path, track) => (Some(path), Some(*track), None),
            State::Broken(problem) => (None, self.known.cloned(), Some(problem)),
            State::ToInspect(..) => (None, self.known.cloned(), Some(Problem::Unreadable("not looked at".to_owned()))),
        };
        let extinf = self.entry.extinf.as_ref();
        let length = track.as_ref().map(IndexedTrack::length);
        let length = length.or_else(|| extinf?.length());
        let title = track.as_ref().and_then(|track| track.title.clone());
        let title = title.or_else(|| extinf?.title.clone()).unwrap_or_else(|| file_title(&self.entry.location));
        let map = KnownMap::default();
        if let Some(known) = track.as_ref().and_then(|track| track.map.as_deref()?.parse::<FrameMap>().ok()) {
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

/// The name to show for a file without tags: its name without folders and extension.
fn file_title(location: &[u8]) -> String {
    let name = location.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or(location);
    let name: Vec<u8> = percent_encoding::percent_decode(name).collect();
    let name = decode(&name);
    let stem = Path::new(&*name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let title = shown(&stem.unwrap_or(name.into_owned())).or_else(|| shown(&decode(location)));
    title.unwrap_or_else(|| "?".to_owned())
}

/// Whether it is called as macOS calls what it notes about another file on disks that are not its own (AppleDouble).
fn is_macos_notes(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("._"))
}

/// Looks into all files that need it, on all processors. Returns how many there were.
fn inspect_all(looks: &mut [Look<'_>], maps: Maps, progress: &Progress<'_>) -> usize {
    let pending: Vec<Mutex<&mut Look<'_>>> =
        looks.iter_mut().filter(|look| matches!(look.state, State::ToInspect(..))).map(Mutex::new).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        while let Some(look) = pending.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Each is taken by one thread only; a poisoned one was left by a panic in a library, and stays pending.
            if let Ok(mut look) = look.lock() {
                look.inspect(maps);
            }
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, pending.len());
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(pending.len());
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    pending.len()
}
