//! `doctor --last-ride`: what the flight recorder has of a ride, on a page.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::json;

use super::super::{Failure, output};
use crate::format::{counted, duration, local_time};
use crate::recorder::{
    Boot, BootId, Ending, Entry, Files, Moment, Period, Ride, Rides, Severity, WRITE_INTERVAL, recording_folder,
};
use crate::storage::StatePlace;

/// How many lines of the log, and how many of any other list, are shown at most. JSON has all.
const MAX_NOTES: usize = 20;
const MAX_LINES: usize = 12;

/// Prints a ride of the recording in this folder; 1 is the last one.
pub(super) fn show(folder: Option<&Path>, number: usize, as_json: bool) -> Result<(), Failure> {
    let Some(folder) = folder else {
        return Err(Failure::Other(
            "there is no folder for the state: set STATE_DIRECTORY, XDG_STATE_HOME or HOME".into(),
        ));
    };
    let files = Files::in_folder(&recording_folder(&StatePlace::of(folder)));
    let bytes = files.read().map_err(|error| unreadable(&files, &error))?;
    let (entries, unreadable) = Entry::read_all(&bytes);
    let rides = Rides::of(&entries, &BootId::current());
    let Some((ride, since)) = rides.last(number) else {
        return Err(Failure::Other(match (rides.count(), unreadable) {
            (0, 0) => format!(
                "nothing is recorded in {}: the service has not run yet, or could not write there (see: jaudiosync doctor)",
                folder.display()
            ),
            (0, _) => format!(
                "no ride is recorded in {}: {}; the service writes new ones below",
                files.path().display(),
                cannot_be_read(unreadable)
            ),
            (count, _) => format!("there is no ride {number}: the recording has {}", counted(count as u64, "ride")),
        }));
    };
    if as_json {
        return output::say_pretty_json(&json!({
            "ride": ride,
            "power_cuts": ride.power_cuts(),
            "drop_out_count": ride.drop_out_count(),
            "music_s": ride.music_s(),
            "since": since,
            "unreadable_lines": unreadable,
        }));
    }
    for line in page(ride, since, unreadable) {
        output::say(printable(&line));
    }
    Ok(())
}

fn unreadable(files: &Files, error: &std::io::Error) -> Failure {
    let advice = match error.kind() {
        ErrorKind::PermissionDenied => "run it with sudo, or as a member of the group jaudiosync",
        _ => "see: jaudiosync doctor, dmesg",
    };
    Failure::Other(format!("cannot read {}: {error}; {advice}", files.path().display()))
}

fn page(ride: &Ride, since: Option<&Ride>, unreadable: usize) -> Vec<String> {
    let mut lines = vec![heading(ride)];
    lines.extend(since.and_then(|since| since.boots.first()).map(|boot| {
        format!("(the box has been on again since {}, which is not counted as a ride yet)", words(boot.from, None))
    }));
    section(&mut lines, "Switched on and off", boots(ride));
    section(&mut lines, "Restarts of the program", troubles(&ride.restarts));
    section(&mut lines, "Music", music(ride));
    section(&mut lines, "Time", time(ride));
    section(&mut lines, "Other boxes that were heard", troubles(&ride.neighbours));
    section(&mut lines, "Drop-outs", drop_outs(ride));
    section(&mut lines, "Power and heat", power(ride));
    section(&mut lines, "What else was logged", notes(ride));
    if ride.suppressed > 0 {
        lines.push(format!("  {} were counted only, as there were too many", counted(ride.suppressed, "event")));
    }
    if unreadable > 0 {
        lines.push(String::new());
        lines.push(format!("({}, as a power cut leaves them)", cannot_be_read(unreadable)));
    }
    lines
}

fn cannot_be_read(lines: usize) -> String {
    format!("{} of the recording cannot be read", counted(lines as u64, "line"))
}

fn section(lines: &mut Vec<String>, title: &str, entries: Vec<String>) {
    if entries.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(title.to_owned());
    lines.extend(entries.into_iter().map(|entry| format!("  {entry}")));
}

fn heading(ride: &Ride) -> String {
    let (Some(first), Some(last)) = (ride.boots.first(), ride.boots.last()) else { return String::new() };
    let length = match (first.from.utc_s, last.to.utc_s) {
        (Some(from), Some(to)) => format!(" ({})", duration((to - from).max(0.0) as i64)),
        _ => String::new(),
    };
    if first.from.utc_s.is_none() && last.to.utc_s.is_none() {
        let version = version(last);
        let [from, to] = [first.from, last.to].map(|moment| duration(moment.up_s as i64));
        return match ride.boots.len() {
            1 => format!("Ride on an unknown date, from {from} to {to} after power-on{version}"),
            count => format!("Ride on an unknown date, with {count} power-ons, to {to} after the last{version}"),
        };
    }
    let to = match last.to.utc_s {
        Some(_) => words(last.to, Some(first.from)),
        None => format!("{} after the last power-on, on an unknown date", duration(last.to.up_s as i64)),
    };
    let version = version(last);
    let until = if ride.is_under_way() { "under way, last entry" } else { "to" };
    let from = match first.from.utc_s {
        Some(_) => words(first.from, None),
        None => format!("an unknown date, {} after power-on,", duration(first.from.up_s as i64)),
    };
    format!("Ride of {from} {until} {to}{length}{version}")
}

fn version(boot: &Boot) -> String {
    boot.version.as_ref().map_or(String::new(), |version| format!(", version {version}"))
}

