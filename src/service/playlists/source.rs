//! Where a box takes its music from.

use std::path::{Path, PathBuf};

use super::sticks::{StickReport, Sticks, sticks_in};
use crate::playlist::{LoadError, LoadOptions, Loaded, PassedOver, Progress, load};

/// The index of a playlist that can only be read, in the state folder.
const INDEX: &str = "index.json";

/// The same of a stick, so that the index of the box's own music is still there afterwards.
const STICK_INDEX: &str = "stick.index.json";

/// Which playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaylistSource {
    /// The Music folder; of several the first that has a playlist counts.
    pub folders: Vec<PathBuf>,
    /// The playlist's name, with or without `.m3u8` or `.m3u`.
    pub name: String,
    /// Where sticks are mounted, which come before the folders; `None` if they do not count.
    pub sticks: Option<PathBuf>,
}

/// How the playlist of a source is read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading<'a> {
    /// Where the index is saved if the music can only be read.
    pub state_folder: Option<&'a Path>,
    /// Whether all MP3s of a folder may take the place of a playlist.
    pub every_mp3: bool,
    /// See [`LoadOptions::trust_index`].
    pub trust_index: bool,
    /// See [`LoadOptions::rebuild`].
    pub rebuild: bool,
    /// See [`LoadOptions::make_maps`].
    pub make_maps: bool,
}

/// What was read.
pub struct Read {
    /// Every stick that is in.
    pub sticks: Vec<StickReport>,
    /// The playlist.
    pub loaded: Result<Loaded, LoadError>,
    /// The stick that it is from, if it is from one.
    pub stick: Option<String>,
}

impl PlaylistSource {
    /// Reads the playlist of a stick or, if none has any music, of the folders.
    pub fn read(&self, how: Reading<'_>, progress: &Progress<'_>) -> Read {
        let sticks = self.sticks.as_deref().map(sticks_in).unwrap_or_default();
        let folders = sticks.folders();
        let mut passed_over = Vec::new();
        if !folders.is_empty() {
            // On a stick all MP3s are always as good as a playlist: it was put in to be heard.
            let how = Reading { every_mp3: true, ..how };
            match load(&self.options(folders, how, STICK_INDEX), progress) {
                Ok(loaded) => {
                    let stick = sticks.name_of(&loaded.folder);
                    return Read {
                        sticks: sticks.reports(Some(&loaded), &loaded.passed_over),
                        loaded: Ok(loaded),
                        stick,
                    };
                }
                Err(LoadError::Nowhere(why)) => passed_over = why,
                Err(error) => passed_over = sticks.all_passed_over(&error),
            }
        }
        let loaded = load(&self.options(self.folders.clone(), how, INDEX), progress);
        Read { sticks: sticks.reports(None, &passed_over), loaded, stick: None }
    }

    fn options(&self, folders: Vec<PathBuf>, how: Reading<'_>, index: &str) -> LoadOptions {
        LoadOptions {
            folders,
            name: self.name.clone(),
            index_elsewhere: how.state_folder.map(|folder| folder.join(index)),
            every_mp3: how.every_mp3,
            trust_index: how.trust_index,
            rebuild: how.rebuild,
            make_maps: how.make_maps,
        }
    }
}

impl Sticks {
    fn all_passed_over(&self, error: &LoadError) -> Vec<PassedOver> {
        let why = error.of_one_folder();
        let of = |folder| PassedOver { folder, why: why.clone(), is_spare: false };
        self.folders().into_iter().map(of).collect()
    }
}

/// Says why there is no playlist, for those who read a configuration: names its keys.
pub fn in_words(error: &LoadError) -> String {
    match error {
        LoadError::NoMusic(folder) => {
            format!("there is no Music folder at {}; make one, or set playlist.folder", folder.display())
        }
        LoadError::NoPlaylist { path, others } if !others.0.is_empty() => {
            format!("there is no playlist {}; set playlist.name to one of: {}", path.display(), others.0.join(", "))
        }
        LoadError::InSeveralFolders { path, files } => {
            format!("there is no playlist {}; set playlist.name to one of: {files}", path.display())
        }
        error => error.to_string(),
    }
}
