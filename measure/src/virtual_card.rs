//! A sound card in software: a private PulseAudio with a null sink.
//!
//! The card `both` has two channels at 48 kHz. Two more sinks play onto it: [`Sink::Left`] only
//! into its left channel, [`Sink::Right`] only into its right one. Each takes stereo and plays the
//! mean of its two channels, so whatever is the same in both comes out at full amplitude, and
//! whatever is in only one of them at half.
//!
//! The card's clock is CLOCK_MONOTONIC, cut into blocks whose durations PulseAudio rounds down to
//! whole microseconds. With players at 48 kHz it is exact to a few ppm; players at other rates make
//! odd blocks, and the card runs fast by about 100 ppm, as a real card may. PulseAudio's resampler
//! adds no delay that it does not report (less than 0.1 ms).
//!
//! The card never rewinds (`norewinds`): whatever it was given is played, as with a real card, and
//! the recording shows exactly what was played. A stream therefore begins with the next block: see
//! [`VirtualCard::start_with_block`].
//!
//! The delay that ALSA's pulse plugin reports to a player is mostly right within 0.2 ms when its
//! stream starts, then wanders by 0.4 ms, now and then 1.5 ms, and returns to 0.1 ms after some 15
//! s: libpulse extrapolates it with an estimated rate. A player that trusts it is as far off here,
//! though not on a real card.

use std::ffi::{CStr, OsString};
use std::fs;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::configuration;
use crate::error::{Error, Result};
use crate::pulse::Connection;
use crate::sink::{MOST_BOXES, RATE_HZ, Sink};

/// PulseAudio's name of what the card plays.
pub(crate) const MONITOR: &CStr = c"both.monitor";

/// The real-time priority of PulseAudio's main thread: the same as its other threads have
/// (`realtime-priority` in its daemon.conf).
const REALTIME_PRIORITY: &str = "5";

const DEFAULT_BLOCK: Duration = Duration::from_millis(10);
/// The longest that `norewinds` allows.
const MAX_BLOCK: Duration = Duration::from_millis(50);
const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);
/// Where ALSA's plugins live on the common distributions.
const LIBRARY_DIRS: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
const PULSE_PLUGIN: &str = "alsa-lib/libasound_module_pcm_pulse.so";

/// A running private PulseAudio. Dropping it ends the process and removes its files; the user's own
/// sound is never touched. If this program is killed, PulseAudio notices and ends too.
#[derive(Debug)]
pub struct VirtualCard {
    dir: TempDir,
    server: Child,
    block: Duration,
    boxes: usize,
}

impl VirtualCard {
    /// Starts the card and waits until it can be played on.
    ///
    /// # Errors
    /// [`Error::Missing`] names the package to install; [`Error::Start`] holds the end of
    /// PulseAudio's log.
    pub fn start() -> Result<Self> {
        Self::start_with_block(DEFAULT_BLOCK)
    }

    /// Does the same as [`VirtualCard::start`] with another block size, 1 to 50 ms, which applies
    /// while a [`crate::Recorder`] runs.
    ///
    /// Streams begin on the grid of the blocks. Players that open their stream when the music is to
    /// begin therefore seem closer together, or further apart, than they are, by up to a block:
    /// compare such players with a block of 1 ms. It makes the card faster, though, by up to 500
    /// ppm with players at other rates than 48 kHz.
    ///
    /// # Errors
    /// As [`VirtualCard::start`].
    pub fn start_with_block(block: Duration) -> Result<Self> {
        Self::start_with(block, 2)
    }

    /// Does the same as [`VirtualCard::start`] with a channel for each of this many boxes, 2 to 8:
    /// see [`Sink::Box`].
    ///
    /// # Errors
    /// As [`VirtualCard::start`].
    pub fn start_for(boxes: usize) -> Result<Self> {
        Self::start_with(DEFAULT_BLOCK, boxes.clamp(2, MOST_BOXES))
    }

    fn start_with(block: Duration, boxes: usize) -> Result<Self> {
        let block = block.clamp(Duration::from_millis(1), MAX_BLOCK);
        if !has_pulse_plugin() {
            return Err(Error::Missing { what: "ALSA's pulse plugin", package: "libasound2-plugins" });
        }
        let dir =
            tempfile::Builder::new().prefix("virtual-card-").tempdir().map_err(Error::io("make a temporary folder"))?;
        // ALSA and PulseAudio take lists in the variables of `env`.
        if dir.path().to_str().is_none_or(|path| path.contains([' ', ':'])) {
            return Err(Error::Start("the path of the temporary folder has a space or colon: set TMPDIR".into()));
        }
        configuration::write(dir.path(), boxes).map_err(Error::io("configure the private PulseAudio"))?;
        let server = spawn_server(dir.path())?;
        let mut card = Self { dir, server, block, boxes };
        card.wait_until_ready()?;
        Ok(card)
    }

