//! The machine itself: disk, temperature, power supply.

use std::path::Path;

use nix::sys::statvfs::statvfs;

use super::super::Finding;
use crate::control::protocol::{EepromState, StateStatus};
use crate::host::Machine;
use crate::storage::LiesOn;

/// What is on a card that `scripts/image --appliance` has made.
const APPLIANCE: &str = "/usr/local/sbin/jaudiosync-overlay";

/// With less free space than this something will soon fail, in MB.
const LITTLE_SPACE_MB: u64 = 50;

/// From this temperature the firmware slows down a Pi's processor (Raspberry Pi documentation,
/// "Frequency management and thermal control": 80 °C; slightly from 60 °C on a 3A+ and 3B+).
const HOT_C: f64 = 80.0;

/// Checks disk, where the state is saved, temperature and power supply.
pub fn health(machine: &Machine, state: &StateStatus) -> Vec<Finding> {
    let mut findings: Vec<Finding> = machine.model().map(|model| Finding::good("machine", model)).into_iter().collect();
    findings.push(disk(Some(Path::new(&state.folder)).filter(|folder| !folder.as_os_str().is_empty())));
    findings.extend(remembers(machine, state));
    findings.extend(state.trouble().map(|trouble| {
        Finding::warning("state", trouble, "let the service's user write there, or set state.folder to another folder")
    }));
    findings.extend(machine.temperature_c().map(temperature));
    findings.extend(machine.power().map(|power| match (power.is_low, power.was_low, power.was_slowed) {
        (true, ..) => Finding::problem(
            "power",
            "the voltage is too low now",
            "use a supply of 5.1 V and at least 2.5 A, and a short, thick cable; give amplifiers a supply of their own",
        ),
        (false, true, _) => Finding::warning(
            "power",
            "the voltage has been too low at some time since the start",
            "use a supply of 5.1 V and at least 2.5 A, and a short, thick cable; give amplifiers a supply of their own",
        ),
        (false, false, true) => {
            Finding::warning("power", "heat has slowed down the processor since the start", "give the box more air")
        }
        _ => Finding::good("power", "the voltage has been good since the start"),
    }));
    findings
}

fn disk(state_folder: Option<&Path>) -> Finding {
    let Some(folder) = state_folder else {
        return Finding::warning(
            "disk",
            "there is no folder for the state",
            "set STATE_DIRECTORY, XDG_STATE_HOME or HOME",
        );
    };
    // A folder that does not exist yet will be on the disk of the nearest folder above it.
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    if !existing.is_dir() {
        return Finding::warning(
            "disk",
            format!("{} is a file, not a folder: nothing can be saved in {}", existing.display(), folder.display()),
            "set state.folder to a folder, or remove the file",
        );
    }
    let Ok(disk) = statvfs(existing) else {
        return Finding::warning(
            "disk",
            format!("cannot examine the disk of {}", existing.display()),
            "see: df, dmesg",
        );
    };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on 32-bit ARM
    let free_mb = (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64) / 1_000_000;
    // Memory without a limit has no size either.
    if disk.blocks() == 0 && LiesOn::of(existing) != LiesOn::Tmpfs {
        return Finding::warning(
            "disk",
            format!("{} is not on a disk: nothing can be saved in {}", existing.display(), folder.display()),
            "set state.folder to a folder on a disk",
        );
    }
    if free_mb < LITTLE_SPACE_MB {
        return Finding::warning(
            "disk",
            format!("only {free_mb} MB are free"),
            "free some space: journalctl --vacuum-size=50M",
        );
    }
    Finding::good("disk", format!("{} MB free", free_mb))
}

/// Says whether session, volume and calibration survive a power cut.
fn remembers(machine: &Machine, state: &StateStatus) -> Vec<Finding> {
    let eeprom = match (state.eeprom, &state.eeprom_trouble) {
        (EepromState::Used, None) => {
            Some(Finding::good("eeprom", "session, volume and calibration are also saved on the clock module"))
        }
        (EepromState::Used | EepromState::LeftAlone, Some(trouble)) => {
            // On a disk that remembers nothing is lost without it.
            let text = format!("not used: {trouble}");
            Some(Finding::good("eeprom", text))
        }
        _ => None,
    };
    let Some(words) = state.lies_on.words() else { return eeprom.into_iter().collect() };
    let is = format!("{} is {words}", state.folder);
    let place = if state.is_remembered() {
        Finding::good("state", format!("{is}; the EEPROM on the clock module remembers for it"))
    } else {
        let mut remedies = state.remedies();
        if state.lies_on == LiesOn::ReadOnly {
            remedies.push_str("; if that is not intended, the SD card may be worn out: see dmesg");
        } else if machine.has_partition_for(&state.folder) {
            let folder = &state.folder;
            let appliance = match machine.has(Path::new(APPLIANCE)) {
                true => "; if that does not help, run image --appliance on the card again, which keeps the music",
                false => ", or see to it that no overlay covers it (overlayroot's recurse=0)",
            };
            remedies = format!(
                "its own partition is not mounted there, probably because it is damaged: run sudo fsck -y {folder} and \
                 restart the box{appliance}; otherwise {remedies}"
            );
        }
        Finding::warning(
            "state",
            format!("{is}: after a power cut the box has forgotten session, volume and calibration"),
            remedies,
        )
    };
    eeprom.into_iter().chain([place]).collect()
}

