//! What a box starts with: kernel, first file system, device tree and the kernel's options. Those of
//! the small guest are what `scripts/pi-image` has made. Those of a whole system are on its card,
//! where a Raspberry Pi's firmware finds them at every start; so what the box changes there counts
//! from its next start on.

use std::path::{Path, PathBuf};

use super::Fitted;
use super::board::Board;
use super::card::SdCard;
use super::clock::BoxTime;
use super::qemu::prepared;

/// A box that panics restarts; the kernel's tests of its own ciphers take a second.
const ALWAYS: &str = "console=ttyAMA0,115200 panic=-1 maxcpus=1 cryptomgr.notests";

/// iomem=relaxed allows rppal to map the pins through /dev/mem, as Debian's kernel has no
/// /dev/gpiomem.
const SMALL_GUEST: &str = "iomem=relaxed quiet";

/// QEMU's watchdog restarts the box as soon as it is armed, which Raspberry Pi OS does. With groups of
/// processes by terminal, a low priority would count only within one of them. The kernel believes its
/// generator of random numbers, as Raspberry Pi's does.
const WHOLE_SYSTEM: &str = "systemd.watchdog_sec=0 noautogroup rng_core.default_quality=1000";

/// What a box that goes by this machine's clock does without: units that have no part in what it is
/// tested for, and make it so slow on a busy machine that systemd gives others up.
const LEFT_OUT: [&str; 10] = [
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "cron.service",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "logrotate.timer",
    "serial-getty@ttyAMA0.service",
];

/// And how long it waits for others, in s: systemd's 90 s would end in its emergency mode.
const PATIENCE: &str = "systemd.default_timeout_start_sec=600 systemd.default_device_timeout_sec=600";

/// What QEMU is started with.
pub struct Firmware {
    pub kernel: PathBuf,
    pub first_file_system: PathBuf,
    pub device_tree: Option<PathBuf>,
    pub kernel_options: String,
}

impl Firmware {
    /// Reads what is to be started from a card, into this folder.
    pub fn of(card: &SdCard, fitted: &Fitted<'_>, folder: &Path) -> Self {
        let Some(boot) = card.boot_partition() else {
            let device_tree = (fitted.board == Board::RaspberryPi3).then(|| prepared("board.dtb"));
            let of_board = fitted.board.kernel_options(fitted.judges_rtc);
            return Self {
                kernel: prepared("vmlinuz"),
                first_file_system: prepared("system.cpio"),
                device_tree,
                kernel_options: format!("{ALWAYS} {SMALL_GUEST} {of_board}"),
            };
        };
        let file = |name: &str| {
            let path = folder.join(name);
            let content = boot.read(name).unwrap_or_else(|| panic!("the boot partition has no {name}"));
            std::fs::write(&path, content).expect("a file in the temporary folder");
            path
        };
        let words = boot.text("cmdline.txt");
        // The firmware takes the first line. The emulated console is the first serial line alone.
        let words = words.lines().next().unwrap_or_default().split(' ').filter(|word| !word.starts_with("console="));
        let words = words.collect::<Vec<_>>().join(" ");
        let by_this_machine = match fitted.time {
            BoxTime::Own => String::new(),
            BoxTime::ThisMachines { .. } => {
                let left_out: String = LEFT_OUT.iter().map(|unit| format!(" systemd.mask={unit}")).collect();
                format!(" {PATIENCE}{left_out}")
            }
        };
        let of_board = fitted.board.system_options(fitted.judges_rtc);
        Self {
            kernel: file("kernel8.img"),
            first_file_system: file("initramfs8"),
            device_tree: (fitted.board == Board::RaspberryPi3).then(|| file("bcm2837-rpi-3-b.dtb")),
            kernel_options: format!("{words} {ALWAYS} {WHOLE_SYSTEM} {of_board}{by_this_machine}"),
        }
    }
}
