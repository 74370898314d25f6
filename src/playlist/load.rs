//! Loads a playlist: reads the list and the saved index, and inspects each file that the index does
//! not know.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::choose::{USUAL_NAME, find_playlist, playlist_name};
use super::departure_report::summary;
use super::every_mp3::every_mp3;
use super::index::{Index, IndexError, IndexedTrack};
use super::index_place::IndexPlace;
use super::inspect::Maps;
use super::load_error::LoadError;
use super::load_options::LoadOptions;
use super::locate::Locator;
use super::m3u8::MAX_PLAYLIST_BYTES;
use super::notices::{cut_lengths, cut_off_files, made_one_folder_up, names_like_comments};
use super::pending_track::PendingTrack;
use super::places::{Content, PassedOver, choose, passed_over};
use super::text::bytes_to_text;
use super::{M3u8, Playlist, Track, parse};

/// What loading has produced.
#[derive(Debug)]
pub struct Loaded {
    /// The playlist.
    pub playlist: Playlist,
    /// The folder that it was taken from, as it was named.
    pub folder: PathBuf,
    /// The other folders.
    pub passed_over: Vec<PassedOver>,
    /// The path of its index.
    pub index: PathBuf,
    /// Why the index could not be written, if it could not.
    pub index_error: Option<std::io::Error>,
    /// How many files were inspected; the others were in the index.
    pub inspected: usize,
    /// Problems that did not prevent loading, in words.
    pub warnings: Vec<String>,
    /// Whether there is a playlist; otherwise it is all MP3s.
    pub has_list: bool,
}

/// Receives the progress of inspecting files: bytes read, and bytes to read; both approximate.
pub type Progress<'a> = dyn Fn(u64, u64) + Sync + 'a;

/// Loads the playlist of the first folder that has one. Where none has any at all, and none but the
/// usual one was asked for, that may be all MP3s of the first with some, in the order of their names.
/// The saved index is used for every file whose size and modification time still agree, and rewritten
/// if anything changed; if it cannot be written, that is a warning.
///
/// # Errors
/// When there is no usable playlist. Broken and missing files are not errors: they are silence.
pub fn load(options: &LoadOptions, progress: &Progress<'_>) -> Result<Loaded, LoadError> {
    let (music, Found { path, list, content }, passed_over) = find(options)?;
    let has_list = content == Content::List;
    let entries = &list.entries;
    let mut warnings: Vec<String> =
        list.warnings.iter().map(|warning| format!("the playlist {}: {warning}", path.display())).collect();
    let place = IndexPlace::of(&path, options.index_elsewhere.as_deref());
    let index_file = place.saved().to_owned();
    let index = read_index(place.read(), options, &mut warnings);
    let trusted = index.as_ref().filter(|_| !options.rebuild);
    let known = trusted.map(Index::by_entry).unwrap_or_default();
    let mut locator = Locator::new(music, &path, list.encoding).map_err(|_| LoadError::NoMusic(music.to_owned()))?;
    locator.choose_base(entries.iter().filter(|entry| !entry.is_too_long).map(|entry| entry.location.as_slice()));

    let mut pending: Vec<PendingTrack<'_>> =
        entries.iter().map(|entry| PendingTrack::first(entry, &known, options, &mut locator)).collect();
    if pending.iter().any(PendingTrack::may_be_reconsidered) {
        pending.iter().for_each(|track| track.teach(&mut locator));
    }
    pending.iter_mut().for_each(|track| track.reconsider(&mut locator));
    warnings.extend(names_like_comments(&list, &mut locator));
    let maps = if options.make_maps { Maps::OfLongFiles } else { Maps::AsTheyCome };
    let inspected = inspect_all(&mut pending, maps, progress);
    let mut saved: BTreeMap<String, IndexedTrack> = BTreeMap::new();
    let tracks: Vec<Track> = pending.into_iter().map(|track| track.finish(&mut saved)).collect();

    let playlist = Playlist { name: playlist_name(&options.name), tracks };
    warnings.extend(summary(&playlist.tracks, |track| {
        track.path.as_deref().map(|path| locator.shown(path)).unwrap_or_default()
    }));
    warnings.extend(cut_off_files(&playlist.tracks));
    warnings.extend(cut_lengths(entries, &playlist.tracks));
    warnings.extend(made_one_folder_up(entries, &playlist.tracks, &mut locator));
    let order: HashMap<String, usize> =
        entries.iter().enumerate().map(|(position, entry)| (bytes_to_text(&entry.location), position)).collect();
    let mut saved: Vec<IndexedTrack> = saved.into_values().collect();
    saved.sort_by_key(|track| order.get(&track.entry).copied());
    let new_index = Index::new(playlist.fingerprint().to_string(), saved);
    let is_news = index.as_ref() != Some(&new_index) || place.read() != index_file;
    let may_write = inspected > 0 || !options.trust_index;
    let written = if is_news && may_write { new_index.replace(index.as_ref(), &index_file, &order) } else { Ok(()) };
    if let Err(error) = &written {
        warnings.push(format!(
            "the index {} cannot be written ({error}); everything works without it, only more slowly",
            index_file.display()
        ));
    }
    let index_error = written.err();
    let folder = music.to_owned();
    Ok(Loaded { playlist, folder, passed_over, index: index_file, index_error, inspected, warnings, has_list })
}

