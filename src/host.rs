//! The machine as the files of `/proc`, `/sys` and the boot partition show it, below a root that
//! tests replace. `doctor`, `setup` and the service use it.

pub mod boot_config;
pub mod hats;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// The boot configuration: below `/boot/firmware` since Raspberry Pi OS 12, below `/boot` before
/// that.
const BOOT_CONFIGS: [&str; 2] = ["boot/firmware/config.txt", "boot/config.txt"];

/// Programs that set or steer the system clock: their name in `/proc/PID/comm`, which the kernel
/// cuts to 15 bytes, and their package.
const TIME_DAEMONS: [(&str, &str); 7] = [
    ("chronyd", "chrony"),
    ("ntpd", "ntpsec"),
    ("openntpd", "openntpd"),
    ("systemd-timesyn", "systemd-timesyncd"),
    ("ptp4l", "linuxptp"),
    ("phc2sys", "linuxptp"),
    ("timemaster", "linuxptp"),
];

/// Bits of the firmware's `get_throttled` (Raspberry Pi documentation, "vcgencmd"): now, and since
/// the start.
const UNDER_VOLTAGE_NOW: u32 = 1;
const UNDER_VOLTAGE_SINCE: u32 = 1 << 16;
const TOO_HOT_SINCE: u32 = (1 << 17) | (1 << 18) | (1 << 19);

/// What the firmware reports about the power supply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Power {
    /// Whether the voltage is too low now.
    pub is_low: bool,
    /// Whether it has been too low since the start.
    pub was_low: bool,
    /// Whether heat has slowed down the processor since the start.
    pub was_slowed: bool,
}

/// At this temperature the firmware slows down the processor, and below the second it is cool
/// again, in °C.
const HOT_C: f64 = 80.0;
const COOL_C: f64 = 75.0;

/// Returns whether the processor is too hot, given whether it was before.
pub fn is_hot(was_hot: bool, celsius: f64) -> bool {
    if was_hot { celsius > COOL_C } else { celsius >= HOT_C }
}

/// What is wrong with the machine itself, for those who may not wait for its files.
#[derive(Debug, Default)]
pub struct Health {
    is_low: AtomicBool,
    is_hot: AtomicBool,
}

impl Health {
    /// Notes what was read; what could not be read stays as it was.
    pub fn note(&self, power: Option<Power>, celsius: Option<f64>) {
        if let Some(power) = power {
            self.is_low.store(power.is_low, Ordering::Relaxed);
        }
        if let Some(celsius) = celsius {
            self.is_hot.store(is_hot(self.is_hot(), celsius), Ordering::Relaxed);
        }
    }

    /// Returns whether the voltage is too low.
    pub fn is_low(&self) -> bool {
        self.is_low.load(Ordering::Relaxed)
    }

    /// Returns whether the processor is too hot.
    pub fn is_hot(&self) -> bool {
        self.is_hot.load(Ordering::Relaxed)
    }
}

