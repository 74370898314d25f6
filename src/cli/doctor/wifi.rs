//! Asks the Wi-Fi devices whether they save power.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::doctor::checks::{WifiSeen, power_save};
use crate::host::Machine;

/// Where Debian has `iw`. A user's `PATH` has no `/usr/sbin`.
const IW: [&str; 2] = ["/usr/sbin/iw", "/sbin/iw"];

/// Returns the machine's Wi-Fi devices. `iw`, which Raspberry Pi OS has, asks the kernel over
/// netlink; no file shows it.
pub(super) fn read(machine: &Machine) -> Vec<WifiSeen> {
    let iw = IW.into_iter().find(|iw| Path::new(iw).exists());
    let asked = |name: &str| {
        let mut command = Command::new(iw?);
        command.args(["dev", name, "get", "power_save"]).stdin(Stdio::null()).stderr(Stdio::null());
        power_save(&String::from_utf8_lossy(&command.output().ok()?.stdout))
    };
    let devices = machine.wifi_devices().into_iter();
    devices.map(|name| WifiSeen { saves_power: asked(&name), name }).collect()
}
