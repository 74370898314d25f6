//! Finds the file that a playlist's entry means, inside the Music folder and never outside it.
//!
//! A file that is named exactly as the entry is written is taken. If there is none, the entry is
//! read in other ways ([`readings`]), and names are compared without regard to case and to how
//! accents are composed ([`Folders`]): the closest name wins, and if several differ in case, none
//! does.
//!
//! An absolute path is found by its end: `/home/me/Music/Rock/a.mp3` is tried as
//! `home/me/Music/Rock/a.mp3`, then `me/Music/Rock/a.mp3`, and so on to `a.mp3`; likewise a path
//! that leads out of the Music folder (`../Rock/a.mp3`). A relative path says where its file is,
//! from the playlist's folder or, for a list as a whole ([`Locator::choose_base`]), from the Music
//! folder, and another file of the same name is never taken for it.

mod search;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;

use self::search::Search;
use super::departure::Departure;
use super::folders::{Folders, Wanted};
use super::readings::{Origin, Reading, as_written, is_remote, is_too_long, readings};
use super::stamp::FileStamp;
use super::text::{bytes_to_text, decode, shown_path, text_to_bytes};

/// What an entry leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Located {
    /// An existing regular file inside the Music folder.
    File(Found),
    /// No such file.
    Missing,
    /// The entry may mean several files: these, within the Music folder.
    Ambiguous(Vec<String>),
    /// The entry leads out of the Music folder.
    Outside,
    /// The entry is a network address.
    Remote,
    /// The entry has more folders than any path that is searched for.
    TooLong,
}

/// A file, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub path: PathBuf,
    pub stamp: FileStamp,
    /// How its name differs from the entry; empty if it does not.
    pub departures: BTreeSet<Departure>,
    /// If the file was found by its name alone: the folders that the path had, to be compared with
    /// those of other entries.
    pub dropped: Option<Folder>,
}

/// The folders of an absolute path, in a form that compares without regard to case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Folder(Vec<Vec<u8>>);

/// Finds the files of entries in one Music folder.
pub(super) struct Locator {
    root: PathBuf,
    /// The playlist's own folder, where relative paths begin: the Music folder or one in it, as its
    /// parts.
    playlist_folder: Vec<Vec<u8>>,
    /// Whether relative paths that lead nowhere from there are tried from the Music folder; see
    /// [`Locator::choose_base`].
    tries_music_folder: bool,
    encoding: Option<&'static Encoding>,
    /// Folders that were looked up, and whether they are inside: asking the system for every file
    /// would take as long as everything else together.
    inside: HashMap<PathBuf, Option<bool>>,
    folders: Folders,
    /// Folders of absolute paths that correspond to the Music folder here, as files found in their
    /// subfolders show.
    music_folders: HashSet<Folder>,
}

impl Locator {
    /// Makes a locator for `music`, the Music folder, which exists, and `playlist`, a file in it or
    /// in one of its folders; `encoding` is that of the names if the playlist declares it.
    pub(super) fn new(music: &Path, playlist: &Path, encoding: Option<&'static Encoding>) -> std::io::Result<Self> {
        let root = music.canonicalize()?;
        let folder = playlist.parent().and_then(|folder| folder.canonicalize().ok());
        let parts = folder.as_deref().and_then(|folder| folder.strip_prefix(&root).ok()).unwrap_or(Path::new(""));
        let playlist_folder = parts.iter().map(|part| part.as_bytes().to_vec()).collect();
        Ok(Self {
            root,
            playlist_folder,
            tries_music_folder: false,
            encoding,
            inside: HashMap::new(),
            folders: Folders::default(),
            music_folders: HashSet::new(),
        })
    }

