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

    /// Returns whether both calibrations know the same of the same setting of the chip. One that was
    /// only carried on, and has learnt from no more samples, is the same.
    pub fn knows_the_same(&self, other: &Self) -> bool {
        let learnt = |state: &Self| {
            let time = state.time.as_ref()?;
            Some((
                time.aging_offset,
                time.stamp,
                time.is_ds3231m,
                time.drifts,
                time.calibration.as_ref().map(|calibration| calibration.samples),
            ))
        };
        learnt(self) == learnt(other)
    }
}

/// Returns which calibration to begin with: one of the chip that is there, saved since it was set
/// last, and of two such the newer.
pub fn newer_time(folder: Option<&SavedTime>, module: Option<&SavedTime>, mark: [u8; 4], stamp: [u8; 3]) -> Origin {
    let Some(module) = module else { return Origin::Folder };
    let of_this_chip =
        folder.filter(|saved| saved.calibration.is_some() && saved.mark.is_none_or(|other| other == mark));
    let known_since = |saved: &SavedTime| (saved.stamp == Some(stamp), saved.utc_s);
    match of_this_chip {
        Some(folder) if known_since(folder) >= known_since(module) => Origin::Folder,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timekeeping::estimate::calibration::{Calibration, FlywheelModel};
    use jaudiosync_time::{Instant, Rtc, Utc};

    const MARK: [u8; 4] = [1, 2, 3, 4];
    const STAMP: [u8; 3] = [5, 6, 7];

    fn saved(utc_s: i64, stamp: [u8; 3], mark: [u8; 4]) -> SavedTime {
        let (rtc, utc) = (Instant::<Rtc>::from_second(utc_s), Instant::<Utc>::from_second(utc_s));
        SavedTime {
            utc_s,
            reference_utc_s: None,
            mark: Some(mark),
            aging_offset: 0,
            stamp: Some(stamp),
            is_ds3231m: false,
            drifts: false,
            calibration: Some(Calibration::new(FlywheelModel::DS3231, rtc, utc, 1e6).save()),
            group: None,
        }
    }

    #[test]
    fn what_was_saved_since_the_chip_was_set_comes_before_what_is_newer() {
        let origin = |folder: &SavedTime, module: &SavedTime| newer_time(Some(folder), Some(module), MARK, STAMP);
        let (old, new) = (saved(100, STAMP, MARK), saved(200, STAMP, MARK));
        assert_eq!((origin(&new, &old), origin(&old, &new)), (Origin::Folder, Origin::Module));
        let before_it_was_set = saved(200, [0; 3], MARK);
        assert_eq!(origin(&before_it_was_set, &old), Origin::Module);
        assert_eq!(origin(&old, &before_it_was_set), Origin::Folder);
        let of_another_chip = saved(300, STAMP, [9; 4]);
        assert_eq!(origin(&of_another_chip, &old), Origin::Module);
        assert_eq!(newer_time(Some(&of_another_chip), None, MARK, STAMP), Origin::Folder);
    }
}
