//! `recording`: recordings of sound checks whose truth is known, and what `jaudiosync listen` makes of
//! them.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use jaudiosync::cli::{Failure, output};
use jaudiosync::listen::analysis::Known;
use jaudiosync::listen::recording::Recording;

use crate::recording::judge::{Score, Verdict, hear, verdicts};
use crate::recording::scene::{Kind, Scene};

/// Make recordings of sound checks whose truth is known, and judge what is heard in them
///
/// Every seed is another scene: eight boxes in the open or in a room, of which one may be silent,
/// traffic and a crowd as loud as the sweeps, and a recorder with faults, for 85 to 115 s or, in two of
/// five, for 40 to 70 s. Where ffmpeg is installed, some are compressed by AAC at 64 kbit/s. Without
/// --output they are heard, and compared with the truth.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cargo run --release -p jaudiosync-sim -- recording --seeds 200
  cargo run --release -p jaudiosync-sim -- recording --kind room --first-seed 17 --output room-17.wav")]
pub(super) struct RecordingCommand {
    /// Where the boxes are
    #[arg(long, value_enum)]
    kind: Option<Place>,

    /// The first seed
    #[arg(long, default_value_t = 0)]
    first_seed: u64,

    /// How many seeds
    #[arg(long, default_value_t = 1)]
    seeds: u64,

    /// Write the first recording as a WAV file, and print the truth, instead of hearing it
    #[arg(short, long, value_name = "FILE", requires = "kind")]
    output: Option<PathBuf>,

    /// Print every box
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Open,
    Room,
}

impl From<Place> for Kind {
    fn from(place: Place) -> Self {
        match place {
            Place::Open => Self::Open,
            Place::Room => Self::Room,
        }
    }
}

impl RecordingCommand {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if let (Some(file), Some(kind)) = (&self.output, self.kind) {
            let scene = Scene::draw(kind.into(), self.first_seed);
            let (samples, rate_hz) = scene.record();
            write_wav(file, &samples, rate_hz)?;
            for sounding in &scene.boxes {
                output::say(format_args!("box {:2}: {:.4} ms", sounding.number, scene.truth_s(sounding) * 1e3));
            }
            return Ok(());
        }
        let has_ffmpeg = Command::new("ffmpeg").arg("-version").output().is_ok_and(|output| output.status.success());
        if !has_ffmpeg {
            output::say("ffmpeg is not installed: nothing is compressed by AAC");
        }
        let kinds = self.kind.map_or(vec![Place::Open, Place::Room], |kind| vec![kind]);
        let mut is_right = true;
        for kind in kinds.into_iter().map(Kind::from) {
            let mut score = Score::new(kind);
            let bar = ProgressBar::new(self.seeds);
            if let Ok(style) = ProgressStyle::with_template("Listening {bar:40} {pos}/{len}, {eta} left") {
                bar.set_style(style);
            }
            for seed in self.first_seed..self.first_seed + self.seeds {
                let scene = Scene::draw(kind, seed);
                let (mut samples, mut rate_hz) = scene.record();
                if scene.is_aac && has_ffmpeg {
                    (samples, rate_hz) = by_aac(&samples, rate_hz)?;
                }
                let heard = hear(&samples, rate_hz, &Known::default()).map(|findings| verdicts(&scene, &findings));
                let wrong = score.add(&scene, &heard);
                bar.suspend(|| match &heard {
                    Err(error) => output::say(format_args!("{kind:?}, seed {seed}: {error}")),
                    Ok(heard) => heard
                        .iter()
                        .filter(|verdict| self.all || wrong.contains(&verdict.number))
                        .for_each(|verdict| output::say(format_args!("{kind:?}, seed {seed}: {}", line(verdict)))),
                });
                bar.inc(1);
            }
            bar.finish_and_clear();
            output::say(&score);
            is_right &= score.is_right();
        }
        if is_right { Ok(()) } else { Err(Failure::Other("some answers are wrong".to_owned())) }
    }
}

fn line(verdict: &Verdict) -> String {
    match verdict.answer {
        Ok((error_ms, plus_minus_ms)) => {
            format!("box {}: wrong by {error_ms:+.4} ms, stated ±{plus_minus_ms:.4} ms", verdict.number)
        }
        Err(doubt) => format!("box {}: no answer ({doubt:?})", verdict.number),
    }
}

fn write_wav(file: &Path, samples: &[f32], rate_hz: u32) -> Result<(), Failure> {
    let failure = |error: hound::Error| Failure::Other(format!("cannot write {}: {error}", file.display()));
    let format = hound::WavSpec {
        channels: 1,
        sample_rate: rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(file, format).map_err(failure)?;
    for sample in samples {
        writer.write_sample(*sample).map_err(failure)?;
    }
    writer.finalize().map_err(failure)
}

/// Compresses a recording as a phone does, and reads it as `listen` does.
fn by_aac(samples: &[f32], rate_hz: u32) -> Result<(Vec<f32>, u32), Failure> {
    let other = |error: String| Failure::Other(error);
    let folder = tempfile::tempdir().map_err(|error| other(error.to_string()))?;
    let (wav, m4a) = (folder.path().join("recording.wav"), folder.path().join("recording.m4a"));
    write_wav(&wav, samples, rate_hz)?;
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&wav)
        // ffmpeg takes the one channel of an extensible WAV file for the left one of several.
        .args(["-ac", "1", "-c:a", "aac", "-b:a", "64k"])
        .arg(&m4a)
        .status()
        .map_err(|error| other(format!("ffmpeg: {error}")))?;
    if !status.success() {
        return Err(other("ffmpeg failed".to_owned()));
    }
    let mut recording = Recording::open(&m4a, 1800).map_err(|error| other(error.to_string()))?;
    let rate_hz = recording.rate_hz();
    let mut heard = Vec::new();
    while let Some(piece) = recording.read().map_err(|error| other(error.to_string()))? {
        heard.extend(piece.into_iter().next().unwrap_or_default());
    }
    Ok((heard, rate_hz))
}
