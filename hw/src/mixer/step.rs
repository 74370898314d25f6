//! Which step of a card's control a percentage is, and what is left to the player.
//!
//! A control reaches the law's level only within its range and in its steps. What it is louder than
//! that by, because its range ends or its steps are coarse, the player takes off, so that equal
//! percentages are equally loud on all cards.

use super::law::{db_from_percent, gain_from_db, percent_from_db};
use super::{percent_from_raw, raw_from_percent};

/// ALSA's decibels of a control that is silent: `SND_CTL_TLV_DB_GAIN_MUTE` of alsa-lib's control.h.
pub const MUTE_HUNDREDTHS_DB: i64 = -9_999_999;

/// How far a step may be from the law, in ALSA's hundredths, for the player to leave it as it is:
/// two cards are then within 0.5 dB of each other. Controls with steps of 0.5 dB or less, such as a
/// PCM512x's, do not need the player before their range ends.
const TOLERANCE_HUNDREDTHS_DB: i64 = 25;

/// A control that can be set by less than this is not a volume, or it misreports its decibels, as
/// some USB devices do. It counts as one that reports none.
const LEAST_RANGE_HUNDREDTHS_DB: i64 = 600;

/// What a control reports about its values and their decibels. Decibels are in hundredths, as ALSA
/// counts them.
pub trait VolumeControl {
    /// Returns the lowest and the highest value.
    fn raw_range(&self) -> (i64, i64);

    /// Returns the level of the lowest value, [`MUTE_HUNDREDTHS_DB`] if it is silence, and that of
    /// the highest. `None` if the control reports no decibels.
    fn range_hundredths_db(&self) -> Option<(i64, i64)>;

    /// Returns the level of a value.
    fn hundredths_db_from_raw(&self, raw: i64) -> Option<i64>;

    /// Returns the value whose level is nearest.
    fn raw_from_hundredths_db(&self, hundredths_db: i64) -> Option<i64>;
}

/// A setting of a control.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The control's value.
    pub raw: i64,
    /// The factor by which the player scales the samples in addition, 0 to 1.
    pub player_gain: f32,
}

/// Returns the level of 100 % in dB: the top of the control, but at most 0 dB, as more would clip.
/// `None` if the control reports no decibels, or none that can be right.
pub fn top_db(control: &impl VolumeControl) -> Option<f64> {
    top_hundredths_db(control).map(|top| top as f64 / 100.0)
}

/// Returns the setting for a percentage, of which more than 100 counts as 100. 0 % is the control's
/// lowest value, and silence in the player where that is not silent; 1 % is never silence.
pub fn step_from_percent(percent: u8, control: &impl VolumeControl) -> Step {
    by_decibels(percent, control).unwrap_or_else(|| {
        let (min, max) = control.raw_range();
        Step { raw: raw_from_percent(percent, min, max), player_gain: 1.0 }
    })
}

/// Returns the percentage of a control's value, 0 to 100, if the player leaves it as it is.
pub fn percent_from_step(raw: i64, control: &impl VolumeControl) -> u8 {
    let by_decibels = top_db(control).zip(db_from_raw(raw, control)).map(|(top, db)| percent_from_db(db - top));
    by_decibels.unwrap_or_else(|| {
        let (min, max) = control.raw_range();
        percent_from_raw(raw, min, max)
    })
}

/// Returns the level of a control's value in dB, minus infinity if it is silent. `None` if the
/// control reports no decibels, or none that can be right.
pub fn db_from_raw(raw: i64, control: &impl VolumeControl) -> Option<f64> {
    top_hundredths_db(control)?;
    let hundredths = control.hundredths_db_from_raw(raw)?;
    Some(if hundredths <= MUTE_HUNDREDTHS_DB { f64::NEG_INFINITY } else { hundredths as f64 / 100.0 })
}

fn top_hundredths_db(control: &impl VolumeControl) -> Option<i64> {
    let (raw_min, raw_max) = control.raw_range();
    let (min, max) = control.range_hundredths_db()?;
    let top = max.min(0);
    // Where it lies above 0 dB, as that of an amplifier, all of the law is left to the player.
    let is_usable = raw_min < raw_max && min.saturating_add(LEAST_RANGE_HUNDREDTHS_DB) <= max;
    // A control that answers for its ends answers for all that lies between.
    let answers = |raw| control.hundredths_db_from_raw(raw).is_some();
    (is_usable && answers(raw_min) && answers(raw_max)).then_some(top)
}

fn by_decibels(percent: u8, control: &impl VolumeControl) -> Option<Step> {
    let top = top_hundredths_db(control)?;
    let (raw_min, raw_max) = control.raw_range();
    let level = |raw| control.hundredths_db_from_raw(raw);
    let is_silent = |raw| level(raw).is_some_and(|level| level <= MUTE_HUNDREDTHS_DB);
    if percent == 0 {
        return Some(Step { raw: raw_min, player_gain: if is_silent(raw_min) { 1.0 } else { 0.0 } });
    }
    let exactly_wanted = top as f64 + 100.0 * db_from_percent(percent);
    // `lrint`, as in volume_mapping.c.
    let wanted = exactly_wanted.round_ties_even() as i64;
    let mut raw = control.raw_from_hundredths_db(wanted)?.clamp(raw_min, raw_max);
    let is_too_quiet = level(raw)? < wanted.saturating_sub(TOLERANCE_HUNDREDTHS_DB);
    if raw < raw_max && (is_silent(raw) || is_too_quiet) {
        raw += 1;
    }
    let level = level(raw)?;
    let is_left = level <= wanted.saturating_add(TOLERANCE_HUNDREDTHS_DB) && level <= top;
    let player_gain = if is_left { 1.0 } else { gain_from_db((exactly_wanted - level as f64) / 100.0) };
    Some(Step { raw, player_gain })
}

#[cfg(test)]
mod tests;
