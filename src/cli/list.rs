//! `jaudiosync list`: the timetable as a table.

use std::borrow::Cow;
use std::collections::BTreeSet;

use chrono::Local;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use jaudiosync_hw::clocks::{Clocks, MachineClocks};
use serde::Serialize;

use super::playlist_options::{How, PlaylistOptions};
use super::{Failure, output};
use crate::format;
use crate::playlist::{Departure, Loaded, PassedOver, describe};
use crate::timetable::local_time::NamedTime;
use crate::timetable::slot_s;

/// Show a playlist's slots, their times, and its fingerprint
///
/// Boxes that show the same fingerprint play the same thing.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  jaudiosync list\n  jaudiosync list -t 18:30:05\n  jaudiosync list --json | jq .fingerprint"
)]
pub(super) struct List {
    #[command(flatten)]
    playlist: PlaylistOptions,

    /// Show the times for a start at this time, today or on a date
    #[arg(short = 't', long = "time", value_name = "TIME")]
    time: Option<NamedTime>,

    /// Trust the saved index, without checking the files
    #[arg(short = 'l', long = "trust-index")]
    trust_index: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The output of `--json`.
#[derive(Serialize)]
struct Listed<'a> {
    playlist: &'a str,
    fingerprint: String,
    runtime_s: i64,
    /// The folder that it was taken from, and the others.
    folder: Cow<'a, str>,
    passed_over: &'a [PassedOver],
    tracks: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    track: usize,
    line: usize,
    offset_s: i64,
    start_utc_s: Option<i64>,
    slot_s: i64,
    frames: Option<u64>,
    rate_hz: Option<u32>,
    title: &'a str,
    artist: Option<&'a str>,
    file: Option<Cow<'a, str>>,
    /// How the file's name differs from what the playlist's line says.
    departures: &'a BTreeSet<Departure>,
    problem: Option<String>,
}

impl List {
    pub(super) fn run(&self) -> Result<(), Failure> {
        let Loaded { playlist, folder, passed_over, .. } = self.playlist.load(How::quick(self.trust_index))?;
        let now_utc = MachineClocks.system_utc();
        let anchor_utc_s = self.time.map(|time| time.to_utc_s(&Local, now_utc)).transpose()?;
        let mut offset_s = 0;
        let mut rows = Vec::new();
        for (number, track) in playlist.tracks.iter().enumerate() {
            rows.push((number, offset_s, track));
            offset_s += slot_s(track.length);
        }
        if self.json {
            let tracks = rows.iter().map(|&(number, offset_s, track)| Row {
                track: number,
                line: track.line,
                offset_s,
                start_utc_s: anchor_utc_s.map(|anchor_utc_s| anchor_utc_s + offset_s),
                slot_s: slot_s(track.length),
                frames: track.length.map(|length| length.frames),
                rate_hz: track.length.map(|length| length.rate_hz),
                title: &track.title,
                artist: track.artist.as_deref(),
                file: track.path.as_ref().map(|path| path.to_string_lossy()),
                departures: &track.departures,
                problem: track.problem.as_ref().map(ToString::to_string),
            });
            return output::say_pretty_json(&Listed {
                playlist: &playlist.name,
                fingerprint: playlist.fingerprint().to_string(),
                runtime_s: playlist.runtime_s(),
                folder: folder.to_string_lossy(),
                passed_over: &passed_over,
                tracks: tracks.collect(),
            });
        }
        let music = folder.canonicalize().unwrap_or_else(|_| folder.clone());
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_header(["#", "Start", "Length", "Slot", "Track"]);
        for (number, offset_s, track) in rows {
            let start = match anchor_utc_s {
                Some(anchor_utc_s) => format::local_time(anchor_utc_s + offset_s),
                None => format!("+{}", format::duration(offset_s)),
            };
            let length = track.length.map_or("?".to_owned(), |length| format!("{:.3} s", length.seconds()));
            let name = match (&track.problem, describe(track, &music)) {
                (Some(problem), _) => format!("{} (silent: {problem})", track.display_name()),
                (None, Some(found)) => format!("{} ({found})", track.display_name()),
                (None, None) => track.display_name(),
            };
            table.add_row([number.to_string(), start, length, format::duration(slot_s(track.length)), name]);
        }
        for column in table.column_iter_mut().take(4) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        output::say(table.trim_fmt());
        output::say(format_args!(
            "{}, {}, fingerprint {}",
            format::counted(playlist.tracks.len(), "track"),
            format::duration(playlist.runtime_s()),
            playlist.fingerprint()
        ));
        if !passed_over.is_empty() {
            output::say(format_args!("from {}", folder.display()));
            passed_over.iter().for_each(|other| output::say(format_args!("not from {other}")));
        }
        Ok(())
    }
}
