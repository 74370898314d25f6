//! The place at which playing was stopped, for `-p res` and for resuming.

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
    /// The file cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Persistent for Position {
    const FILE: &'static str = "position.json";
    const VERSION: u32 = 1;

    /// The first programs kept it without an envelope.
    fn from_earlier(version: Option<u32>, data: &[u8]) -> Option<Self> {
        version.is_none().then(|| serde_json::from_slice(data).ok()).flatten()
    }
}

impl Position {
    /// Reads what was kept in the state folder.
    ///
    /// # Errors
    /// When nothing was kept, or it cannot be read.
    pub fn read(folder: Option<&Path>) -> Result<Self, PositionError> {
        Record::in_folder(folder.ok_or(PositionError::NoFolder)?).read()?.ok_or(PositionError::Missing)
    }

    /// Keeps it in the state folder, which is made if need be.
    ///
    /// # Errors
    /// When it cannot be written; what was kept before stays.
    pub fn write(&self, folder: Option<&Path>) -> Result<(), PositionError> {
        Record::in_folder(folder.ok_or(PositionError::NoFolder)?).write(self)?;
        Ok(())
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
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Record(RecordError::Damaged { .. }))));
        assert!(matches!(Position::read(Some(&folder)), Err(PositionError::Missing)));
        assert!(matches!(Position::read(None), Err(PositionError::NoFolder)));
    }

    #[test]
    fn what_the_first_programs_kept_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let plain = r#"{"playlist":"Ride","track":2,"offset_s":1.5}"#;
        std::fs::write(folder.path().join("position.json"), plain).unwrap();
        let position = Position { playlist: "Ride".to_owned(), track: 2, offset_s: 1.5 };
        assert_eq!(Position::read(Some(folder.path())).unwrap(), position);
    }
}