    /// Returns the environment in which a program's default ALSA device, and PulseAudio itself,
    /// play into `sink`.
    #[must_use]
    pub fn env(&self, sink: Sink) -> Vec<(OsString, OsString)> {
        let mut server = OsString::from("unix:");
        server.push(self.socket());
        vec![
            ("PULSE_SERVER".into(), server),
            ("PULSE_SINK".into(), sink.name().into()),
            ("PULSE_COOKIE".into(), self.dir.path().join("cookie").into()),
            ("ALSA_CONFIG_PATH".into(), self.dir.path().join("alsa.conf").into()),
        ]
    }

    /// Kills PulseAudio without warning and starts it again, as if the card had been unplugged and
    /// plugged in again.
    ///
    /// Players lose their stream and must open the device again; a running [`crate::Recorder`] ends
    /// there.
    ///
    /// # Errors
    /// As [`VirtualCard::start`].
    pub fn restart(&mut self) -> Result<()> {
        self.end_server();
        self.server = spawn_server(self.dir.path())?;
        self.wait_until_ready()
    }

    /// Stops PulseAudio, as if the card hung: it accepts nothing and answers nothing, until it is
    /// thawed or dropped.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn freeze(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets it continue.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn thaw(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> Result<()> {
        let action = "signal pulseaudio";
        let status = Command::new("kill").args([signal, &self.server.id().to_string()]).status();
        match status.map_err(Error::io(action))? {
            status if status.success() => Ok(()),
            status => Err(Error::Io { action, source: io::Error::other(status.to_string()) }),
        }
    }

    /// Returns a connection to the running server.
    pub(crate) fn connect(&self) -> Result<Connection> {
        Connection::open(&self.socket())
    }

    /// Returns the block that a recorder asks for, in frames.
    pub(crate) fn block_frames(&self) -> u32 {
        (self.block.as_secs_f64() * f64::from(RATE_HZ)).round() as u32
    }

    /// Returns how many channels it has.
    pub(crate) fn channels(&self) -> usize {
        self.boxes
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Ok(Some(status)) = self.server.try_wait() {
                return Err(Error::Start(format!("it ended with {status}\n{}", self.log_end())));
            }
            // The sink that is created last.
            let last = Sink::Box(self.boxes - 1).name();
            let error = match self.connect().and_then(|mut connection| connection.require_sink(last)) {
                Ok(()) => {
                    self.ask_for_realtime();
                    return Ok(());
                }
                Err(error) => error,
            };
            if Instant::now() > deadline {
                return Err(Error::Start(format!("not ready in {START_TIMEOUT:?}: {error}\n{}", self.log_end())));
            }
            thread::sleep(POLL);
        }
    }

    /// Asks for real-time priority for PulseAudio's main thread: a card does not wait for a
    /// processor. The thread that stands for the hardware asks for it by itself; the one that
    /// serves players does not, and lets them run dry on a busy machine. Where it is not granted
    /// the card is worse, but still a card.
    fn ask_for_realtime(&self) {
        let asked =
            Command::new("chrt").args(["--rr", "--pid", REALTIME_PRIORITY, &self.server.id().to_string()]).output();
        drop(asked);
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    fn end_server(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = fs::remove_file(self.socket());
    }
}

impl Drop for VirtualCard {
    fn drop(&mut self) {
        self.end_server();
    }
}

fn has_pulse_plugin() -> bool {
    let in_dir = |dir: &Path| dir.join(PULSE_PLUGIN).exists();
    let in_subdir =
        |dir: &Path| fs::read_dir(dir).is_ok_and(|mut all| all.any(|sub| sub.is_ok_and(|s| in_dir(&s.path()))));
    std::env::var_os("ALSA_PLUGIN_DIR").is_some()
        || LIBRARY_DIRS.map(Path::new).into_iter().any(|dir| in_dir(dir) || in_subdir(dir))
}

fn spawn_server(dir: &Path) -> Result<Child> {
    let log = File::create(dir.join("log")).map_err(Error::io("create PulseAudio's log"))?;
    let mut command = Command::new("pulseaudio");
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if ["PULSE", "DBUS", "XDG", "DISPLAY", "WAYLAND"].iter().any(|prefix| name_text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
        .args(["-n", "-F"])
        .arg(dir.join("card.pa"))
        .args(["--exit-idle-time=-1", "--daemonize=no", "--system=false", "--use-pid-file=no", "--disallow-exit=false"])
        .arg("--log-target=stderr")
        .env("HOME", dir)
        .env("XDG_RUNTIME_DIR", dir.join("run"))
        .env("PULSE_RUNTIME_PATH", dir.join("run"))
        .env("PULSE_STATE_PATH", dir.join("run"))
        .env("PULSE_CONFIG", dir.join("daemon.conf"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log);
    command.spawn().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { what: "pulseaudio", package: "pulseaudio" },
        _ => Error::Io { action: "start pulseaudio", source },
    })
}
