//! When and with which track playing begins.

use std::path::Path;

use chrono::TimeZone;

use super::super::{Failure, output};
use crate::control::protocol::FirstTrack;
use crate::format;
use crate::playlist::Playlist;
use crate::storage::Position;
use crate::timetable::local_time::NamedTime;
use crate::timetable::{Timetable, next_grid_slot};

/// The first track. What was kept for another playlist, or for one that has become shorter, begins at 0 with a warning: a box
/// that stays silent helps nobody.
pub(super) fn choose_first_track(
    named: FirstTrack,
    playlist: &Playlist,
    state_folder: Option<&Path>,
) -> Result<usize, Failure> {
    let position = match named {
        FirstTrack::Number(track) => return Ok(track as usize),
        FirstTrack::Resume => Position::read(state_folder).map_err(Failure::Resume)?,
    };
    if position.playlist == playlist.name && position.track < playlist.tracks.len() {
        return Ok(position.track);
    }
    output::warn(format_args!(
        "the kept position is track {} of {}, which this playlist does not have; beginning with track 0",
        position.track, position.playlist
    ));
    Ok(0)
}

/// The instant at which the first track begins, in seconds since the Unix epoch.
pub(super) fn choose_start<Zone: TimeZone>(
    time: Option<NamedTime>,
    zone: &Zone,
    now_utc_ns: i64,
) -> Result<i64, Failure> {
    match time {
        Some(time) => Ok(time.to_utc_s(zone, now_utc_ns)?),
        None => Ok(next_grid_slot(now_utc_ns)),
    }
}

/// Return what to say when the timetable that was asked for is over. It is an error, and not a start
/// tomorrow: a box that waits a day in silence is worse than a message.
pub(super) fn already_over<Zone: TimeZone>(
    timetable: &Timetable,
    time: Option<NamedTime>,
    zone: &Zone,
    now_utc_ns: i64,
) -> Failure {
    let began = format::local_time(timetable.anchor_utc_s());
    let ended = format::local_time(timetable.end_utc_s().unwrap_or_default());
    let tomorrow = time.and_then(|time| time.a_day_later(zone, now_utc_ns));
    let tomorrow = tomorrow.map_or(String::new(), |time| format!(", -t {time} for the day after"));
    Failure::Usage(format!(
        "a playlist that began at {began} was over at {ended}; name a later time{tomorrow}, or --loop to join it in a loop"
    ))
}