/// A machine, as its files show it.
#[derive(Debug, Clone)]
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Makes the machine whose files are below this folder: `/`, except in tests.
    pub fn below(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn read(&self, path: &str) -> Option<String> {
        let bytes = fs::read(self.root.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).trim_matches(['\0', '\n', ' ']).to_owned())
    }

    /// Returns the name of the model, such as `Raspberry Pi 3 Model A Plus Rev 1.0`; `None` on a
    /// PC.
    pub fn model(&self) -> Option<String> {
        self.read("proc/device-tree/model")
    }

    /// Returns the host name, such as `box-7`.
    pub fn host_name(&self) -> Option<String> {
        self.read("proc/sys/kernel/hostname")
    }

    /// Returns the machine ID, which differs on every installation (machine-id(5)).
    pub fn machine_id(&self) -> Option<String> {
        self.read("etc/machine-id")
    }

    /// Returns the boot configuration's path and text; `None` if there is none, as on a PC.
    pub fn boot_config(&self) -> Option<(PathBuf, String)> {
        BOOT_CONFIGS.iter().find_map(|path| Some((Path::new("/").join(path), self.read(path)?)))
    }

    /// Returns how the HAT describes itself in its EEPROM; `None` if there is none that does.
    pub fn hat_product(&self) -> Option<String> {
        self.read("proc/device-tree/hat/product")
    }

    /// Returns whether there is a boot configuration that turns on the header's I2C bus.
    pub fn has_i2c(&self) -> bool {
        self.boot_config().is_some_and(|(_, text)| boot_config::has_i2c(&text))
    }

    /// Returns whether a file or device file exists.
    pub fn has(&self, path: &Path) -> bool {
        self.root.join(path.strip_prefix("/").unwrap_or(path)).exists()
    }

    /// Returns whether a partition is to be mounted on this folder, which is not the root (fstab(5)).
    pub fn has_partition_for(&self, folder: &str) -> bool {
        let table = self.read("etc/fstab").unwrap_or_default();
        let folder = folder.trim_end_matches('/');
        let mut fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        !folder.is_empty()
            && fields.any(|fields| match fields[..] {
                [device, place, kind, ..] => {
                    let is_disk = !device.starts_with('#') && !["tmpfs", "ramfs", "overlay"].contains(&kind);
                    is_disk && place.trim_end_matches('/') == folder
                }
                _ => false,
            })
    }

    /// Returns the kernel's driver that holds the RTC on this bus, if any, such as `rtc-ds1307`.
    pub fn kernel_rtc_driver(&self, bus: &Path) -> Option<String> {
        let number = bus.to_str()?.rsplit_once('-')?.1;
        let driver = self.root.join(format!("sys/bus/i2c/devices/{number}-0068/driver"));
        Some(fs::read_link(driver).ok()?.file_name()?.to_string_lossy().into_owned())
    }

    /// Returns the packages of the running programs that set or steer the system clock.
    pub fn time_daemons(&self) -> Vec<&'static str> {
        let processes = fs::read_dir(self.root.join("proc")).into_iter().flatten().flatten();
        let names: Vec<String> = processes
            .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|letter| letter.is_ascii_digit()))
            .filter_map(|entry| Some(fs::read_to_string(entry.path().join("comm")).ok()?.trim().to_owned()))
            .collect();
        let runs = |comm: &str| names.iter().any(|name| name == comm);
        let mut daemons: Vec<&str> =
            TIME_DAEMONS.iter().filter(|(comm, _)| runs(comm)).map(|(_, package)| *package).collect();
        daemons.dedup();
        // It runs only at boot and at shutdown, so no process shows it; the package's drop-in
        // prevents both.
        let is_there = |path: &str| self.has(Path::new(path));
        let is_prevented = is_there("/etc/jaudiosync/keeps-the-clock");
        if is_there("/etc/fake-hwclock.data") && is_there("/usr/sbin/fake-hwclock") && !is_prevented {
            daemons.push("fake-hwclock");
        }
        daemons
    }

    /// Returns the names of the Wi-Fi devices, such as `wlan0`.
    pub fn wifi_devices(&self) -> Vec<String> {
        let devices = fs::read_dir(self.root.join("sys/class/net")).into_iter().flatten().flatten();
        let devices = devices.filter(|device| device.path().join("phy80211").exists());
        let mut names: Vec<String> = devices.filter_map(|device| device.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Returns whether there is Wi-Fi, and the kernel does not know in which country: Raspberry Pi
    /// OS then keeps the radio off. `raspi-config` sets it on the kernel's command line.
    pub fn lacks_wifi_country(&self) -> bool {
        let country = self.read("sys/module/cfg80211/parameters/ieee80211_regdom");
        let is_told = |line: &str| line.split_whitespace().any(|word| word.starts_with("cfg80211.ieee80211_regdom="));
        country.is_some_and(|country| country == "00") && !self.read("proc/cmdline").is_some_and(|line| is_told(&line))
    }

    /// Returns the processor's temperature in °C; `None` if it cannot be read.
    pub fn temperature_c(&self) -> Option<f64> {
        let millidegrees: f64 = self.read("sys/class/thermal/thermal_zone0/temp")?.parse().ok()?;
        Some(millidegrees / 1000.0)
    }

    /// Returns what the firmware reports about the power supply; `None` if it reports nothing.
    pub fn power(&self) -> Option<Power> {
        // Raspberry Pi OS's kernel passes on the firmware's own flags; others have at least the
        // alarm of drivers/hwmon/raspberrypi-hwmon.c.
        if let Some(text) = self.read("sys/devices/platform/soc/soc:firmware/get_throttled") {
            let bits = u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()?;
            return Some(Power {
                is_low: bits & UNDER_VOLTAGE_NOW != 0,
                was_low: bits & UNDER_VOLTAGE_SINCE != 0,
                was_slowed: bits & TOO_HOT_SINCE != 0,
            });
        }
        let monitors = fs::read_dir(self.root.join("sys/class/hwmon")).ok()?.flatten();
        let names = monitors.map(|entry| format!("sys/class/hwmon/{}", entry.file_name().to_string_lossy()));
        let monitor = names
            .into_iter()
            .find(|monitor| self.read(&format!("{monitor}/name")).is_some_and(|name| name == "rpi_volt"))?;
        let is_low = self.read(&format!("{monitor}/in0_lcrit_alarm"))? == "1";
        Some(Power { is_low, was_low: is_low, was_slowed: false })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Makes a machine of these files.
    pub fn machine(files: &[(&str, &str)]) -> (tempfile::TempDir, Machine) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let machine = Machine::below(root.path());
        (root, machine)
    }

    #[test]
    fn daemons_are_found_by_the_names_of_their_processes() {
        let (_root, machine) = machine(&[
            ("proc/12/comm", "systemd-timesyn\n"),
            ("proc/13/comm", "bash\n"),
            ("proc/self/comm", "chronyd\n"),
            ("etc/fake-hwclock.data", "2026-11-24\n"),
            ("usr/sbin/fake-hwclock", ""),
        ]);
        assert_eq!(machine.time_daemons(), ["systemd-timesyncd", "fake-hwclock"]);
    }

    #[test]
    fn partitions_are_those_of_the_file_systems_table() {
        let table = "proc /proc proc defaults 0 0\n  PARTUUID=4e639091-02 / ext4 ro 0 1\n\
                     # PARTUUID=4e639091-05 /srv ext4 ro 0 2\nPARTUUID=4e639091-03\t/var/lib/jaudiosync/ ext4 ro 0 2\nx\n\n\
                     tmpfs /tmp tmpfs size=10% 0 0\n";
        let (_root, machine) = machine(&[("etc/fstab", table)]);
        let found =
            ["/var/lib/jaudiosync", "/srv", "/", "", "/var", "/tmp"].map(|folder| machine.has_partition_for(folder));
        assert_eq!(found, [true, false, false, false, false, false]);
    }

    #[test]
    fn the_power_supply_is_judged_by_the_firmware_or_by_the_alarm() {
        let throttled = "sys/devices/platform/soc/soc:firmware/get_throttled";
        let (_root, firmware) = machine(&[(throttled, "50005\n")]);
        assert_eq!(firmware.power(), Some(Power { is_low: true, was_low: true, was_slowed: true }));
        let (_root, firmware) = machine(&[(throttled, "0\n")]);
        assert_eq!(firmware.power(), Some(Power::default()));
        let (_root, alarm) = machine(&[
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n"),
        ]);
        assert_eq!(alarm.power(), Some(Power { is_low: true, was_low: true, was_slowed: false }));
        assert_eq!(machine(&[]).1.power(), None);
    }

    #[test]
    fn heat_ends_below_where_it_began_and_what_cannot_be_read_changes_nothing() {
        let health = Health::default();
        let seen = |celsius| {
            health.note(None, celsius);
            health.is_hot()
        };
        assert_eq!([79.9, 80.0, 76.0].map(Some).map(seen), [false, true, true]);
        assert!(seen(None) && !seen(Some(75.0)) && !seen(Some(79.0)));
        health.note(Some(Power { is_low: true, ..Power::default() }), None);
        assert!(health.is_low());
        health.note(Some(Power::default()), None);
        assert!(!health.is_low());
    }

    #[test]
    fn a_country_is_missing_where_there_is_wifi_and_nobody_has_named_one() {
        let regdom = "sys/module/cfg80211/parameters/ieee80211_regdom";
        assert!(machine(&[(regdom, "00\n"), ("proc/cmdline", "root=/dev/mmcblk0p2\n")]).1.lacks_wifi_country());
        assert!(!machine(&[(regdom, "DE\n")]).1.lacks_wifi_country());
        let on_command_line = [(regdom, "00\n"), ("proc/cmdline", "quiet cfg80211.ieee80211_regdom=DE\n")];
        assert!(!machine(&on_command_line).1.lacks_wifi_country());
        assert!(!machine(&[]).1.lacks_wifi_country(), "no Wi-Fi");
    }

    #[test]
    fn wifi_devices_are_those_with_a_radio() {
        let (_root, machine) = machine(&[
            ("sys/class/net/wlan1/phy80211/name", "phy1\n"),
            ("sys/class/net/wlan0/phy80211/name", "phy0\n"),
            ("sys/class/net/eth0/address", "00\n"),
        ]);
        assert_eq!(machine.wifi_devices(), ["wlan0", "wlan1"]);
    }

    #[test]
    fn the_kernels_driver_is_seen_at_the_rtcs_address() {
        let (root, machine) = machine(&[("sys/bus/i2c/drivers/rtc-ds1307/uevent", "")]);
        let device = root.path().join("sys/bus/i2c/devices/1-0068");
        fs::create_dir_all(&device).unwrap();
        assert_eq!(machine.kernel_rtc_driver(Path::new("/dev/i2c-1")), None);
        std::os::unix::fs::symlink("../../drivers/rtc-ds1307", device.join("driver")).unwrap();
        assert_eq!(machine.kernel_rtc_driver(Path::new("/dev/i2c-1")), Some("rtc-ds1307".to_owned()));
        assert_eq!(machine.kernel_rtc_driver(Path::new("/dev/i2c-3")), None);
    }
}
