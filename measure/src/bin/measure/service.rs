//! What the service uses: time until it is ready, memory and processor time while it waits and
//! while it plays.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jaudiosync_measure::{Sink, VirtualCard};

use super::load::read_usage;
use super::{Subject, files};

/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measure how soon the service is ready, and what it uses while it waits and while it plays
///
/// The service reports that it is ready as it does to systemd. The playlist repeats the subject's
/// tracks, each as a file of its own.
#[derive(Debug, Args)]
pub(super) struct Service {
    #[command(flatten)]
    subject: Subject,

    /// Tracks of the playlist
    #[arg(long, default_value_t = 500)]
    tracks: usize,

    /// How many starts
    #[arg(long, default_value_t = 10)]
    runs: usize,

    /// How long to watch it while it waits, and while it plays, in seconds
    #[arg(long, default_value_t = 30)]
    seconds: u64,
}

/// A service that runs until this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have exited by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Service {
    pub(super) fn run(&self) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let music = folder.path().join("Music");
        self.make_music(&music)?;
        let card = VirtualCard::start()?;
        let mut ready_s = Vec::new();
        for _ in 0..self.runs {
            let (_service, took) = self.start(folder.path(), &music, &card)?;
            ready_s.push(took.as_secs_f64());
        }
        ready_s.sort_by(f64::total_cmp);
        let (median, last) = (ready_s.get(ready_s.len() / 2), ready_s.last());
        println!(
            "ready with {} indexed tracks, {} starts: median {:.3} s, largest {:.3} s",
            self.tracks,
            ready_s.len(),
            median.context("no runs")?,
            last.context("no runs")?
        );
        let (service, _) = self.start(folder.path(), &music, &card)?;
        self.watch("waiting", &service)?;
        let status = Command::new(&self.subject.program)
            .args(["start", "--fresh", "--socket"])
            .arg(folder.path().join("socket"))
            .status()?;
        ensure!(status.success(), "the service does not start to play");
        // The next slot of the grid is at most 20 s away.
        std::thread::sleep(Duration::from_secs(21));
        self.watch("playing", &service)
    }

    fn make_music(&self, music: &Path) -> Result<()> {
        std::fs::create_dir(music)?;
        let files = files(&self.subject)?;
        let mut list = String::new();
        for (number, file) in files.iter().cycle().take(self.tracks).enumerate() {
            let name = format!("{number:04}.mp3");
            std::fs::copy(file, music.join(&name))?;
            list.push_str(&name);
            list.push('\n');
        }
        std::fs::write(music.join("Playlist.m3u8"), list)?;
        let status = Command::new(&self.subject.program)
            .args(["index", "--music"])
            .arg(music)
            .stdout(Stdio::null())
            .status()
            .with_context(|| format!("cannot run {}; build it first", self.subject.program.display()))?;
        ensure!(status.success(), "the music cannot be indexed");
        Ok(())
    }

    /// Starts the service and waits until it reports that it is ready.
    fn start(&self, folder: &Path, music: &Path, card: &VirtualCard) -> Result<(Running, Duration)> {
        let notify = folder.join("notify");
        let _ = std::fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let began = Instant::now();
        let service = Command::new(&self.subject.program)
            .args(["run", "--board", "sim", "--music"])
            .arg(music)
            .arg("--state")
            .arg(folder.join("state"))
            .arg("--socket")
            .arg(folder.join("socket"))
            .envs(card.env(Sink::Left))
            .env("NOTIFY_SOCKET", &notify)
            .env("RUST_LOG", "error")
            .stdin(Stdio::null())
            .spawn()
            .map(Running)?;
        let mut bytes = [0; 1024];
        loop {
            let read = socket.recv(&mut bytes).context("the service is not ready")?;
            let text = String::from_utf8_lossy(bytes.get(..read).unwrap_or_default()).into_owned();
            if text.lines().any(|line| line == "READY=1") {
                return Ok((service, began.elapsed()));
            }
        }
    }

    fn watch(&self, what: &str, service: &Running) -> Result<()> {
        let usage = || read_usage(service.0.id()).context("the service has ended");
        let before = usage()?;
        std::thread::sleep(Duration::from_secs(self.seconds));
        let after = usage()?;
        println!(
            "{what}: {:.2} % of one core over {} s, {:.1} MB resident at most",
            (after.processor_s - before.processor_s) / self.seconds as f64 * 100.0,
            self.seconds,
            after.peak_kb as f64 / 1024.0
        );
        Ok(())
    }
}
