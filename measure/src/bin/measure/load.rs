//! Memory and processor time of a playing process, next to another player of the same files: a
//! Python program that plays them with pygame, or mpg123.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use jaudiosync_measure::{Sink, VirtualCard};

use super::{Subject, files};

/// Measure the memory and the processor time of playing, next to another player
///
/// Both play the whole playlist at the same time into the same virtual sound card.
#[derive(Debug, Args)]
pub(super) struct Load {
    #[command(flatten)]
    subject: Subject,

    /// Compare with a Python that has pygame, mutagen and apscheduler
    #[arg(long, conflicts_with = "mpg123", required_unless_present = "mpg123")]
    python: Option<PathBuf>,

    /// Compare with mpg123, which resamples to 48 kHz, too, and plays the files without waiting for
    /// anything
    #[arg(long)]
    mpg123: bool,
}

/// The Python program: lengths from mutagen, starts by apscheduler, sound by pygame's mixer.
const PYTHON: &str = "
import sys, time
from datetime import datetime, timedelta
from math import ceil
from apscheduler.schedulers.background import BackgroundScheduler
from mutagen.mp3 import MP3
from pygame import mixer
mixer.init()
scheduler = BackgroundScheduler()
start = datetime.now().replace(microsecond=0) + timedelta(seconds=6)
def play(file):
    mixer.music.load(file)
    mixer.music.play()
for file in sys.argv[1:]:
    scheduler.add_job(play, 'date', run_date=start, args=[file])
    start += timedelta(seconds=ceil(MP3(file).info.length) + 1)
scheduler.start()
time.sleep((start - datetime.now()).total_seconds())
";

impl Load {
    pub(super) fn run(&self) -> Result<()> {
        let card = VirtualCard::start()?;
        let files = files(&self.subject)?;
        let mut ours = Command::new(&self.subject.program);
        ours.args(["play", "--json", "--music"]).arg(&self.subject.music);
        ours.args(["--playlist-name", &self.subject.playlist_name]).envs(card.env(Sink::Left)).stdout(Stdio::null());
        let ours = Player(ours.spawn().context("cannot run the program")?);
        let (name, mut other) = match &self.python {
            Some(python) => {
                let mut command = Command::new(python);
                command.args(["-c", PYTHON]);
                ("Python", command)
            }
            None => {
                let mut command = Command::new("mpg123");
                command.args(["-q", "-o", "pulse", "-r", "48000"]);
                ("mpg123 -r 48000", command)
            }
        };
        other.args(&files).envs(card.env(Sink::Right)).env("SDL_AUDIODRIVER", "pulseaudio").stdout(Stdio::null());
        let other = Player(other.spawn().with_context(|| format!("cannot run {name}"))?);
        let usages = watch([ours, other])?;
        for (name, usage) in ["jaudiosync", name].iter().zip(&usages) {
            println!(
                "{name:<15} {:6.1} MB resident at most, {:6.2} s of processor time",
                usage.peak_kb as f64 / 1024.0,
                usage.processor_s
            );
        }
        let [ours, other] = usages;
        println!("jaudiosync takes {:.2} of the processor time of {name}", ours.processor_s / other.processor_s);
        Ok(())
    }
}

/// A running player; dropping it ends it, also if the other one has failed.
struct Player(Child);

impl Drop for Player {
    fn drop(&mut self) {
        // It may have exited already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Usage {
    /// The largest resident memory so far.
    pub peak_kb: u64,
    pub processor_s: f64,
}

/// Reads the kernel's accounts of both until they exit.
fn watch(mut players: [Player; 2]) -> Result<[Usage; 2]> {
    let mut usages = [Usage::default(); 2];
    loop {
        let mut running = false;
        for (Player(child), usage) in players.iter_mut().zip(&mut usages) {
            match child.try_wait()? {
                None => {
                    running = true;
                    if let Some(read) = read_usage(child.id()) {
                        *usage = read;
                    }
                }
                Some(status) => ensure!(status.success(), "a player failed: {status}"),
            }
        }
        if !running {
            return Ok(usages);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Reads from /proc: `VmHWM` of `status`; `utime` and `stime` of `stat`, in ticks of 10 ms
/// (proc(5)).
pub(super) fn read_usage(pid: u32) -> Option<Usage> {
    let process = Path::new("/proc").join(pid.to_string());
    let status = std::fs::read_to_string(process.join("status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let peak_kb = peak.split_whitespace().next()?.parse().ok()?;
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Usage { peak_kb, processor_s: ticks as f64 / 100.0 })
}
