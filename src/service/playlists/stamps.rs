//! Sizes and times of everything that matters to a playlist, by which changes are noticed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::source::PlaylistSource;
use super::sticks::sticks_in;
use crate::playlist::{Playlist, folders_in};

/// Size and time of each file and folder that matters; `None` if it does not exist.
pub(super) type Stamps = BTreeMap<PathBuf, Option<(u64, SystemTime)>>;

/// Returns the stamps of everything that matters. That of a folder shows new files in it; the saved
/// index beside the playlist does not count, because this program writes it.
pub(super) fn stamps(source: &PlaylistSource, playlist: Option<&Playlist>) -> Stamps {
    let tracks = playlist.map_or(&[][..], |playlist| &playlist.tracks);
    let files: Vec<PathBuf> = tracks.iter().filter_map(|track| track.path.clone()).collect();
    let mut folders: BTreeSet<PathBuf> = files.iter().filter_map(|file| file.parent().map(Path::to_owned)).collect();
    let sticks = source.sticks.iter().flat_map(|place| sticks_in(place).folders());
    for place in source.folders.iter().cloned().chain(sticks) {
        // What is not played may become a playlist in a folder right in it.
        if !files.iter().any(|file| file.starts_with(&place)) {
            folders.extend(folders_in(&place));
        }
        folders.insert(place);
    }
    // A file in other letter case, or a new one, shows in its folder.
    let names = ["", ".m3u8", ".m3u"].map(|extension| format!("{}{extension}", source.name));
    // The playlist may be in one of the folders, beside its tracks.
    let lists = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
    let sticks = source.sticks.iter().cloned();
    let all = files.iter().cloned().chain(lists).chain(folders.iter().cloned()).chain(sticks);
    all.map(|path| (path.clone(), stamp(&path))).collect()
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = path.metadata().ok()?;
    Some((if metadata.is_dir() { 0 } else { metadata.len() }, metadata.modified().ok()?))
}
