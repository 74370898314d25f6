//! `jaudiosync listen`: how far apart the boxes really sound, from a recording.

mod apply;
mod files;
mod input;
mod music;
mod show;
mod stereo;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;

use self::input::Input;
use super::service_options::ServiceOptions;
use super::{Failure, output};
use crate::listen::AnalyseError;
use crate::listen::analysis::Known;
use crate::listen::combine::combine;
use crate::listen::findings::{Findings, ListenError};
use crate::listen::picture;
use crate::sound_check::schedule::BoxNumber;

/// Hear in a recording how far apart the boxes really sound
///
/// Start a sound check on every box (`jaudiosync sound-check`, or hold Start and Stop for 3 s), record it
/// with any phone for a minute and a half, and give this the file. For each box it shows how late its sound
/// arrives, and by how much `sound.output_latency_ms` should change.
///
/// 1 m of air takes 2.9 ms: let the recorder be equally far from every box, or say how far with
/// --distance, or carry it to each box in one recording, 5 cm from its speaker for 40 s, and back to the
/// first. The recorder's own clock is found and removed.
///
/// On a box, --apply sets this box and those of its ride that are its neighbours. With --music it compares a
/// recording of the ride itself with the playlist's tracks, and says what that shows and what not.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  jaudiosync listen recording.m4a
  jaudiosync listen recording.m4a --svg recording.svg
  jaudiosync listen recording.m4a --distance 1=2.0 --distance 2=3.5
  jaudiosync listen left.m4a right.m4a --reference 3
  jaudiosync listen recording.m4a --apply
  ffmpeg -v error -i film.mkv -vn -f wav - | jaudiosync listen -
  jaudiosync listen --stereo both-line-outputs.wav
  jaudiosync listen --music film-of-the-ride.m4a --music-folder /srv/jaudiosync/Music

Exit codes:
  0  heard; with --apply: every box in reach of this one is set, or stays as it is
  1  no answer, and the message says why; with --apply: a box did not do it, or none is in reach
  2  the command line is wrong
  3  with --music: the playlist cannot be used
  5  with --apply: the service of this box does not answer")]
pub(super) struct Listen {
    /// Recordings: WAV, M4A, MP3, Ogg Vorbis, FLAC, AIFF or CAF, or films in MP4 or MOV, of 8 kHz or more;
    /// - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Compare the left channel with the right instead: the line outputs of two boxes, music or sweeps
    #[arg(long, conflicts_with_all = ["distance", "reference", "latency", "channel"])]
    stereo: bool,

    /// How far a box was from the recorder, in m; either for every box or for none
    #[arg(long, value_name = "BOX=M", value_parser = distance)]
    distance: Vec<(BoxNumber, f64)>,

    /// The box that the others are compared with [default: one in the middle]
    #[arg(long, value_name = "BOX", value_parser = number)]
    reference: Option<BoxNumber>,

    /// The output_latency_ms that is set on a box now, to show the new value instead of the change
    #[arg(long, value_name = "BOX=MS", value_parser = latency, allow_hyphen_values = true)]
    latency: Vec<(BoxNumber, f64)>,

    /// Set the output latency of this box by what is heard, and those of the boxes of its ride that are its
    /// neighbours; they save it
    #[arg(long, conflicts_with_all = ["stereo", "latency"])]
    apply: bool,

    /// The channel of a recording to listen to, from 1 [default: the louder one]
    #[arg(long, value_name = "CHANNEL", value_parser = clap::value_parser!(u8).range(1..=64))]
    channel: Option<u8>,

    #[command(flatten)]
    of_ride: music::MusicOptions,

    /// Also draw the arrivals as a picture, into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    service: ServiceOptions,
}