fn boots(ride: &Ride) -> Vec<String> {
    let lines = ride.boots.iter().flat_map(|boot| {
        let begin = format!("{}  switched on", words(boot.from, None));
        let at = words(boot.to, None);
        let end = match boot.ending {
            Ending::Asked => format!("{at}  ended in an orderly way"),
            Ending::PowerOff => format!("{at}  switched off by holding Stop"),
            Ending::PowerCut => {
                format!(
                    "{at}  last entry: a power cut (or the Pi hung) within {} min after it",
                    WRITE_INTERVAL.seconds() / 60.0
                )
            }
            Ending::StillOn => format!("{at}  last entry: still on"),
        };
        [begin, end]
    });
    let mut lines = limited(lines.collect(), 2 * MAX_LINES);
    if ride.power_cuts() > 1 {
        lines.push(format!("{} power cuts", ride.power_cuts()));
    }
    lines
}

fn troubles(troubles: &[crate::recorder::Trouble]) -> Vec<String> {
    limited(
        troubles.iter().map(|trouble| format!("{}  {}", words(trouble.at, None), trouble.text)).collect(),
        MAX_LINES,
    )
}

fn music(ride: &Ride) -> Vec<String> {
    let mut lines: Vec<String> = ride.music.iter().map(period).collect();
    if lines.is_empty() {
        lines.push("none was to be heard".to_owned());
    }
    lines.extend(ride.card_away.iter().map(|away| format!("{}  the sound card was away", period(away))));
    limited(lines, MAX_LINES)
}

fn time(ride: &Ride) -> Vec<String> {
    let time = &ride.time;
    let mut lines = Vec::new();
    match (time.worst_bound_ms, time.worst_at) {
        (Some(worst_ms), Some(at)) => {
            let best = time.best_bound_ms.map_or(String::new(), |best_ms| format!("; at best ±{} ms", figure(best_ms)));
            let on = if at.utc_s.is_some() { "on " } else { "" };
            lines.push(format!("within ±{} ms at worst, {on}{}{best}", figure(worst_ms), words(at, None)));
        }
        _ if time.trusted => lines.push("trusted, with an unknown bound".to_owned()),
        _ => lines.push("never trusted: not in sync with the others".to_owned()),
    }
    let untrusted_s: f64 = time.untrusted.iter().map(Period::length_s).sum();
    if time.trusted && untrusted_s >= 1.0 {
        let longest = time.untrusted.iter().max_by(|one, other| one.length_s().total_cmp(&other.length_s()));
        let longest = longest.map_or(String::new(), |longest| format!(", the longest {}", period(longest)));
        lines.push(format!("not trusted for {} in all{longest}", duration(untrusted_s.round() as i64)));
    }
    lines.push(match time.referenced_s {
        referenced_s if referenced_s >= 1.0 => {
            format!("confirmed by a reference for {}", duration(referenced_s.round() as i64))
        }
        _ => "not confirmed by a reference".to_owned(),
    });
    lines.extend(time.sources.iter().map(|source| format!("from {source}")));
    limited(lines, MAX_LINES)
}

fn drop_outs(ride: &Ride) -> Vec<String> {
    if ride.drop_outs.is_empty() {
        return vec!["none".to_owned()];
    }
    let times = ride.drop_outs.iter().map(|drop_outs| format!("{}  {}", words(drop_outs.at, None), drop_outs.count));
    let mut lines = limited(times.collect(), MAX_LINES);
    lines.push(format!("{} in all", ride.drop_out_count()));
    lines
}

fn power(ride: &Ride) -> Vec<String> {
    let mut lines = troubles(&ride.power);
    lines.extend(ride.hottest_celsius.map(|celsius| format!("at most {celsius:.0} °C")));
    lines
}

fn notes(ride: &Ride) -> Vec<String> {
    let lines = ride.notes.iter().map(|note| {
        let severity = match note.severity {
            Severity::Info | Severity::Other => "",
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        };
        let times = if note.times > 1 { format!(" ({} times)", note.times) } else { String::new() };
        format!("{}  {severity}{}{times}", words(note.at, None), note.text)
    });
    limited(lines.collect(), MAX_NOTES)
}

/// Returns the last of many lines, after one that says how many are left out.
fn limited(mut lines: Vec<String>, most: usize) -> Vec<String> {
    let left_out = lines.len().saturating_sub(most);
    if left_out > 0 {
        lines.drain(..=left_out);
        lines.insert(0, format!("... {} more before; --json shows them", left_out + 1));
    }
    lines
}

fn period(period: &Period) -> String {
    let length = duration(period.length_s().round() as i64);
    format!("{} to {} ({length})", words(period.from, None), words(period.to, Some(period.from)))
}

/// Returns a moment in local time, without the date if that of `after` is the same; in a boot that
/// never knew the time, the time since power-on.
fn words(moment: Moment, after: Option<Moment>) -> String {
    let Some(utc_s) = moment.utc_s else {
        return format!("{} after power-on", duration(moment.up_s as i64));
    };
    let text = local_time(utc_s as i64);
    let before = after.and_then(|after| after.utc_s).map(|utc_s| local_time(utc_s as i64));
    match (text.split_once(' '), before.as_deref().and_then(|before| before.split_once(' '))) {
        (Some((date, time)), Some((day, _))) if date == day => time.to_owned(),
        _ => text,
    }
}

/// Returns a bound with three significant digits at least.
fn figure(ms: f64) -> String {
    if ms < 10.0 { format!("{ms:.2}") } else { format!("{ms:.0}") }
}

/// A terminal must not obey what is in a damaged file.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}