    /// Decides for a playlist as a whole where its relative paths begin. Some programs keep
    /// playlists in a folder of the Music folder and write paths relative to the Music folder
    /// itself. A list is read that way only if none of its lines names a file relative to the
    /// playlist's own folder: otherwise a file that is missing there would be replaced by another
    /// of the same name.
    pub(super) fn choose_base<'a>(&mut self, mut locations: impl Iterator<Item = &'a [u8]>) {
        self.tries_music_folder = false;
        self.tries_music_folder =
            !self.playlist_folder.is_empty() && !locations.any(|location| self.is_found_in_own_folder(location));
    }

    fn is_found_in_own_folder(&mut self, location: &[u8]) -> bool {
        if is_remote(location) {
            return false;
        }
        let path = as_written(location).and_then(|reading| self.path_as_written(&reading));
        if path.is_some_and(|path| matches!(self.look(&path), Some(Ok(_)))) {
            return true;
        }
        let readings = readings(location, self.encoding);
        let wanted: Vec<(&Reading, Wanted<'_>)> =
            readings.iter().map(|reading| (reading, Wanted::new(&reading.parts))).collect();
        Search::new(self).in_own_folder(&wanted).is_some()
    }

    /// Returns the path of a located file within the Music folder, in the notation of the index.
    pub(super) fn relative(&self, path: &Path) -> String {
        bytes_to_text(path.strip_prefix(&self.root).unwrap_or(path).as_os_str().as_bytes())
    }

    /// Returns the path of a file within the Music folder, fit to be shown.
    pub(super) fn shown(&self, path: &Path) -> String {
        shown_path(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// Returns the path of a file that the index names, within the Music folder.
    pub(super) fn path_of(&self, relative: &str) -> PathBuf {
        // The index is a file like any other: it must not lead out of the Music folder either.
        let bytes = text_to_bytes(relative);
        let parts = bytes.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"." | b".."));
        parts.fold(self.root.clone(), |path, part| path.join(OsStr::from_bytes(part)))
    }

    /// Returns whether the Music folder has a file that the index names.
    pub(super) fn has(&mut self, relative: &str) -> bool {
        let path = self.path_of(relative);
        matches!(self.look(&path), Some(Ok(_)))
    }

    /// Finds the file that an entry means.
    pub(super) fn locate(&mut self, location: &[u8]) -> Located {
        if is_remote(location) {
            return Located::Remote;
        }
        let mut leads_outside = false;
        if let Some(path) = as_written(location).and_then(|reading| self.path_as_written(&reading)) {
            match self.look(&path) {
                Some(Ok(metadata)) => return found(path, &metadata, BTreeSet::new()),
                Some(Err(Escapes)) => leads_outside = true,
                None => {}
            }
        }
        let readings = readings(location, self.encoding);
        let wanted: Vec<(&Reading, Wanted<'_>)> =
            readings.iter().map(|reading| (reading, Wanted::new(&reading.parts))).collect();
        let mut search = Search::new(self);
        let located = search.relative(&wanted).or_else(|| search.tails(&wanted));
        leads_outside |= search.leads_outside;
        let climbs =
            |reading: &Reading| matches!(reading.origin, Origin::Playlist { up } if up > self.playlist_folder.len());
        match located {
            Some(located) => located,
            None if leads_outside || readings.iter().any(climbs) => Located::Outside,
            None if is_too_long(location) => Located::TooLong,
            None => Located::Missing,
        }
    }

    /// Returns the first folder of a relative path whose file is found without that folder.
    pub(super) fn found_without_first_folder(&mut self, location: &[u8]) -> Option<String> {
        let readings = readings(location, self.encoding).into_iter();
        let mut relative = readings.filter(|reading| reading.origin == Origin::Playlist { up: 0 });
        relative.find_map(|reading| {
            let (first, rest) = reading.parts.split_first()?;
            let path = self
                .playlist_folder
                .iter()
                .chain(rest)
                .fold(self.root.clone(), |path, part| path.join(OsStr::from_bytes(part)));
            self.look(&path)?.ok()?;
            Some(decode(first).into_owned())
        })
    }

    /// Returns whether files of other folders in the same path show that its Music folder is
    /// further up, so that a file that was found by its name alone is a different one.
    pub(super) fn lies_deeper(&self, dropped: &Folder) -> bool {
        let above = |length: usize| Some(Folder(dropped.0.get(..length)?.to_vec()));
        (0..dropped.0.len()).filter_map(above).any(|above| self.music_folders.contains(&above))
    }

    /// Remembers what is above the last `kept` parts of an absolute path that was found by them:
    /// the Music folder, if a folder is among them. For a file name alone, returns what was above
    /// it.
    fn learn(&mut self, reading: &Reading, wanted: &Wanted<'_>, kept: usize) -> Option<Folder> {
        if reading.origin != Origin::Root {
            return None;
        }
        let above = Folder(wanted.first_keys(wanted.len().saturating_sub(kept)).to_vec());
        if kept == 1 {
            return Some(above);
        }
        self.music_folders.insert(above);
        None
    }

    /// Returns the place that a relative path names, if it is in the Music folder.
    fn path_as_written(&self, reading: &Reading) -> Option<PathBuf> {
        let Origin::Playlist { up } = reading.origin else { return None };
        let folder = self.playlist_folder.get(..self.playlist_folder.len().checked_sub(up)?)?;
        let parts = folder.iter().chain(&reading.parts);
        Some(parts.fold(self.root.clone(), |path, part| path.join(OsStr::from_bytes(part))))
    }

    /// Returns why the file that an entry names exactly may not be accessed, if that is so: it may
    /// exist.
    pub(super) fn denied(&self, location: &[u8]) -> Option<String> {
        let path = self.path_as_written(&as_written(location)?)?;
        let error = fs::symlink_metadata(path).err()?;
        (error.kind() == std::io::ErrorKind::PermissionDenied).then(|| error.to_string())
    }

    /// Returns whether there is a regular file, and whether it lies inside.
    fn look(&mut self, path: &Path) -> Option<Result<fs::Metadata, Escapes>> {
        let metadata = fs::symlink_metadata(path).ok()?;
        let folder = if metadata.is_symlink() { path.canonicalize().ok()? } else { path.parent()?.to_owned() };
        let is_inside = self.is_inside(folder)?;
        let metadata = if metadata.is_symlink() { fs::metadata(path).ok()? } else { metadata };
        if !metadata.is_file() {
            return None;
        }
        Some(if is_inside { Ok(metadata) } else { Err(Escapes) })
    }

    fn is_inside(&mut self, folder: PathBuf) -> Option<bool> {
        is_inside(&self.root, &mut self.inside, folder)
    }
}

fn is_inside(root: &Path, known: &mut HashMap<PathBuf, Option<bool>>, folder: PathBuf) -> Option<bool> {
    *known.entry(folder).or_insert_with_key(|folder| Some(folder.canonicalize().ok()?.starts_with(root)))
}

fn found(path: PathBuf, metadata: &fs::Metadata, departures: BTreeSet<Departure>) -> Located {
    Located::File(Found { path, stamp: FileStamp::of(metadata), departures, dropped: None })
}

/// A symbolic link that leads out of the Music folder.
struct Escapes;

#[cfg(test)]
mod tests;