impl Listen {
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.svg.is_some() && self.files.len() > 1 {
            return Err(Failure::Usage("--svg draws one recording; run it once for each".to_owned()));
        }
        let inputs: Vec<Input> = self.files.iter().map(|file| Input::open(file)).collect::<Result<_, _>>()?;
        if let Some(svg) = &self.svg {
            input::check_picture(svg, &inputs)?;
        }
        if self.stereo {
            return inputs.iter().try_for_each(|input| stereo::run(input, self.svg.as_deref(), self.json));
        }
        let channel = self.channel.map(|channel| usize::from(channel) - 1);
        if self.of_ride.is_wanted() {
            return self.of_ride.run(&inputs, channel, self.json);
        }
        let mut known = Known { reference: self.reference, distances_m: self.distance.iter().copied().collect() };
        let latencies_ms: BTreeMap<BoxNumber, f64> = self.latency.iter().copied().collect();
        let mut all: Vec<(Findings, u32)> = Vec::new();
        for input in &inputs {
            let file = &input.name;
            let (findings, rate_hz) = files::hear(input, channel, &known).map_err(|error| match error {
                AnalyseError::Nothing(ListenError::NoReference(number)) if self.reference.is_none() => {
                    let words = format!(
                        "box {number}, with which the first recording was compared, is not heard well enough in it; \
                         name a box that all of them hear with --reference, or leave this recording out"
                    );
                    files::in_file(file, &words)
                }
                error => files::in_file(file, &error),
            })?;
            check_distances(&findings, &known)?;
            // All recordings are compared with the same box.
            known.reference = Some(findings.reference);
            if let Some(svg) = &self.svg {
                files::write(svg, &picture::svg(&file.display().to_string(), &findings))?;
            }
            if !self.json {
                show::table(file, rate_hz, &findings, &latencies_ms);
            }
            all.push((findings, rate_hz));
        }
        let together = combine(all.iter().map(|(findings, _)| findings));
        let applied = if self.apply { apply::apply(&self.service, &inputs, &together)? } else { Vec::new() };
        if self.json {
            let mut json = show::json(&self.files, &all, &together, &latencies_ms);
            if self.apply {
                json["applied"] = serde_json::json!(applied);
            }
            output::say_pretty_json(&json)?;
            return apply::check(&applied);
        }
        if all.len() > 1 {
            show::together(&together, &latencies_ms);
        }
        show::assumptions(&known);
        apply::show(&applied);
        apply::check(&applied)
    }
}

/// Refuses distances of some boxes alone: the others would count as 0 m away.
fn check_distances(findings: &Findings, known: &Known) -> Result<(), Failure> {
    let is_known = |number: &BoxNumber| known.distances_m.contains_key(number);
    let missing: Vec<String> = findings
        .boxes
        .iter()
        .map(|found| found.number)
        .filter(|number| !known.distances_m.is_empty() && !is_known(number))
        .map(|number| format!("--distance {number}=M"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "the distance of some boxes is given, but not of all that are heard; add {}",
        missing.join(" ")
    )))
}

fn number(text: &str) -> Result<BoxNumber, String> {
    let number = text.parse().ok().and_then(BoxNumber::new);
    number.ok_or_else(|| "a box has a number from 1 to 16".to_owned())
}

fn pair(text: &str) -> Result<(BoxNumber, f64), String> {
    let (left, right) = text.split_once('=').ok_or("write the box, =, and the value, such as 2=3.5")?;
    let value = right.parse::<f64>().ok().filter(|value| value.is_finite());
    Ok((number(left)?, value.ok_or_else(|| format!("{right} is not a number"))?))
}

fn distance(text: &str) -> Result<(BoxNumber, f64), String> {
    let (number, metres) = pair(text)?;
    if !(0.0..=1000.0).contains(&metres) {
        return Err("a distance is 0 to 1000 m".to_owned());
    }
    Ok((number, metres))
}

fn latency(text: &str) -> Result<(BoxNumber, f64), String> {
    let (number, ms) = pair(text)?;
    if ms.abs() > 5000.0 {
        return Err("output_latency_ms is within ±5000".to_owned());
    }
    Ok((number, ms))
}
