//! The process of QEMU.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::Fitted;
use super::card::SdCard;
use super::clock::{BoxTime, this_machines};
use super::firmware::Firmware;
use super::line::{Line, Listener};
use super::sound_card;

/// What the sound card plays.
const SOUND_FILE: &str = "sound.wav";

/// QEMU connects within a fraction of a second, or not at all.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often the end of the process is checked for, as waiting for it has no timeout.
const POLL: Duration = Duration::from_millis(10);

/// A running QEMU, which dies with this, and with the thread that started it even if that is
/// killed.
pub struct Qemu {
    child: Child,
    folder: TempDir,
}

/// The lines to QEMU.
pub struct Lines {
    pub console: Line,
    pub agent: Line,
    pub monitor: Line,
    pub test: Line,
}

impl Qemu {
    /// Starts it with this card, and with this UTC in its RTC. The box stands still.
    pub fn start(card: &SdCard, utc_s: i64, fitted: Fitted<'_>) -> (Self, Lines) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let firmware = Firmware::of(card, &fitted, folder.path());
        let [console, agent, monitor, test] =
            ["console", "agent", "monitor", "test"].map(|name| Listener::new(folder.path(), name));
        let unix = |listener: &Listener| format!("unix:{}", listener.path.display());
        let errors = folder.path().join("errors");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(prepared("qemu-system-aarch64"))
            .args(["-display", "none", "-S"])
            .args(fitted.board.options(card.path()))
            .args(time(fitted.time, utc_s))
            .args(fitted.sound.map_or_else(Vec::new, |sound| sound.options(&folder.path().join(SOUND_FILE))))
            .args(fitted.stick.map_or_else(Vec::new, stick))
            .args(fitted.eeprom.map_or_else(Vec::new, eeprom))
            .args(fitted.network.map_or_else(Vec::new, |network| network.options()))
            // The stick's files are dated in it.
            .env("TZ", "UTC")
            .arg("-kernel")
            .arg(firmware.kernel)
            .arg("-initrd")
            .arg(firmware.first_file_system)
            .args(firmware.device_tree.into_iter().flat_map(|file| ["-dtb".into(), file.into_os_string()]))
            .args(["-append", &firmware.kernel_options])
            // A whole system is started again with what is on its card by then.
            .args(card.boot_partition().map(|_| "-no-reboot"))
            .args(["-serial", &unix(&console), "-serial", &unix(&agent)])
            .args(["-qmp", &unix(&monitor), "-qtest", &unix(&test), "-qtest-log", "none"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).expect("a file in the temporary folder"))
            .spawn()
            .expect("setpriv is needed: apt install util-linux");
        let mut qemu = Self { child, folder };
        // Accepting has no timeout of its own. If QEMU does not start, the thread is left behind:
        // the test ends anyway.
        let (sender, accepted) = channel();
        thread::spawn(move || {
            let lines = Lines {
                console: console.accept(),
                agent: agent.accept(),
                monitor: monitor.accept(),
                test: test.accept(),
            };
            // If they come too late, nothing waits for them any more.
            _ = sender.send(lines);
        });
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match accepted.recv_timeout(POLL) {
                Ok(lines) => return (qemu, lines),
                Err(RecvTimeoutError::Timeout) if Instant::now() < deadline && !qemu.has_ended() => {}
                Err(_) => panic!("QEMU did not start: {}", std::fs::read_to_string(&errors).unwrap_or_default()),
            }
        }
    }

    /// Returns what the sound card has played since it was plugged in: the samples of both
    /// channels, interleaved, at [`sound_card::RATE_HZ`]. Silence is a part of it while a stream is
    /// open.
    pub fn recorded(&self) -> Vec<i16> {
        let file = self.folder.path().join(SOUND_FILE);
        sound_card::samples(&std::fs::read(file).expect("what QEMU has recorded"))
    }

    /// Returns the number of frames that QEMU has recorded. It writes 1,024 at a time.
    pub fn recorded_frames(&self) -> u64 {
        let file = self.folder.path().join(SOUND_FILE);
        sound_card::frames(file.metadata().expect("what QEMU has recorded").len())
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        // It may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has exited by itself, and returns whether it has.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        self.wait_while(timeout, || true)
    }

    /// Does the same for as long as this is so.
    pub fn wait_while(&mut self, timeout: Duration, mut is_so: impl FnMut() -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() > deadline || !is_so() {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its own child").is_some()
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the options for a USB stick with a folder of this machine: QEMU makes a FAT file system
/// of 504 MB from it as it is read. Reads complete at once while the box's time stands still, as
/// those of other files do not; so its speed is what the USB host's schedule allows, 21 MB/s.
fn stick(folder: &Path) -> Vec<String> {
    let drive = format!("if=none,id=stick,format=raw,readonly=on,file=fat:{}", folder.display());
    ["-drive", &drive, "-device", "usb-storage,drive=stick"].map(str::to_owned).into()
}

/// Returns the options for an AT24C32 on the RTC's bus. QEMU writes it to the file with each page.
fn eeprom(contents: &Path) -> Vec<String> {
    let drive = format!("if=none,id=eeprom,format=raw,cache=unsafe,file={}", contents.display());
    let device = "at24c-eeprom,bus=i2c-bus.1,address=0x57,rom-size=4096,drive=eeprom";
    ["-drive", &drive, "-device", device].map(str::to_owned).into()
}

/// Returns the options for the box's time, and for its RTC, which shows this UTC at first.
///
/// A time of its own does not follow this machine's clock, as the box would then lose time whenever
/// QEMU is not run at once. An instruction takes 2^1 ns, and if there are none the time leaps to the
/// next timer; the RTC follows it, too. This is exact with one processor only.
fn time(time: BoxTime, utc_s: i64) -> Vec<String> {
    let rtc = match time {
        BoxTime::Own => format!("base={},clock=vm", named(utc_s)),
        BoxTime::ThisMachines { rtc_ahead_s: 0 } => "base=utc,clock=host".to_owned(),
        BoxTime::ThisMachines { rtc_ahead_s } => {
            format!("base={},clock=host", named(this_machines().second() + rtc_ahead_s))
        }
    };
    let counted: &[&str] = if time == BoxTime::Own { &["-icount", "shift=1,sleep=off"] } else { &[] };
    counted.iter().chain(&["-rtc", &rtc]).map(|option| (*option).to_owned()).collect()
}

/// Returns an instant in QEMU's notation.
fn named(utc_s: i64) -> String {
    let instant = chrono::DateTime::from_timestamp(utc_s, 0).expect("an instant");
    instant.format("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Returns the path of a file that `scripts/pi-image` has made.
pub fn prepared(name: &str) -> PathBuf {
    let path = crate::installed::target_folder().join("pi").join(name);
    assert!(path.exists(), "{} is missing: run scripts/emulated-pi, which prepares everything", path.display());
    path
}
