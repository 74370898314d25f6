//! What is saved on the clock module.

use crate::storage::{Session, Volume};
use crate::timekeeping::saved::SavedTime;

/// Everything that is saved there.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleState {
    /// The number of the run that wrote it, see [`Run`](crate::storage::Run).
    pub run: u32,
    /// UTC when it was written, in s; `None` if that was not known.
    pub utc_s: Option<i64>,
    /// The mark that the chip had then.
    pub mark: [u8; 4],
    /// The calibration of the chip; `None` if it was never compared with a reference.
    pub time: Option<SavedTime>,
    /// The session; `None` if nothing played.
    pub session: Option<Session>,
    /// The volume; `None` if it was never set.
    pub volume: Option<Volume>,
}

/// What the service should begin with, as far as the clock module has a part in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The number of this run.
    pub run: u32,
    /// Whether the clock module was written to in a later run than the state folder.
    pub is_newer: bool,
    /// The session that it holds.
    pub session: Option<Session>,
    /// The volume that it holds.
    pub volume: Option<Volume>,
}

impl ModuleState {
    /// Returns whether both have the same session, volume and mark.
    pub fn plays_the_same(&self, other: &Self) -> bool {
        (self.mark, &self.session, self.volume) == (other.mark, &other.session, other.volume)
    }

    /// Returns whether both calibrations know the same. One that was only carried on, and has
    /// learnt from no more samples, is the same.
    pub fn knows_the_same(&self, other: &Self) -> bool {
        let learnt = |state: &Self| {
            let time = state.time.as_ref()?;
            Some((time.aging_offset, time.calibration.as_ref().map(|calibration| calibration.samples)))
        };
        learnt(self) == learnt(other)
    }
}

/// Returns which calibration to begin with: one of the chip that is there, and of two the newer.
pub fn newer_time(folder: Option<&SavedTime>, module: Option<&SavedTime>, mark: [u8; 4]) -> Origin {
    let Some(module) = module else { return Origin::Folder };
    let of_this_chip =
        folder.filter(|saved| saved.calibration.is_some() && saved.mark.is_none_or(|other| other == mark));
    match of_this_chip {
        Some(folder) if folder.utc_s >= module.utc_s => Origin::Folder,
        _ => Origin::Module,
    }
}

/// Where something comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The state folder.
    Folder,
    /// The clock module.
    Module,
}
