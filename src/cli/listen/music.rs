//! `listen --music`: a recording of the ride against the tracks of its playlist.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::json;

use super::super::playlist_options::PlaylistOptions;
use super::super::{Failure, output};
use super::files::{LONGEST_S, Progress, in_file};
use super::input::Input;
use crate::format;
use crate::listen::channel::ChannelChoice;
use crate::listen::compress::{Compressor, RATE_HZ};
use crate::listen::music::{Candidate, MARGIN_S, MusicReport, Search, Verdict, compare};
use crate::listen::recording::{Recording, RecordingError};
use crate::playlist::{LoadError, Track};

/// The longest track, in s. It is not held in memory.
const LONGEST_TRACK_S: u64 = 24 * 3600;
/// How far from the place that was named the recording may begin, in s.
const NEAR_S: f64 = 30.0;

#[derive(Debug, Args)]
pub(super) struct MusicOptions {
    /// Compare a recording of the ride itself with the playlist's tracks, without a sound check
    #[arg(long, conflicts_with_all = ["stereo", "distance", "reference", "latency", "apply", "svg"])]
    music: bool,

    /// Folder that holds the music and the playlist, for --music [default: Music, or where there is
    /// none, as configured]
    #[arg(long, value_name = "DIR", requires = "music")]
    music_folder: Vec<PathBuf>,

    /// Name of the playlist, for --music [default: Playlist, or as configured]
    #[arg(long, value_name = "NAME", requires = "music")]
    playlist_name: Option<String>,

    /// The track that is heard, from 0, for --music: the others are then not searched
    #[arg(long, value_name = "TRACK", requires = "music")]
    track: Option<usize>,

    /// About which place of that track is heard first, in s, for --music
    #[arg(long, value_name = "SECONDS", requires = "track")]
    at: Option<u32>,
}

impl MusicOptions {
    /// Returns whether this is what is wanted.
    pub(super) fn is_wanted(&self) -> bool {
        self.music
    }

    /// Hears every recording, and prints what it says.
    pub(super) fn run(&self, inputs: &[Input], channel: Option<usize>, as_json: bool) -> Result<(), Failure> {
        let options = PlaylistOptions { music: self.music_folder.clone(), playlist_name: self.playlist_name.clone() };
        let loaded = options.load_playable(false).map_err(|failure| match failure {
            // Here --music is another option.
            Failure::Playlist(LoadError::NoMusic(folder)) => Failure::Usage(format!(
                "there is no Music folder at {}; name the one with the playlist that is heard: --music-folder DIR",
                folder.display()
            )),
            failure => failure,
        })?;
        let tracks = loaded.playlist.tracks;
        if let Some(track) = self.track.filter(|track| *track >= tracks.len()) {
            let last = tracks.len() - 1;
            return Err(Failure::Usage(format!("there is no track {track}; the playlist's tracks are 0 to {last}")));
        }
        let mut all = Vec::new();
        for input in inputs {
            let file = &input.name;
            let recording = read(input, channel)?;
            let candidates = self.search(file, &recording, &tracks)?;
            let mut reports = Vec::new();
            let mut refused = None;
            for candidate in &candidates {
                match compared(&recording, candidate, &tracks) {
                    Ok(report) => reports.push(report),
                    Err(error) => refused = Some(error),
                }
            }
            if let Some(error) = refused.filter(|_| reports.is_empty()) {
                return Err(in_file(file, &error));
            }
            if !as_json {
                reports.iter().for_each(|report| show(file, report, &tracks));
            }
            all.push(json!({ "file": file.to_string_lossy(), "parts": reports }));
        }
        if as_json {
            return output::say_pretty_json(&json!({ "recordings": all }));
        }
        output::say(
            "One microphone cannot tell which arrival is which box, nor a loud echo from a box: stop one of them, and \
             see which arrival is gone. 1 m of air is 2.9 ms. jaudiosync sound-check tells all of this.",
        );
        Ok(())
    }

    fn search(&self, file: &Path, recording: &[f32], tracks: &[Track]) -> Result<Vec<Candidate>, Failure> {
        let mut search = Search::new(recording).map_err(|error| in_file(file, &error))?;
        let progress = Progress::new("Searching");
        let bytes: u64 = tracks.iter().map(|track| track.size_bytes).sum();
        let mut done = 0;
        for (number, track) in tracks.iter().enumerate() {
            let is_meant = self.track.is_none_or(|wanted| wanted == number);
            if let Some(path) = track.path.as_deref().filter(|_| is_meant) {
                let range = self.at.map_or((0.0, f64::INFINITY), |at| {
                    let duration_s = recording.len() as f64 / RATE_HZ as f64;
                    ((f64::from(at) - NEAR_S).max(0.0), f64::from(at) + duration_s + NEAR_S)
                });
                search.begin_track(number, sample(range.0));
                if let Err(error) = decode(path, range, |samples| search.push(samples)) {
                    output::warn(format_args!("{}: {error}; it is not searched", path.display()));
                }
                if search.end_track() {
                    break;
                }
            }
            done += track.size_bytes;
            progress.show(Some(done as f64 / bytes.max(1) as f64));
        }
        search.finish().map_err(|error| in_file(file, &error))
    }
}

