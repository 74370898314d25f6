//! The process of QEMU.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::line::{Line, Listener};

/// What is told to the kernel. iomem=relaxed lets rppal map the pins through /dev/mem, as Debian's kernel has no
/// /dev/gpiomem; a box that panics starts again.
const KERNEL_OPTIONS: &str = "console=ttyAMA0,115200 panic=-1 iomem=relaxed quiet";

/// One thread for all four processors: while the box boots three of them spin, and would take the host's processors from
/// the one that works. It boots in half the time, and the sound is as even.
const ACCELERATOR: &str = "tcg,thread=single";

/// A USB sound card, for its mixer: what is played on it is heard nowhere.
const USB_SOUND: [&str; 2] = ["-device", "usb-audio,audiodev=nothing"];

/// QEMU calls within a fraction of a second, or not at all.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the end of the process is looked for, as there is no waiting for it with a limit.
const POLL: Duration = Duration::from_millis(10);

/// Ticks of the processor time in /proc, on every Linux that matters.
const TICKS_PER_S: f64 = 100.0;

/// A running QEMU, which dies with this, and with the thread that started it even if that is killed.
pub struct Qemu {
    child: Child,
    _folder: TempDir,
}

/// The lines to it.
pub struct Lines {
    pub console: Line,
    pub agent: Line,
    pub monitor: Line,
    pub test: Line,
}

impl Qemu {
    /// Starts it with this image as its SD card.
    pub fn start(card: &Path, usb_sound: bool) -> (Self, Lines) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [console, agent, monitor, test] =
            ["console", "agent", "monitor", "test"].map(|name| Listener::new(folder.path(), name));
        let unix = |listener: &Listener| format!("unix:{}", listener.path.display());
        let errors = folder.path().join("errors");
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(prepared("qemu-system-aarch64"))
            .args(["-M", "raspi3b", "-accel", ACCELERATOR, "-display", "none", "-audiodev", "none,id=nothing"])
            .args(if usb_sound { &USB_SOUND[..] } else { &[] })
            .arg("-kernel")
            .arg(prepared("vmlinuz"))
            .arg("-dtb")
            .arg(prepared("board.dtb"))
            .arg("-initrd")
            .arg(prepared("initramfs.gz"))
            .args(["-append", KERNEL_OPTIONS])
            // What the box syncs need not reach this machine's disk: a power cut is QEMU's end, not this machine's.
            .args(["-drive", &format!("if=sd,format=raw,cache=unsafe,file={}", card.display())])
            .args(["-device", "ds1338,bus=i2c-bus.1,address=0x68"])
            .args(["-serial", &unix(&console), "-serial", &unix(&agent)])
            .args(["-qmp", &unix(&monitor), "-qtest", &unix(&test), "-qtest-log", "none"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors).expect("a file in the temporary folder"))
            .spawn()
            .expect("setpriv is needed: apt install util-linux");
        let mut qemu = Self { child, _folder: folder };
        // Accepting has no limit of its own. If QEMU does not start the thread is left behind: the test ends anyway.
        let (sender, accepted) = channel();
        thread::spawn(move || {
            let lines = Lines {
                console: console.accept(),
                agent: agent.accept(),
                monitor: monitor.accept(),
                test: test.accept(),
            };
            // Nobody waits for them any more if they come too late.
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

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended by itself, and tells whether it has.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("its own child").is_some()
    }

    /// The processor time it has taken, of all its threads.
    pub fn processor_time(&self) -> Duration {
        let mut stat = String::new();
        let file = File::open(format!("/proc/{}/stat", self.child.id()));
        file.and_then(|mut file| file.read_to_string(&mut stat)).expect("the statistics of a running process");
        // The name, in brackets, may hold blanks. User and system time are the 12th and 13th fields after it.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        Duration::from_secs_f64(ticks / TICKS_PER_S)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `scripts/pi-image` has made.
pub fn prepared(name: &str) -> PathBuf {
    let path = crate::installed::target_folder().join("pi").join(name);
    assert!(path.exists(), "{} is missing: run scripts/emulated-pi, which prepares everything", path.display());
    path
}
