//! The place at which playing was stopped, for `-p res`.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a playlist was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The playlist's name.
    pub playlist: String,
    /// The track that played, or was to play next.
    pub track: usize,
    /// How far into it, in seconds.
    pub offset_s: f64,
}

/// Why there is no kept position.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// Nothing was kept yet.
    #[error("no position was kept yet; it is kept when playing is stopped with Ctrl-C")]
    Missing,
    /// There is no place to keep it.
    #[error("there is no folder to keep it in; set XDG_STATE_HOME or HOME")]
    NoFolder,
    /// The file is damaged or of another version.
    #[error("the kept position in {0} is damaged")]
    Damaged(PathBuf),
    /// The file cannot be read or written.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
}

impl Position {
    fn path(folder: Option<&Path>) -> Result<PathBuf, PositionError> {
        Ok(folder.ok_or(PositionError::NoFolder)?.join("position.json"))
    }

    /// Reads what was kept in the state folder.
    ///
    /// # Errors
    /// When nothing was kept, or it cannot be read.
    pub fn read(folder: Option<&Path>) -> Result<Self, PositionError> {
        let path = Self::path(folder)?;
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|_| PositionError::Damaged(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(PositionError::Missing),
            Err(error) => Err(PositionError::Io(path, error)),
        }
    }

    /// Keeps it in the state folder, which is made if need be.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn write(&self, folder: Option<&Path>) -> Result<(), PositionError> {
        let path = Self::path(folder)?;
        let write = || {
            std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
            super::write_atomically(&path, &serde_json::to_vec(self)?)
        };
        write().map_err(|error| PositionError::Io(path.clone(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_damage_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Missing)));
        let position = Position { playlist: "Playlist".to_owned(), track: 3, offset_s: 12.5 };
        position.write(Some(&folder)).unwrap();
        assert_eq!(Position::read(Some(&folder)).unwrap(), position);
        std::fs::write(folder.join("position.json"), "{").unwrap();
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Damaged(_))));
        assert!(matches!(Position::read(None), Err(PositionError::NoFolder)));
    }
}
