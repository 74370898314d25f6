//! The sound check: what a box plays so that a recording shows when its sound really arrives, and
//! when its turn is. [`signal`] is the sweep, [`schedule`] the turns, [`number`] whose they are, and
//! [`neighbours`] how boxes that hear each other get numbers of their own.
//!
//! Both the box that plays and the program that listens follow these files, so none may depend on
//! the player, on a recording or on a clock: everything here is a pure function.

pub mod neighbours;
pub mod number;
pub mod schedule;
pub mod signal;

use jaudiosync_time::{Instant, Utc};

use crate::timetable::next_grid_slot;

/// The volume during a sound check, in percent, or the configured maximum if that is lower: -18 dB,
/// as at power-on, whatever the volume was. A phone beside the speaker does not clip, and a crowd at
/// 5 m does not hide it.
pub const VOLUME_PERCENT: u8 = 50;
/// The amplitude of the sweeps; 1 is full scale. With the volume they are at -24 dB.
pub const AMPLITUDE: f64 = 0.5;
/// How long a sound check lasts by default, in whole minutes after the one in which it was commanded.
pub const MINUTES: u8 = 2;
/// The longest one, in minutes: time to carry a phone to 16 boxes and back.
pub const MOST_MINUTES: u8 = 30;

/// When a sound check is heard, in s since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The slot of the start grid from which on the box takes its turns.
    pub from_utc_s: i64,
    /// The full minute at which it ends.
    pub until_utc_s: i64,
}

impl Times {
    /// Returns when a sound check is heard that was commanded at `now`.
    ///
    /// Boxes that were commanded in the same minute end together, and are all heard for most of the
    /// time.
    pub fn commanded_at(now: Instant<Utc>, minutes: u8) -> Self {
        let minute = now.second().div_euclid(60);
        Self { from_utc_s: next_grid_slot(now), until_utc_s: (minute + 1 + i64::from(minutes)) * 60 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_are_commanded_in_the_same_minute_are_heard_together() {
        let at = |second: i64| Times::commanded_at(Instant::from_second(1_800_000_000 + second), MINUTES);
        assert_eq!(at(0), Times { from_utc_s: 1_800_000_005, until_utc_s: 1_800_000_180 });
        assert_eq!(at(59), Times { from_utc_s: 1_800_000_065, until_utc_s: 1_800_000_180 });
        // Long enough for five turns of every box.
        assert!(at(59).until_utc_s - at(59).from_utc_s >= 5 * schedule::ROUND_S);
    }
}
