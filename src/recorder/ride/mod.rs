//! What a recording says of the rides: which boots belong together, and what happened in them.
//! Pure.

mod boots;
mod summary;

use serde::Serialize;

use self::boots::boots;
use super::boot::BootId;
use super::event::{Entry, Severity};

/// Boots with a longer pause between them are different rides, in s.
const PAUSE_S: f64 = 2.0 * 3600.0;

/// A boot that begins this much before the end of the one recorded before it is not its
/// continuation: the two recordings were made one beside the other. Less is an error of the time.
const OVERLAP_S: f64 = 60.0;

/// The boot under way is the last ride only when it has lasted this long, in s: a box that is
/// switched on at home to ask about the last ride has not begun another one.
const RIDE_S: f64 = 20.0 * 60.0;

/// A moment of a ride.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moment {
    /// Which boot of the ride, from 0.
    pub boot: usize,
    /// The time since power-on, in s.
    pub up_s: f64,
    /// UTC, in s since the Unix epoch; `None` if it was never known in that boot.
    pub utc_s: Option<f64>,
}

/// A stretch of time within one boot.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Period {
    /// When it began.
    pub from: Moment,
    /// When it ended, or the last entry of its boot.
    pub to: Moment,
}

/// How a boot ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// In an orderly way, as by `poweroff` or `systemctl stop`.
    Asked,
    /// Stop was held.
    PowerOff,
    /// By a power cut, or because the Pi hung.
    PowerCut,
    /// It has not ended.
    StillOn,
}

/// A boot of a ride.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Boot {
    /// When its first entry was made.
    pub from: Moment,
    /// When its last entry was made.
    pub to: Moment,
    /// How it ended.
    pub ending: Ending,
    /// The program's version; `None` if the beginning is no longer recorded.
    pub version: Option<String>,
}

/// Something that went wrong, or was ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trouble {
    /// When.
    pub at: Moment,
    /// What, in words.
    pub text: String,
}

/// Interruptions of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DropOutTime {
    /// When the last of them was.
    pub at: Moment,
    /// How many.
    pub count: u64,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoggedNote {
    /// When it was recorded.
    pub at: Moment,
    /// How bad it is.
    pub severity: Severity,
    /// What it says.
    pub text: String,
    /// How many such lines there were.
    pub times: u64,
}

/// How well the time was known.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct RideTime {
    /// Whether it was ever trusted.
    pub trusted: bool,
    /// The largest bound, in ms; `None` if none was known.
    pub worst_bound_ms: Option<f64>,
    /// When it was recorded.
    pub worst_at: Option<Moment>,
    /// The smallest bound that was recorded, in ms.
    pub best_bound_ms: Option<f64>,
    /// How long a reference confirmed the time, in s.
    pub referenced_s: f64,
    /// When the time was not trusted.
    pub untrusted: Vec<Period>,
    /// Where the time came from, in words, in the order in which they were first recorded.
    pub sources: Vec<String>,
}

/// A ride: one boot, or several with short pauses between them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ride {
    /// Its boots, the oldest first; at least one.
    pub boots: Vec<Boot>,
    /// Runs of the program that ended in the middle of a boot, and why.
    pub restarts: Vec<Trouble>,
    /// When music was to be heard.
    pub music: Vec<Period>,
    /// How well the time was known.
    pub time: RideTime,
    /// Interruptions of the sound.
    pub drop_outs: Vec<DropOutTime>,
    /// When the sound card was away.
    pub card_away: Vec<Period>,
    /// Warnings about power supply and heat.
    pub power: Vec<Trouble>,
    /// The highest temperature that was recorded, in °C.
    pub hottest_celsius: Option<f64>,
    /// Other boxes: who was heard, and when that changed.
    pub neighbours: Vec<Trouble>,
    /// What else was logged.
    pub notes: Vec<LoggedNote>,
    /// Events that were counted only, as there were too many.
    pub suppressed: u64,
}

/// All rides of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Rides {
    /// The oldest first.
    rides: Vec<Ride>,
}

impl Ride {
    /// Returns how many power cuts there were.
    pub fn power_cuts(&self) -> usize {
        self.boots.iter().filter(|boot| boot.ending == Ending::PowerCut).count()
    }

    /// Returns how many times the sound was interrupted.
    pub fn drop_out_count(&self) -> u64 {
        self.drop_outs.iter().fold(0, |sum, drop_outs| sum.saturating_add(drop_outs.count))
    }

    /// Returns whether it goes on.
    pub fn is_under_way(&self) -> bool {
        self.boots.last().is_some_and(|boot| boot.ending == Ending::StillOn)
    }

    /// Returns how long music was to be heard, in s.
    pub fn music_s(&self) -> f64 {
        // The sum of nothing is -0.
        self.music.iter().map(Period::length_s).sum::<f64>() + 0.0
    }

    fn recorded_s(&self) -> f64 {
        self.boots.iter().map(|boot| Period { from: boot.from, to: boot.to }.length_s()).sum()
    }
}

impl Period {
    /// Returns its length, in s.
    pub fn length_s(&self) -> f64 {
        (self.to.up_s - self.from.up_s).max(0.0)
    }
}

impl Rides {
    /// Finds the rides in a recording; `current` is the boot under way.
    pub fn of(entries: &[Entry], current: &BootId) -> Self {
        let mut rides: Vec<Vec<boots::Entries<'_>>> = Vec::new();
        for boot in boots(entries) {
            match rides.last_mut() {
                Some(ride) if ride.last().is_some_and(|before| is_same_ride(before, &boot)) => ride.push(boot),
                _ => rides.push(vec![boot]),
            }
        }
        Self { rides: rides.iter().map(|boots| summary::ride(boots, current)).collect() }
    }

    /// Returns the last ride, or one before it: 1 is the last one. The box may have been switched
    /// on again since: then the second is what is under way, and too short to be a ride.
    pub fn last(&self, number: usize) -> Option<(&Ride, Option<&Ride>)> {
        let since = self.since();
        let ride = self.rides.get(self.count().checked_sub(number).filter(|_| number > 0)?)?;
        Some((ride, since))
    }

    /// Returns how many rides there are to choose from.
    pub fn count(&self) -> usize {
        self.rides.len() - usize::from(self.since().is_some())
    }

    /// Returns what is under way, if it is too short to be a ride and there is another.
    fn since(&self) -> Option<&Ride> {
        let newest = self.rides.last().filter(|_| self.rides.len() > 1)?;
        (newest.is_under_way() && newest.recorded_s() < RIDE_S).then_some(newest)
    }
}

/// Returns whether a boot follows so soon that it belongs to the same ride. Where the time was not
/// known it is taken to.
fn is_same_ride(before: &boots::Entries<'_>, after: &boots::Entries<'_>) -> bool {
    let end = before.last().and_then(|(_, utc_s)| *utc_s);
    let begin = after.first().and_then(|(_, utc_s)| *utc_s);
    end.zip(begin).is_none_or(|(end, begin)| (-OVERLAP_S..=PAUSE_S).contains(&(begin - end)))
}

#[cfg(test)]
mod tests;
