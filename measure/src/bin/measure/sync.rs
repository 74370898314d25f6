//! Two players, one card: how far apart they are, track by track and second by second, in several
//! runs.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jaudiosync_measure::{Recorder, Recording, Sink, VirtualCard, best_lag, lag_by_second};

use super::Subject;
use super::player::{Announced, Player};

/// Measure how far apart two players that start together are
///
/// Both play the whole playlist into one virtual sound card, one left, one right. The lag between
/// them is the peak of the cross-correlation of the two channels, for every track's first second
/// and for every second.
#[derive(Debug, Args)]
pub(super) struct Sync {
    #[command(flatten)]
    subject: Subject,

    /// How many runs
    #[arg(long, default_value_t = 5)]
    runs: usize,

    /// Fail if the starts of a track are further apart than this, in ms
    #[arg(long)]
    max_start_ms: Option<f64>,

    /// Print the lag of every second
    #[arg(long)]
    seconds: bool,

    /// Save the last run's recording as a WAV file, such as for `jaudiosync listen --stereo`
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

impl Sync {
    pub(super) fn run(&self) -> Result<()> {
        let mut all = Vec::new();
        let mut worst_start_ms = 0.0_f64;
        for run in 1..=self.runs {
            let (recording, tracks) = record(&self.subject)?;
            if let Some(file) = &self.save {
                recording.save_wav(file)?;
            }
            let starts = start_lags(&recording, &tracks);
            ensure!(starts.len() == tracks.len(), "run {run}: not every track is in the recording of both");
            let starts_text: Vec<String> = starts.iter().map(|(_, lag_ms)| format!("{lag_ms:+.4}")).collect();
            worst_start_ms = starts.iter().fold(worst_start_ms, |worst, (_, lag_ms)| worst.max(lag_ms.abs()));
            let seconds = lag_by_second(&recording.left, &recording.right, recording.rate_hz);
            let lags: Vec<f64> = seconds.iter().filter_map(|second| second.lag_ms).collect();
            println!("run {run}: starts {} ms; seconds {}", starts_text.join(" "), Summary::of(&lags));
            if self.seconds {
                for second in &seconds {
                    println!("  {:3} s  {:?} ms, correlation {:.3}", second.second, second.lag_ms, second.correlation);
                }
            }
            all.extend(lags);
        }
        println!("all {} runs: largest start lag {worst_start_ms:.4} ms; seconds {}", self.runs, Summary::of(&all));
        if let Some(max_ms) = self.max_start_ms {
            ensure!(worst_start_ms <= max_ms, "starts are {worst_start_ms:.4} ms apart, more than {max_ms} ms");
        }
        Ok(())
    }
}

/// Records two players from beginning to end.
fn record(subject: &Subject) -> Result<(Recording, Vec<Announced>)> {
    let card = VirtualCard::start()?;
    let recorder = Recorder::start(&card)?;
    // Far enough ahead for both to be warm, as for a rider's start on the grid.
    let start_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 6;
    let time = local_time(start_s)?;
    let left = Player::start(subject, &card, Sink::Left, &["-t", &time], |_| {})?;
    let right = Player::start(subject, &card, Sink::Right, &["-t", &time], |_| {})?;
    let tracks = left.finish()?;
    right.finish()?;
    Ok((recorder.finish()?, tracks))
}

/// Returns an instant in the notation of `-t`.
fn local_time(utc_s: u64) -> Result<String> {
    let output = std::process::Command::new("date").arg(format!("-d@{utc_s}")).arg("+%Y-%m-%dT%H:%M:%S").output()?;
    let text = String::from_utf8(output.stdout).context("date printed no text")?;
    Ok(text.trim().to_owned())
}

/// Returns the lag of right behind left in the first second of every track, in ms.
fn start_lags(recording: &Recording, tracks: &[Announced]) -> Vec<(usize, f64)> {
    let second = recording.rate_hz as usize;
    let lead = second / 10;
    let lag_of = |track: &Announced| {
        let start = recording.frame_at_utc_ns(track.utc_s as f64 * 1e9).round().max(lead as f64) as usize - lead;
        let left = recording.left.get(start..start + second + lead)?;
        let right = recording.right.get(start..start + second + lead)?;
        let lag = best_lag(left, right, lead)?;
        Some((track.track, lag.frames / f64::from(recording.rate_hz) * 1000.0))
    };
    tracks.iter().filter_map(lag_of).collect()
}

/// Median and extremes of lags.
struct Summary {
    median_ms: f64,
    max_ms: f64,
    count: usize,
}

impl Summary {
    fn of(lags_ms: &[f64]) -> Self {
        let mut sizes: Vec<f64> = lags_ms.iter().map(|lag| lag.abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let median_ms = sizes.get(sizes.len() / 2).copied().unwrap_or(f64::NAN);
        Self { median_ms, max_ms: sizes.last().copied().unwrap_or(f64::NAN), count: sizes.len() }
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({}) median {:.4} ms, max {:.4} ms", self.count, self.median_ms, self.max_ms)
    }
}
