//! Where the index of a playlist is saved: beside it, so that it travels with the music; or, where
//! the music can only be read, in a file that this box alone has: that of the playlist read last.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::unistd::{AccessFlags, access};

use super::index::index_path;

/// Where an index may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexPlace {
    /// Beside the playlist.
    beside: PathBuf,
    /// The other file, if the playlist's folder cannot be written to.
    elsewhere: Option<PathBuf>,
}

impl IndexPlace {
    /// Looks where the index of a playlist is to be saved.
    pub(super) fn of(playlist: &Path, elsewhere: Option<&Path>) -> Self {
        let folder = playlist.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::new(playlist, access(folder, AccessFlags::W_OK).is_ok(), elsewhere)
    }

    fn new(playlist: &Path, is_writable: bool, elsewhere: Option<&Path>) -> Self {
        let elsewhere = elsewhere.filter(|_| !is_writable).map(Path::to_owned);
        Self { beside: index_path(playlist), elsewhere }
    }

    /// Returns where the index is saved.
    pub(super) fn saved(&self) -> &Path {
        self.elsewhere.as_deref().unwrap_or(&self.beside)
    }

    /// Returns where it is read: the newer one, if both are there. A card that was written again on a
    /// laptop may have brought one.
    pub(super) fn read(&self) -> &Path {
        let Some(elsewhere) = &self.elsewhere else { return &self.beside };
        let is_newer = modified(elsewhere) >= modified(&self.beside);
        if is_newer && elsewhere.exists() { elsewhere } else { &self.beside }
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn where_music_can_only_be_read_the_index_is_elsewhere_and_the_newer_one_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (music, state) = (folder.path().join("Music"), folder.path().join("state"));
        let list = music.join("Ride.m3u8");
        let (beside, elsewhere) = (music.join("Ride.index.json"), state.join("index.json"));
        for folder in [&music, &state] {
            fs::create_dir(folder).unwrap();
        }
        let writable = IndexPlace::new(&list, true, Some(&elsewhere));
        assert_eq!((writable.saved(), writable.read()), (beside.as_path(), beside.as_path()));
        assert_eq!(IndexPlace::new(&list, false, None).saved(), beside);
        let place = IndexPlace::new(&list, false, Some(&elsewhere));
        assert_eq!((place.saved(), place.read()), (elsewhere.as_path(), beside.as_path()), "none is there yet");
        fs::write(&beside, "").unwrap();
        assert_eq!(place.read(), beside);
        fs::write(&elsewhere, "").unwrap();
        let early = fs::metadata(&elsewhere).unwrap().modified().unwrap() - Duration::from_secs(60);
        fs::File::options().write(true).open(&beside).unwrap().set_modified(early).unwrap();
        assert_eq!(place.read(), elsewhere);
        fs::File::options()
            .write(true)
            .open(&elsewhere)
            .unwrap()
            .set_modified(early - Duration::from_secs(60))
            .unwrap();
        assert_eq!(place.read(), beside, "the card was written again");
    }
}
