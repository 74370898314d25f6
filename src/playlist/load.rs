//! Loads a playlist: the list, the saved index, and a look into each file that the index does not know.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::index::{Index, IndexError, IndexedTrack, bytes_to_text, index_path, text_to_bytes};
use super::inspect::{MAPPED_FROM_BYTES, Maps, inspect};
use super::locate::{FileStamp, Located, Locator};
use super::{Entry, KnownMap, ParseError, Playlist, Problem, Track, parse};
use crate::mp3::map::FrameMap;
use crate::timetable::Length;

/// A playlist larger than this is none; 10,000 long lines are some 3 MB.
const MAX_PLAYLIST_BYTES: u64 = 64 * 1024 * 1024;

/// What to load and how.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The Music folder, which holds the playlist too.
    pub music: PathBuf,
    /// The playlist's name, with or without `.m3u8`.
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
    /// It cannot be read.
    #[error("the playlist {0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It cannot be understood.
    #[error("the playlist {0} cannot be used: {1}")]
    NotAPlaylist(PathBuf, ParseError),
    /// It has no entries.
    #[error("the playlist {0} is empty; write one file name a line into it")]
    Empty(PathBuf),
    /// It is absurdly large.
    #[error("the playlist {0} is larger than any playlist; is it one?")]
    TooLarge(PathBuf),
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
    let entries = read_entries(&path)?;
    let index_file = index_path(&path);
    let mut warnings = Vec::new();
    let index = read_index(&index_file, options, &mut warnings);
    let known = index.as_ref().map(Index::by_entry).unwrap_or_default();
    let mut locator = Locator::new(&options.music).map_err(|_| LoadError::NoMusic(options.music.clone()))?;

    let mut looks: Vec<Look<'_>> =
        entries.iter().map(|entry| Look::first(entry, &known, options, &mut locator)).collect();
    let maps = if options.make_maps { Maps::OfLongFiles } else { Maps::AsTheyCome };
    let inspected = inspect_all(&mut looks, maps, progress);
    let mut saved: BTreeMap<String, IndexedTrack> = BTreeMap::new();
    let tracks: Vec<Track> = looks.into_iter().map(|look| look.finish(&mut saved)).collect();

    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let playlist = Playlist { name, tracks };
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

fn find_playlist(music: &Path, name: &str) -> Result<PathBuf, LoadError> {
    if !music.is_dir() {
        return Err(LoadError::NoMusic(music.to_owned()));
    }
    let file_name = if has_extension(name) { name.to_owned() } else { format!("{name}.m3u8") };
    let path = music.join(file_name);
    if path.is_file() { Ok(path) } else { Err(LoadError::NoPlaylist { path, others: playlists_in(music) }) }
}

fn has_extension(name: &str) -> bool {
    let extension = Path::new(name).extension();
    extension.is_some_and(|extension| ["m3u8", "m3u"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

/// What a playlist is called that is asked for by this name: without folders and extension.
pub fn playlist_name(asked: &str) -> String {
    let path = Path::new(asked);
    let name = if has_extension(asked) { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

fn playlists_in(music: &Path) -> Listing {
    let names = fs::read_dir(music).into_iter().flatten().flatten().filter_map(|entry| {
        let path = PathBuf::from(entry.file_name());
        (path.extension()? == "m3u8").then(|| path.file_stem().unwrap_or_default().to_string_lossy().into_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Listing(names)
}

fn read_entries(path: &Path) -> Result<Vec<Entry>, LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_owned(), error);
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_PLAYLIST_BYTES {
        return Err(LoadError::TooLarge(path.to_owned()));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let entries = parse(&bytes).map_err(|error| LoadError::NotAPlaylist(path.to_owned(), error))?;
    if entries.is_empty() { Err(LoadError::Empty(path.to_owned())) } else { Ok(entries) }
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
}

enum State {
    /// The index answers.
    Known(PathBuf),
    /// The file is to be looked into.
    ToInspect(PathBuf, FileStamp, String),
    Inspected(PathBuf, Box<IndexedTrack>),
    Broken(Problem),
}

impl<'a> Look<'a> {
    fn first(
        entry: &'a Entry,
        known: &HashMap<&str, &'a IndexedTrack>,
        options: &LoadOptions,
        locator: &mut Locator,
    ) -> Self {
        let key = bytes_to_text(&entry.location);
        let known = known.get(key.as_str()).copied();
        let state = match known {
            Some(track) if options.trust_index => State::Known(file_of(track, locator.root())),
            _ => match locator.locate(&entry.location) {
                Located::File(path, stamp) => match known {
                    Some(track) if track.stamp().agrees_with(&stamp) && !options.wants_map(track) => State::Known(path),
                    _ => {
                        let relative = locator.relative(&path);
                        State::ToInspect(path, stamp, relative)
                    }
                },
                Located::Missing => State::Broken(Problem::Missing),
                Located::Outside => State::Broken(Problem::Outside),
                Located::Remote => State::Broken(Problem::Remote),
            },
        };
        Self { entry, key, known, state }
    }

    fn inspect(&mut self, maps: Maps) {
        let State::ToInspect(path, stamp, file) = &self.state else { return };
        self.state = match inspect(path, maps) {
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
        let length = length.or_else(|| extinf?.seconds.map(Length::from_seconds));
        let title = track.as_ref().and_then(|track| track.title.clone());
        let title = title.or_else(|| extinf?.title.clone()).unwrap_or_else(|| file_title(&self.entry.location));
        let map = KnownMap::default();
        if let Some(known) = track.as_ref().and_then(|track| track.map.as_deref()?.parse::<FrameMap>().ok()) {
            map.set(Arc::new(known));
        }
        let made = Track {
            line: self.entry.line,
            location: String::from_utf8_lossy(&self.entry.location).into_owned(),
            content: track.as_ref().filter(|_| problem.is_none()).map(|track| track.content.clone()),
            artist: track.as_ref().and_then(|track| track.artist.clone()),
            channels: track.as_ref().map_or(2, |track| track.channels.clamp(1, 2)),
            map,
            size_bytes: track.as_ref().map_or(0, |track| track.size_bytes),
            path,
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
    let name = percent_encoding::percent_decode(name).decode_utf8_lossy().into_owned();
    let stem = Path::new(&name).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    stem.unwrap_or(name).chars().filter(|letter| !letter.is_control()).collect()
}

fn file_of(track: &IndexedTrack, music: &Path) -> PathBuf {
    // The index is a file like any other: it too may not lead out of the Music folder.
    let bytes = text_to_bytes(&track.file);
    let parts = bytes.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"." | b".."));
    parts.fold(music.to_owned(), |path, part| path.join(OsStr::from_bytes(part)))
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
