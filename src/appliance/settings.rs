//! The settings that an owner can choose.

use serde::{Deserialize, Serialize};

/// What a start joins or begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// The common timetable, at the next grid slot.
    #[default]
    Common,
    /// The playlist from its beginning, at the next grid slot.
    Fresh,
}

/// The settings of the appliance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The volume at power-on if none was saved, in percent.
    pub startup_percent: u8,
    /// The upper limit of the volume, in percent.
    pub maximum_percent: u8,
    /// By how much one press of a volume button changes the volume, in percent.
    pub step_percent: u8,
    /// What a short press of Start does. Held, it always begins from the first track.
    pub start_button: StartKind,
    /// What a box does that is switched on with the jumper fitted and has no session to rejoin.
    pub jumper: StartKind,
    /// Whether a session that still runs is rejoined at power-on, with or without the jumper: a box
    /// that lost its power for a moment must come back on its own.
    pub rejoin_session: bool,
    /// When the common timetable begins, in seconds since the Unix epoch; the same on all boxes.
    pub common_anchor_utc_s: i64,
    /// Whether a playlist that was begun fresh or at a named time repeats for ever.
    pub repeats: bool,
    /// Without a trusted time, nothing is played until the box has been on for this long, in
    /// seconds.
    pub untrusted_wait_s: u32,
    /// Whether tones answer while nothing plays.
    pub tones: bool,
}

/// Returns the settings of a box whose owner has changed nothing: the configuration's defaults, as
/// the service passes them on.
#[cfg(test)]
impl Default for Settings {
    fn default() -> Self {
        crate::service::settings::appliance_settings(&crate::config::Config::default())
    }
}