/// The list in a folder.
struct Found {
    /// Its file; that of the list that is missing if it is all MP3s.
    path: PathBuf,
    list: M3u8,
    content: Content,
}

/// Returns the folder to take, what is found in it, and the other folders.
fn find(options: &LoadOptions) -> Result<(&Path, Found, Vec<PassedOver>), LoadError> {
    let folders = &options.folders;
    let mut looked = Vec::new();
    for folder in folders {
        looked.push(look(folder, options));
        if matches!(looked.last(), Some(Ok(Found { content: Content::List, .. }))) {
            break;
        }
    }
    let said: Vec<Result<Content, String>> = looked
        .iter()
        .map(|found| found.as_ref().map(|found| found.content).map_err(|error| error.of_one_folder()))
        .collect();
    let taken = choose(&said.iter().map(|content| content.as_ref().ok().copied()).collect::<Vec<_>>());
    let others = passed_over(folders, &said, taken);
    match taken {
        Some(taken) => Ok((&folders[taken], looked.swap_remove(taken)?, others)),
        None => Err(match looked.pop() {
            Some(Err(error)) if folders.len() == 1 => error,
            _ => LoadError::Nowhere(others),
        }),
    }
}

/// Looks for the playlist of one folder, or its MP3s.
fn look(music: &Path, options: &LoadOptions) -> Result<Found, LoadError> {
    match find_playlist(music, &options.name) {
        Ok(path) => Ok(Found { list: read_list(&path)?, path, content: Content::List }),
        Err(error) => every_mp3_instead(music, options, error),
    }
}

/// Returns all MP3s as the playlist that is missing, with where it would be.
fn every_mp3_instead(music: &Path, options: &LoadOptions, error: LoadError) -> Result<Found, LoadError> {
    let LoadError::NoPlaylist { path, others } = error else { return Err(error) };
    let is_wanted = options.every_mp3 && others.0.is_empty() && options.name == USUAL_NAME;
    let mut list = if is_wanted { every_mp3(music) } else { M3u8::default() };
    if list.entries.is_empty() {
        return Err(LoadError::NoPlaylist { path, others });
    }
    let played = match list.entries.len() {
        1 => "the one MP3 of the Music folder is played".to_owned(),
        count => format!("all {count} MP3s of the Music folder are played in the order of their names"),
    };
    list.warnings.push(format!("there is none, so {played}; put one there to choose"));
    Ok(Found { path, list, content: Content::Mp3s })
}

fn read_list(path: &Path) -> Result<M3u8, LoadError> {
    let unreadable = |error| LoadError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed shows that the file is too long.
    file.take(MAX_PLAYLIST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    let list = parse(&bytes).map_err(|error| LoadError::NotAPlaylist(path.to_owned(), error))?;
    if list.entries.is_empty() { Err(LoadError::Empty(path.to_owned())) } else { Ok(list) }
}

fn read_index(path: &Path, options: &LoadOptions, warnings: &mut Vec<String>) -> Option<Index> {
    match Index::read(path) {
        Ok(index) => Some(index),
        Err(_) if options.rebuild => None,
        Err(IndexError::Missing) if !options.trust_index => None,
        Err(error) => {
            warnings.push(format!("the index {} is rebuilt: {error}", path.display()));
            None
        }
    }
}

/// Inspects all files that need it, on all processors. Returns how many there were.
fn inspect_all(tracks: &mut [PendingTrack<'_>], maps: Maps, progress: &Progress<'_>) -> usize {
    let pending: Vec<Mutex<&mut PendingTrack<'_>>> =
        tracks.iter_mut().filter(|track| track.is_pending()).map(Mutex::new).collect();
    let lock =
        |track: &'_ Mutex<&mut PendingTrack<'_>>| track.lock().unwrap_or_else(PoisonError::into_inner).cost_bytes(maps);
    let cost_bytes: u64 = pending.iter().map(lock).sum();
    let (next, done_bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let work = || {
        while let Some(track) = pending.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Only one thread takes each of them.
            let mut track = track.lock().unwrap_or_else(PoisonError::into_inner);
            // No file counts for more than was expected of it, and each counts in full at the end.
            let left_bytes = Cell::new(track.cost_bytes(maps));
            let report = |bytes: u64| {
                let bytes = bytes.min(left_bytes.get());
                left_bytes.set(left_bytes.get() - bytes);
                progress(done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes, cost_bytes);
            };
            track.inspect(maps, &report);
            report(u64::MAX);
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
