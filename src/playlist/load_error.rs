//! Why a playlist cannot be loaded, in words that say what to do.

use std::path::PathBuf;

use super::ParseError;
use super::places::PassedOver;

/// Why a playlist cannot be loaded. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no Music folder.
    #[error("there is no Music folder at {0}; make one, or name another with --music")]
    NoMusic(PathBuf),
    /// The Music folder exists, but its files may not be listed.
    #[error(
        "the Music folder {0} cannot be read: {1}; let the user that runs this read it, for example with: chmod -R a+rX {0}"
    )]
    MusicDenied(PathBuf, std::io::Error),
    /// There is no such playlist; others may be there.
    #[error("there is no playlist {path}; {others}")]
    NoPlaylist {
        /// Where it was expected.
        path: PathBuf,
        /// The playlists that exist.
        others: Listing,
    },
    /// There is no such playlist, but a file that may be mistaken for it.
    #[error("there is no playlist {path}; {file} {advice}")]
    Mistaken {
        /// Where it was expected.
        path: PathBuf,
        /// The file that exists.
        file: String,
        /// What to do with it.
        advice: &'static str,
    },
    /// The name may mean several files.
    #[error("there is no playlist {path}, and several that differ from it in letter case: {files}; rename one")]
    SeveralPlaylists {
        /// Where it was expected.
        path: PathBuf,
        /// The files it may mean.
        files: String,
    },
    /// It is in several folders of the Music folder, and not in that itself.
    #[error("there is no playlist {path}, and several folders have one: {files}; name one with --playlist-name")]
    InSeveralFolders {
        /// Where it was expected.
        path: PathBuf,
        /// The files, from the Music folder.
        files: String,
    },
    /// It cannot be read.
    #[error("the playlist {0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// It cannot be understood.
    #[error("the playlist {0} cannot be used: {1}")]
    NotAPlaylist(PathBuf, ParseError),
    /// It has no entries.
    #[error("the playlist {0} is empty; write one file name per line into it")]
    Empty(PathBuf),
    /// None of several folders has one.
    #[error("there is no playlist in any of these folders; put a .m3u8 file into one: {}", joined(.0))]
    Nowhere(Vec<PassedOver>),
}

impl LoadError {
    /// Says what is wrong with one of several folders, in words that follow its name and a colon.
    pub fn of_one_folder(&self) -> String {
        match self {
            Self::NoMusic(_) => "there is no such folder".to_owned(),
            Self::MusicDenied(_, error) => format!("it cannot be read: {error}"),
            Self::NoPlaylist { path, others } => {
                let file = path.file_name().unwrap_or_default().to_string_lossy();
                match others.0.as_slice() {
                    [] => format!("it has no {file}"),
                    others => format!("it has no {file}, but {}", others.join(", ")),
                }
            }
            error => error.to_string(),
        }
    }
}

fn joined(folders: &[PassedOver]) -> String {
    folders.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
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
