//! What the tests share: a temporary folder with music, the binary run in it, and MP3s made by LAME
//! on the spot.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod browser;
pub mod fault;
pub mod free_address;
pub mod hearing;
pub mod neighbours;
pub mod odd_mp3;
pub mod page_box;
pub mod phone;
pub mod playing;
pub mod process;
pub mod pty;
pub mod service_process;
pub mod simulated_mixer;
pub mod sweeps;
pub mod undisturbed;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

/// Returns the time, in seconds of UTC.
pub fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// A temporary folder with a Music folder in it.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("Music")).unwrap();
        Self { folder }
    }

    /// Makes one with a playlist of one short track.
    pub fn with_one_track() -> Self {
        let sandbox = Self::new();
        short_mp3(&sandbox.music().join("a.mp3"), 100_000, "A");
        sandbox.playlist("a.mp3\n");
        sandbox
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn music(&self) -> PathBuf {
        self.path().join("Music")
    }

    /// Writes the playlist `Playlist.m3u8`.
    pub fn playlist(&self, contents: impl AsRef<[u8]>) -> &Self {
        fs::write(self.music().join("Playlist.m3u8"), contents).unwrap();
        self
    }

    pub fn index(&self) -> PathBuf {
        self.music().join("Playlist.index.json")
    }

    /// Returns a command that runs the binary in the folder, with a state folder of its own.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jaudiosync"));
        command.current_dir(self.path());
        command.env("STATE_DIRECTORY", self.path().join("state/jaudiosync")).env("TZ", "UTC");
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Run {
        Run::of(self.command().args(arguments).output().unwrap())
    }

    /// Runs the binary, and measures what that takes.
    pub fn measure(&self, arguments: &[&str]) -> (Run, Cost) {
        const SCRIPT: &str = "import resource, subprocess, sys\n\
            code = subprocess.run(sys.argv[1:]).returncode\n\
            cost = resource.getrusage(resource.RUSAGE_CHILDREN)\n\
            print('cost', cost.ru_maxrss, cost.ru_utime + cost.ru_stime, file=sys.stderr)\n\
            sys.exit(code)";
        let plain = self.command();
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT]).arg(plain.get_program()).args(arguments).current_dir(self.path());
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let run = Run::of(command.output().expect("python3 is needed to measure memory"));
        let cost = run.stderr.lines().find_map(|line| {
            let (peak_kb, processor_s) = line.strip_prefix("cost ")?.split_once(' ')?;
            Some(Cost { peak_kb: peak_kb.parse().ok()?, processor_s: processor_s.parse().ok()? })
        });
        let cost = cost.unwrap_or_else(|| panic!("no cost in {run:?}"));
        (run, cost)
    }

    /// Writes a file, and makes the folders that it is in.
    pub fn write(&self, name: impl AsRef<OsStr>, contents: impl AsRef<[u8]>) {
        let path = self.music().join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }

    /// Returns the output of `list --json`.
    pub fn list(&self, arguments: &[&str]) -> serde_json::Value {
        let run = self.run(&[&["list", "--json"], arguments].concat());
        assert_eq!(run.code, Some(0), "{}", run.stderr);
        serde_json::from_str(&run.stdout).unwrap()
    }
}

/// What a run of the binary takes.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// The most memory, at least what python3 itself uses.
    pub peak_kb: u64,
    /// The time of a processor, which hardly depends on what else runs here.
    pub processor_s: f64,
}

/// The result of a run of the binary.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Asserts an exit code and that the message has these words; and that nothing panicked.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no \"{word}\" in {self:?}");
        }
        self.does_not_panic();
    }

    #[track_caller]
    pub fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.does_not_panic();
        self
    }

    #[track_caller]
    pub fn does_not_panic(&self) {
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }
}

/// A signal to encode.
pub struct Signal {
    pub rate_hz: u32,
    pub channels: u16,
    /// Interleaved, ±1.0.
    pub samples: Vec<f32>,
}

impl Signal {
    /// Makes a tone of -6 dBFS.
    pub fn tone(rate_hz: u32, channels: u16, frames: usize, tone_hz: f64) -> Self {
        let sample =
            |frame: usize| (0.5 * (std::f64::consts::TAU * tone_hz * frame as f64 / f64::from(rate_hz)).sin()) as f32;
        let samples = (0..frames).flat_map(|frame| vec![sample(frame); usize::from(channels)]).collect();
        Self { rate_hz, channels, samples }
    }

    fn write_wav(&self, path: &Path) {
        let spec = hound::WavSpec {
            channels: self.channels,
            sample_rate: self.rate_hz,
            bits_per_sample: 24,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).unwrap();
        for sample in &self.samples {
            writer.write_sample((sample.clamp(-1.0, 1.0) * 8_388_607.0) as i32).unwrap();
        }
        writer.finalize().unwrap();
    }

    /// Encodes with LAME and these options.
    pub fn encode(&self, path: &Path, options: &[&str]) {
        let wav = path.with_extension("wav");
        self.write_wav(&wav);
        let mut command = Command::new("lame");
        let output = command.arg("--quiet").args(options).arg(&wav).arg(path).output();
        let output = output.expect("lame is needed to make test files: apt install lame");
        assert!(output.status.success(), "lame: {}", String::from_utf8_lossy(&output.stderr));
        fs::remove_file(wav).unwrap();
    }
}

/// Writes a short tagged MP3 of this many frames.
pub fn short_mp3(path: &Path, frames: usize, title: &str) {
    Signal::tone(44_100, 2, frames, 440.0).encode(path, &["-b", "128", "--tt", title, "--ta", "Test"]);
}

/// Returns a short MP3 of this many frames, to be written under several names.
pub fn mp3_bytes(frames: usize, title: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.mp3");
    short_mp3(&path, frames, title);
    fs::read(path).unwrap()
}

/// Copies the program to where another user may run it. A process of its own does that: if this one
/// opened it for writing, a process that another test starts at that moment would hold it open, and
/// it could not be run ("Text file busy").
pub fn copy_program(to: &Path) {
    assert!(Command::new("cp").arg(env!("CARGO_BIN_EXE_jaudiosync")).arg(to).status().unwrap().success());
}
