//! The position at which playing was stopped, for `-p res` and for resuming.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Persistent, Record, RecordError};

/// Where a playlist was stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The playlist's name.
    pub playlist: String,
    /// The track that played, or was to play next.
    pub track: usize,
    /// The position in it, in seconds.
    pub offset_s: f64,
}

/// Why there is no saved position.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// Nothing has been saved yet.
    #[error("no position has been saved yet; stopping with Ctrl-C saves one")]
    Missing,
    /// There is no folder to save it in.
    #[error("there is no folder for the position; set XDG_STATE_HOME or HOME")]
    NoFolder,
    /// The file cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Persistent for Position {
    const FILE: &'static str = "position.json";
    const VERSION: u32 = 1;

    /// The first versions saved it without an envelope.
    fn from_earlier(version: Option<u32>, data: &[u8]) -> Option<Self> {
        version.is_none().then(|| serde_json::from_slice(data).ok()).flatten()
    }
}

impl Position {
    /// Reads the position from the state folder.
    ///
    /// # Errors
    /// If none was saved, or it cannot be read.
    pub fn read(folder: Option<&Path>) -> Result<Self, PositionError> {
        Record::in_folder(folder.ok_or(PositionError::NoFolder)?).read()?.ok_or(PositionError::Missing)
    }

    /// Saves it in the state folder, which is created if necessary.
    ///
    /// # Errors
    /// If it cannot be written; the position saved before stays.
    pub fn write(&self, folder: Option<&Path>) -> Result<(), PositionError> {
        Record::in_folder(folder.ok_or(PositionError::NoFolder)?).write(self)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_comes_back_and_damage_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state");
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Missing)));
        let position = Position { playlist: "Playlist".to_owned(), track: 3, offset_s: 12.5 };
        position.write(Some(&folder)).unwrap();
        assert_eq!(Position::read(Some(&folder)).unwrap(), position);
        std::fs::write(folder.join("position.json"), "{").unwrap();
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Record(RecordError::Damaged { .. }))));
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Missing)));
        assert!(matches!(Position::read(None), Err(PositionError::NoFolder)));
    }

    #[test]
    fn a_position_from_the_first_versions_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let plain = r#"{"playlist":"Ride","track":2,"offset_s":1.5}"#;
        std::fs::write(folder.path().join("position.json"), plain).unwrap();
        let position = Position { playlist: "Ride".to_owned(), track: 2, offset_s: 1.5 };
        assert_eq!(Position::read(Some(folder.path())).unwrap(), position);
    }
}