/// Reads a recording at the rate at which it is compared.
fn read(input: &Input, channel: Option<usize>) -> Result<Vec<f32>, Failure> {
    let failure = |error: RecordingError| in_file(&input.name, &error);
    let mut recording = input.recording(LONGEST_S).map_err(failure)?;
    let mut choice = ChannelChoice::new(recording.rate_hz(), channel);
    let mut compressor = Compressor::plain(recording.rate_hz());
    let progress = Progress::new("Reading");
    while let Some(piece) = recording.read().map_err(failure)? {
        compressor.push(&choice.push(piece));
        progress.show(recording.progress());
    }
    compressor.push(&choice.finish());
    Ok(compressor.finish())
}

/// Compares a recording with the part of a track that is heard in it.
fn compared(
    recording: &[f32],
    candidate: &Candidate,
    tracks: &[Track],
) -> Result<MusicReport, Box<dyn std::error::Error>> {
    let path = tracks.get(candidate.track).and_then(|track| track.path.as_deref()).ok_or("the track is gone")?;
    let rate_hz = RATE_HZ as f64;
    let from_s = (candidate.offset / rate_hz - MARGIN_S).max(0.0).floor();
    let to_s = (candidate.offset + recording.len() as f64) / rate_hz + MARGIN_S;
    let mut track = Vec::new();
    decode(path, (from_s, to_s), |samples| track.extend_from_slice(samples))?;
    Ok(compare(recording, candidate, &track, sample(from_s) as i64)?)
}

fn sample(s: f64) -> usize {
    (s * RATE_HZ as f64) as usize
}

/// Decodes a track from one time to another, in s, both channels as one, at the rate at which it is
/// compared.
fn decode(path: &Path, (from_s, to_s): (f64, f64), mut take: impl FnMut(&[f32])) -> Result<(), RecordingError> {
    let mut recording = Recording::open(path, LONGEST_TRACK_S)?;
    let mut compressor = Compressor::plain(recording.rate_hz());
    let mut made = 0;
    let mut pass_on = |samples: &[f32]| {
        // Far beyond any track where it has no end.
        let last = if to_s.is_finite() { sample(to_s) } else { usize::MAX };
        let from = sample(from_s).saturating_sub(made).min(samples.len());
        let to = last.saturating_sub(made).min(samples.len());
        made += samples.len();
        take(samples.get(from..to).unwrap_or_default());
        if made >= last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    while let Some(piece) = recording.read()? {
        compressor.push(&mixed(piece));
        if pass_on(&compressor.take()).is_break() {
            return Ok(());
        }
    }
    let _ = pass_on(&compressor.finish());
    Ok(())
}

/// Returns the mean of all channels.
fn mixed(mut piece: Vec<Vec<f32>>) -> Vec<f32> {
    let count = piece.len() as f32;
    let mut mixed = piece.pop().unwrap_or_default();
    for channel in piece {
        mixed.iter_mut().zip(channel).for_each(|(sum, x)| *sum += x);
    }
    mixed.iter_mut().for_each(|x| *x /= count);
    mixed
}

/// Prints what a recording says.
fn show(file: &Path, report: &MusicReport, tracks: &[Track]) {
    let title = tracks.get(report.track).map(Track::display_name).unwrap_or_default();
    output::say(format_args!(
        "{}: track {} ({title}), from {} on; {:.0} s compared; the recorder's clock is {:.1} ppm {}",
        file.display(),
        report.track,
        place(report.from_s),
        report.compared_s,
        report.recorder_clock_ppm.abs(),
        if report.recorder_clock_ppm < 0.0 { "slow" } else { "fast" },
    ));
    match report.verdict {
        Verdict::One => output::say(format_args!(
            "One sound arrives: of one box, or of boxes that are within {:.2} ms of each other.",
            report.resolution_ms
        )),
        Verdict::Several => {
            output::say("Several sounds arrive, each of a box or an echo:");
            table(report);
        }
        Verdict::Echoes => {
            output::say("So many sounds arrive that most are echoes, and nothing can be said of the boxes:");
            table(report);
        }
    }
}

fn table(report: &MusicReport) {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["arrives", "±", "loudness", ""]);
    for arrival in &report.arrivals {
        table.add_row([
            format!("{:+.3} ms", arrival.ms),
            format!("{:.3} ms", arrival.plus_minus_ms),
            format!("{:.1} dB", arrival.db),
            if arrival.inverted { "inverted".to_owned() } else { String::new() },
        ]);
    }
    for column in 0..3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    output::say(format!("{table}").lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
}

fn place(s: f64) -> String {
    let whole = format::duration(s.abs().round() as i64);
    if s < -0.5 { format!("{whole} before its beginning") } else { whole }
}
