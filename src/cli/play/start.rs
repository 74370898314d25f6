//! When playing begins, and with which track.

use std::path::Path;

use chrono::TimeZone;

use jaudiosync_time::{Instant, Utc};

use super::super::{Failure, output};
use crate::control::protocol::FirstTrack;
use crate::format;
use crate::playlist::Playlist;
use crate::storage::Position;
use crate::timetable::local_time::NamedTime;
use crate::timetable::{Timetable, next_grid_slot};

/// Returns the first track. A position that was saved for another playlist, or for one that has
/// become shorter since, gives track 0 and a warning: a silent box helps nobody.
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
        "the saved position is track {} of {}, which this playlist does not have; beginning with track 0",
        position.track, position.playlist
    ));
    Ok(0)
}

/// Returns when the first track begins, in seconds since the Unix epoch.
pub(super) fn choose_start<Zone: TimeZone>(
    time: Option<NamedTime>,
    zone: &Zone,
    now: Instant<Utc>,
) -> Result<i64, Failure> {
    match time {
        Some(time) => Ok(time.to_utc_s(zone, now)?),
        None => Ok(next_grid_slot(now)),
    }
}

/// Returns the error for a timetable that is already over. It does not start tomorrow instead: a
/// box that waits a day in silence is worse than a message.
pub(super) fn already_over<Zone: TimeZone>(
    timetable: &Timetable,
    time: Option<NamedTime>,
    zone: &Zone,
    now: Instant<Utc>,
) -> Failure {
    let began = format::local_time(timetable.anchor_utc_s());
    let ended = format::local_time(timetable.end_utc_s().unwrap_or_default());
    let tomorrow = time.and_then(|time| time.a_day_later(zone, now));
    let tomorrow = tomorrow.map_or(String::new(), |time| format!(", such as -t {time} for the day after"));
    Failure::Usage(format!(
        "a playlist that began at {began} ended at {ended}; name a later time{tomorrow}, or add --loop to join it as it repeats"
    ))
}
