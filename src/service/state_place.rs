//! Where the state is saved, for the status and the log: the state folder with what it is on, and
//! the memory on the clock module; and in which run the folder was used last.

use std::path::Path;

use crate::control::protocol::{EepromState, StateStatus};
use crate::storage::{LiesOn, Record, Run, StatePlace};
use crate::timekeeping::clock_module::ModuleReport;

/// What to do where the state folder forgets.
const REMEDIES: &str = "use a clock module with an EEPROM, as most with a DS3231 have, or set state.folder to a \
                            folder on a partition that can be written to";

/// The folders in which the unit lets the service write.
const WRITABLE: [&str; 2] = ["/var/lib/jaudiosync", "/srv/jaudiosync"];

/// Returns the status of both places.
pub fn state_status(place: Option<&StatePlace>, module: ModuleReport) -> StateStatus {
    let (eeprom, saved_utc_s, trouble) = match module {
        ModuleReport::Unknown => (EepromState::Unknown, None, None),
        ModuleReport::Absent => (EepromState::Absent, None, None),
        ModuleReport::LeftAlone(why) => (EepromState::LeftAlone, None, Some(why)),
        ModuleReport::Used { saved_utc_s, trouble } => (EepromState::Used, saved_utc_s, trouble),
    };
    StateStatus {
        folder: place.map_or_else(String::new, |place| place.folder.display().to_string()),
        lies_on: place.map_or(LiesOn::Unknown, |place| place.lies_on),
        folder_trouble: None,
        eeprom,
        eeprom_saved_utc_s: saved_utc_s,
        eeprom_trouble: trouble,
    }
}

/// Returns in which run the state folder was last used; 0 if in none. A damaged record counts as
/// none.
pub fn last_run(folder: Option<&Path>) -> u32 {
    let read = |folder| Record::<Run>::in_folder(folder).read();
    match folder.map_or(Ok(None), read) {
        Ok(run) => run.unwrap_or_default().number,
        Err(error) => {
            log::warn!("{error}");
            0
        }
    }
}

/// Logs where the state is saved if that forgets.
pub(super) fn log_state_place(state: &StateStatus) {
    if let Some(warning) = state.warning() {
        log::warn!("{warning}");
    } else if let Some(words) = state.lies_on.words() {
        log::info!("the state folder {} is {words}; the clock module's EEPROM remembers for it", state.folder);
    }
}

impl StateStatus {
    /// Returns whether the EEPROM on the clock module remembers what the folder forgets.
    pub fn is_remembered(&self) -> bool {
        self.eeprom == EepromState::Used && self.eeprom_trouble.is_none()
    }

    /// Returns why nothing can be saved, unless the EEPROM remembers it.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.folder_trouble.as_ref().filter(|_| !(self.lies_on.forgets() && self.is_remembered()))?;
        Some(format!("the state cannot be saved, so a power cut would lose it: {trouble}"))
    }

    /// Returns what to do where the folder forgets.
    pub fn remedies(&self) -> String {
        let folder = &self.folder;
        let is_closed = !WRITABLE.iter().any(|writable| Path::new(folder).starts_with(writable));
        if self.lies_on == LiesOn::ReadOnly && is_closed {
            // So the unit's sandbox shows a partition on which others can write.
            return format!(
                "if others can write there, let the service, too: sudo systemctl edit jaudiosync, with \
                 ReadWritePaths={folder} below [Service]; otherwise {REMEDIES}"
            );
        }
        REMEDIES.to_owned()
    }

    /// Returns what is wrong with where the state is saved, and what to do about it.
    pub fn warning(&self) -> Option<String> {
        let words = self.lies_on.words().filter(|_| !self.is_remembered())?;
        let folder = &self.folder;
        let module = match (&self.eeprom, &self.eeprom_trouble) {
            (EepromState::Used, Some(trouble)) => format!(", and the clock module's EEPROM cannot be used: {trouble}"),
            _ => String::new(),
        };
        Some(format!(
            "the state folder {folder} is {words}{module}: after a power cut the box has forgotten session, volume \
             and calibration; {}",
            self.remedies()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_folder_that_forgets_is_a_warning_only_where_nothing_else_remembers() {
        let used =
            |trouble: Option<&str>| ModuleReport::Used { saved_utc_s: None, trouble: trouble.map(str::to_owned) };
        let warning = |lies_on, module| {
            let place = StatePlace { folder: PathBuf::from("/var/lib/jaudiosync"), lies_on };
            state_status(Some(&place), module).warning()
        };
        for lies_on in [LiesOn::Overlay, LiesOn::Tmpfs, LiesOn::ReadOnly] {
            let said = warning(lies_on, ModuleReport::Absent).unwrap();
            assert!(said.contains("state.folder") && said.contains("EEPROM") && said.contains("/var/lib"), "{said}");
            assert_eq!(warning(lies_on, used(None)), None);
            assert!(warning(lies_on, used(Some("worn out"))).unwrap().contains("worn out"));
        }
        assert_eq!(warning(LiesOn::Disk, ModuleReport::Absent), None);
        assert_eq!(warning(LiesOn::Unknown, ModuleReport::Unknown), None);
    }

    #[test]
    fn a_folder_that_the_sandbox_closes_can_be_opened() {
        let remedies = |folder: &str, lies_on| {
            let place = StatePlace { folder: PathBuf::from(folder), lies_on };
            state_status(Some(&place), ModuleReport::Absent).remedies()
        };
        assert!(remedies("/mnt/data/box", LiesOn::ReadOnly).contains("ReadWritePaths=/mnt/data/box below"));
        for (folder, lies_on) in [
            ("/var/lib/jaudiosync", LiesOn::ReadOnly),
            ("/srv/jaudiosync/state", LiesOn::ReadOnly),
            ("/mnt/data/box", LiesOn::Overlay),
        ] {
            assert_eq!(remedies(folder, lies_on), REMEDIES, "{folder}");
        }
    }
}
