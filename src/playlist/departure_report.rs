//! How files that were found other than as their lines are written are reported: once per playlist,
//! since in a list of 10,000 lines that was made on another system every line departs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use super::departure::Departure;
use super::text::shown_path;
use super::track::Track;

/// Describes how a track's file was found, if other than as its line is written: the file within
/// the Music folder, and how.
pub fn describe(track: &Track, music: &Path) -> Option<String> {
    let ways: Vec<&str> = reported(&track.departures).map(Departure::how).collect();
    let path = track.path.as_deref().filter(|_| !ways.is_empty())?;
    Some(format!("{}, found {}", shown_path(path.strip_prefix(music).unwrap_or(path)), ways.join(", ")))
}

fn reported(departures: &BTreeSet<Departure>) -> impl Iterator<Item = Departure> {
    departures.iter().copied().filter(|&departure| departure != Departure::Notation)
}

/// Summarizes in one line how a playlist's files were found other than as written, with a count and
/// an example of each way.
pub(super) fn summary<'a>(tracks: &'a [Track], file: impl Fn(&'a Track) -> String) -> Option<String> {
    let mut ways: BTreeMap<Departure, (usize, &Track)> = BTreeMap::new();
    let mut lines = 0;
    for track in tracks {
        lines += usize::from(reported(&track.departures).next().is_some());
        for departure in reported(&track.departures) {
            ways.entry(departure).or_insert((0, track)).0 += 1;
        }
    }
    let ways: Vec<String> = ways
        .into_iter()
        .map(|(departure, (count, track))| {
            let example = Example(track, file(track));
            if count == 1 {
                format!("{} ({example})", departure.how())
            } else {
                format!("{count} {} ({example})", departure.how())
            }
        })
        .collect();
    let files = if lines == 1 { "1 file is".to_owned() } else { format!("{lines} files are") };
    (lines > 0).then(|| format!("{files} found other than as written: {}; jaudiosync list shows each", ways.join(", ")))
}

struct Example<'a>(&'a Track, String);

impl fmt::Display for Example<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} is {}", self.0.line, self.0.location, self.1)
    }
}