fn temperature(celsius: f64) -> Finding {
    if celsius >= HOT_C {
        return Finding::warning(
            "temperature",
            format!("{celsius:.0} °C: heat slows down the processor"),
            "give the box more air",
        );
    }
    Finding::good("temperature", format!("{celsius:.0} °C"))
}

#[cfg(test)]
mod tests {
    use super::super::super::Level;
    use super::*;
    use crate::host::tests::machine;

    #[test]
    fn heat_and_a_weak_supply_are_reported() {
        let (_root, hot) = machine(&[
            ("sys/class/thermal/thermal_zone0/temp", "83500\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n"),
            ("proc/device-tree/model", "Raspberry Pi 3 Model A Plus Rev 1.0\0"),
        ]);
        let state = StateStatus { folder: "/".into(), lies_on: LiesOn::Disk, ..StateStatus::default() };
        let findings = health(&hot, &state);
        let level = |check: &str| findings.iter().find(|finding| finding.check == check).map(|finding| finding.level);
        assert_eq!(level("machine"), Some(Level::Good));
        assert_eq!(level("temperature"), Some(Level::Warning));
        assert_eq!(level("power"), Some(Level::Warning));
        assert_eq!(level("disk"), Some(Level::Good));
        assert_eq!(findings[0].text, "Raspberry Pi 3 Model A Plus Rev 1.0");
    }

    #[test]
    fn a_state_folder_that_is_none_is_named_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let finding = disk(Some(&path));
            let words = format!("{} is a file, not a folder", file.display());
            assert!(finding.level == Level::Warning && finding.text.starts_with(&words), "{finding:?}");
        }
        let finding = disk(Some(Path::new("/proc/nope")));
        assert!(finding.text.starts_with("/proc is not on a disk"), "{finding:?}");
        assert!(!finding.advice.unwrap_or_default().contains("journalctl"));
        assert_eq!(disk(Some(&folder.path().join("not/yet"))).text.split(' ').nth(1), Some("MB"));
    }

    #[test]
    fn a_partition_for_the_state_that_is_not_mounted_is_to_be_mended() {
        let (_root, machine) = machine(&[("etc/fstab", "PARTUUID=4e639091-03 /state ext4 noatime 0 2\n")]);
        let advice = |folder: &str| {
            let state = StateStatus { folder: folder.into(), lies_on: LiesOn::Overlay, ..StateStatus::default() };
            remembers(&machine, &state).pop().and_then(|finding| finding.advice).unwrap()
        };
        assert!(advice("/state").contains("sudo fsck -y /state"));
        assert!(advice("/elsewhere").contains("state.folder"));
    }

    #[test]
    fn what_keeps_the_service_from_saving_is_reported_unless_the_eeprom_remembers() {
        let (_root, machine) = machine(&[]);
        let found = |lies_on, eeprom| {
            let folder_trouble = Some("session.json: no space is left".to_owned());
            let state = StateStatus { folder: "/".into(), lies_on, folder_trouble, eeprom, ..StateStatus::default() };
            health(&machine, &state).into_iter().find(|finding| finding.text.contains("no space is left"))
        };
        let finding = found(LiesOn::Disk, EepromState::Absent).unwrap();
        assert!(finding.level == Level::Warning && finding.advice.is_some(), "{finding:?}");
        assert!(found(LiesOn::Disk, EepromState::Used).is_some());
        assert_eq!(found(LiesOn::ReadOnly, EepromState::Used), None);
    }

    #[test]
    fn a_folder_that_forgets_is_a_warning_with_two_remedies_or_a_note_where_the_eeprom_remembers() {
        let found = |eeprom, trouble: Option<&str>| {
            let state = StateStatus {
                folder: "/var/lib/jaudiosync".into(),
                lies_on: LiesOn::Overlay,
                folder_trouble: None,
                eeprom,
                eeprom_saved_utc_s: None,
                eeprom_trouble: trouble.map(str::to_owned),
            };
            remembers(&machine(&[]).1, &state).pop().unwrap()
        };
        for (eeprom, trouble) in
            [(EepromState::Absent, None), (EepromState::LeftAlone, Some("other")), (EepromState::Used, Some("worn"))]
        {
            let finding = found(eeprom, trouble);
            let fix = finding.advice.unwrap_or_default();
            assert_eq!(finding.level, Level::Warning);
            assert!(fix.contains("EEPROM") && fix.contains("state.folder"), "{fix}");
        }
        let note = found(EepromState::Used, None);
        assert_eq!(note.level, Level::Good);
        assert!(note.text.contains("overlay") && note.text.contains("EEPROM"), "{}", note.text);
    }
}
