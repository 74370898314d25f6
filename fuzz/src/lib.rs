//! What the fuzz targets share.

pub mod frames;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use jaudiosync::panics;
use jaudiosync::playlist::{LoadError, LoadOptions, Loaded, load};
use tempfile::TempDir;

/// The words in the warning that the index of a playlist was refused.
const INDEX_IS_REFUSED: &str = "is rebuilt";

/// A Music folder for one target, made once. `TMPDIR` says where; scripts/fuzz puts it in memory,
/// and removes it.
pub struct MusicFolder(TempDir);

impl MusicFolder {
    /// Makes an empty one.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        expect_caught_panics();
        Self(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    /// Returns its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the path of its playlist's index.
    #[must_use]
    pub fn index(&self) -> PathBuf {
        self.path().join("Playlist.index.json")
    }

    /// Writes a file, and makes the folders that it is in.
    ///
    /// # Panics
    /// When the disk is full.
    pub fn write(&self, name: impl AsRef<OsStr>, contents: &[u8]) {
        let path = self.path().join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("folders can be made");
        fs::write(path, contents).expect("files can be written");
    }

    /// Removes the index, if there is one.
    pub fn forget_index(&self) {
        let _ = fs::remove_file(self.index());
    }

    /// Loads its playlist.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load(&self, how: How) -> Result<Loaded, LoadError> {
        self.load_while(how, || ())
    }

    /// Loads its playlist, and calls `meanwhile` whenever a part of a file was read.
    ///
    /// # Errors
    /// As [`load`].
    pub fn load_while(&self, how: How, meanwhile: impl Fn() + Sync) -> Result<Loaded, LoadError> {
        let options = LoadOptions {
            folders: vec![self.path().to_owned()],
            name: "Playlist".to_owned(),
            index_elsewhere: None,
            every_mp3: true,
            trust_index: how == How::TrustIndex,
            rebuild: how == How::Rebuild,
            make_maps: false,
        };
        load(&options, &|_, _| meanwhile())
    }
}

/// How the index is used when a playlist is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// For the files that it knows.
    UseIndex,
    /// For everything.
    TrustIndex,
    /// For nothing.
    Rebuild,
}

/// Returns whether the index was refused.
#[must_use]
pub fn is_index_refused(loaded: &Loaded) -> bool {
    loaded.warnings.iter().any(|warning| warning.contains(INDEX_IS_REFUSED))
}

/// Hides from the fuzzer the panics that the program catches, as it would otherwise end at every
/// one of them: the decoder's library panics on some damaged frames, and that costs the frame.
///
/// libFuzzer's own hook aborts the process before a panic can be caught. `panics::catch` installs
/// its hook in front of the one that exists when it is first called, which is libFuzzer's, and
/// passes on only panics outside of it. So nothing needs to be filtered here: a panic anywhere else
/// is a finding.
///
/// # Panics
/// When a panic is not caught; usually the process is aborted instead.
fn expect_caught_panics() {
    assert!(panics::catch(|| panic!("a library's panic")).is_err());
}
