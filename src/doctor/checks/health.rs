//! The machine itself: disk, temperature, power supply.

use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};

use super::super::Finding;
use crate::host::Machine;

/// With less free space than this something will soon fail, in MB.
const LITTLE_SPACE_MB: u64 = 50;

/// From this temperature the firmware slows down a Pi's processor (Raspberry Pi documentation,
/// "Frequency management and thermal control": 80 °C; slightly from 60 °C on a 3A+ and 3B+).
const HOT_C: f64 = 80.0;

/// Checks disk, temperature and power supply.
pub fn health(machine: &Machine, state_folder: Option<&Path>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = machine.model().map(|model| Finding::good("machine", model)).into_iter().collect();
    findings.push(disk(state_folder));
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
    let Ok(disk) = statvfs(existing) else {
        return Finding::warning(
            "disk",
            format!("cannot examine the disk of {}", existing.display()),
            "see: df, dmesg",
        );
    };
    #[allow(clippy::unnecessary_cast)] // 32 bits wide on 32-bit ARM
    let free_mb = (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64) / 1_000_000;
    if disk.flags().contains(FsFlags::ST_RDONLY) {
        return Finding::warning(
            "disk",
            format!("{} is read-only: after a power cut the box remembers nothing", folder.display()),
            "if that is not intended, the SD card may be worn out: see dmesg",
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
        let findings = health(&hot, Some(Path::new("/")));
        let level = |check: &str| findings.iter().find(|finding| finding.check == check).map(|finding| finding.level);
        assert_eq!(level("machine"), Some(Level::Good));
        assert_eq!(level("temperature"), Some(Level::Warning));
        assert_eq!(level("power"), Some(Level::Warning));
        assert_eq!(level("disk"), Some(Level::Good));
        assert_eq!(findings[0].text, "Raspberry Pi 3 Model A Plus Rev 1.0");
    }
}
