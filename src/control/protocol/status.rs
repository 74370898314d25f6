//! The status: what plays, how exactly, and what is wrong.

use serde::{Deserialize, Serialize};

use super::RideStatus;
use crate::playlist::PassedOver;
use crate::storage::LiesOn;

/// Everything that `jaudiosync status` shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The program's version.
    pub program_version: String,
    /// What plays.
    pub play: PlayStatus,
    /// How exactly it plays; `None` while nothing plays.
    pub phase: Option<PhaseStatus>,
    /// The time, and what is known about it.
    pub time: TimeStatus,
    /// The volume.
    pub volume: VolumeStatus,
    /// Buttons, jumper, LED.
    pub board: BoardStatus,
    /// The sound card.
    pub dac: DacStatus,
    /// The playlist; `None` if it cannot be loaded.
    pub playlist: Option<PlaylistStatus>,
    /// The USB sticks that are in, where they count.
    pub sticks: Vec<StickStatus>,
    /// Where the state is saved.
    pub state: StateStatus,
    /// The other boxes; `None` without a ride's key.
    pub ride: Option<RideStatus>,
    /// What is wrong and what to do about it, the most important first.
    pub warnings: Vec<String>,
}

/// What a box is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayState {
    /// It waits for a start.
    #[default]
    Stopped,
    /// It plays as soon as there is a playlist.
    WaitingForPlaylist,
    /// It plays as soon as the time is trusted.
    WaitingForTime,
    /// It waits for the first slot.
    WaitingForSlot,
    /// A track is due, and is still being opened.
    Opening,
    /// A track plays.
    Playing,
    /// A track is due and cannot be played: its slot is silent.
    Silent,
    /// A track is due, and there is no sound card.
    WaitingForDevice,
    /// Between two tracks.
    Gap,
    /// It takes its turns in a sound check.
    SoundCheck,
    /// The box is being switched off.
    ShuttingDown,
    /// A state from a later version.
    #[serde(other)]
    Other,
}

/// What plays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlayStatus {
    /// What the box is doing.
    pub state: PlayState,
    /// Whether it is on the common timetable.
    pub common: bool,
    /// When the timetable began, in seconds since the Unix epoch; none without a timetable.
    pub anchor_utc_s: Option<i64>,
    /// The track with which the timetable began, from 0; none without a timetable.
    pub first_track: Option<usize>,
    /// Whether the timetable repeats for ever.
    pub repeats: bool,
    /// When the command to the whole ride took effect that what the box does follows from, in
    /// seconds since the Unix epoch; none if it was decided at the box.
    pub commanded_utc_s: Option<i64>,
    /// Whether that command was to stop.
    pub commanded_to_stop: bool,
    /// The track that plays.
    pub track: Option<TrackStatus>,
    /// The next slot.
    pub next: Option<NextSlot>,
    /// Where playing was stopped, for `resume`.
    pub stopped_at: Option<TrackStatus>,
    /// The box's number in a sound check, 1 to 16.
    pub box_number: Option<u8>,
}

impl PlayStatus {
    /// Returns a line that says what the box is doing; systemd shows it.
    pub fn summary(&self) -> String {
        let next = self.next.as_ref().map_or(String::new(), |next| format!(", next {}", next.title));
        match (self.state, &self.track) {
            (PlayState::Playing, Some(track)) => format!("Playing track {}, {}", track.number, track.title),
            (PlayState::Opening, Some(track)) => format!("Opening track {}, {}", track.number, track.title),
            (PlayState::Opening, None) => "Opening a track".to_owned(),
            (PlayState::Silent, _) => "Silent: the track cannot be played".to_owned(),
            (PlayState::WaitingForDevice, _) => "Waiting for the sound card".to_owned(),
            (PlayState::Playing | PlayState::Gap, _) => format!("Between two tracks{next}"),
            (PlayState::Stopped, _) => "Waiting for a start".to_owned(),
            (PlayState::WaitingForPlaylist, _) => "Waiting for the playlist".to_owned(),
            (PlayState::WaitingForTime, _) => "Waiting for a trusted time".to_owned(),
            (PlayState::WaitingForSlot, _) => format!("Waiting for its slot{next}"),
            (PlayState::SoundCheck, _) => "Sound check".to_owned(),
            (PlayState::ShuttingDown, _) => "Switching off".to_owned(),
            (PlayState::Other, _) => String::new(),
        }
    }
}

/// The track that plays.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrackStatus {
    /// Its number, from 0.
    pub number: usize,
    /// Artist and title, or the file's name.
    pub title: String,
    /// The position in it, in seconds.
    pub offset_s: f64,
    /// Its length in seconds; `None` if it is unknown.
    pub length_s: Option<f64>,
}

/// The next slot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NextSlot {
    /// The track's number, from 0.
    pub number: usize,
    /// Artist and title, or the file's name.
    pub title: String,
    /// When it begins, in seconds since the Unix epoch.
    pub utc_s: i64,
}

/// How exactly it plays, against this box's own idea of UTC.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PhaseStatus {
    /// Position heard at the DAC against the timetable, in ms: positive is late.
    pub error_ms: f64,
    /// The bound of that error, in ms.
    pub bound_ms: f64,
    /// How much faster than its own rate the track is played, in parts per million.
    pub speed_ppm: f64,
    /// Drop-outs of the sound card since the program began.
    pub drop_outs: u64,
}

/// How far the time can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeState {
    /// There is no time.
    #[default]
    Unset,
    /// There is a time, but no reason to trust it.
    Untrusted,
    /// The time comes from the RTC alone, since the last reference.
    Holdover,
    /// A reference confirms it.
    Referenced,
    /// Another program sets the system clock.
    System,
    /// A state from a later version.
    #[serde(other)]
    Other,
}

/// The time, and what is known about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeStatus {
    /// How far it can be trusted.
    pub state: TimeState,
    /// Where it comes from, in words.
    pub source: String,
    /// UTC at the moment of the status, in ns since the Unix epoch.
    pub utc_ns: i64,
    /// The bound of its error, in ms; `None` if it is unknown.
    pub error_bound_ms: Option<f64>,
    /// How far it can be from the time of boxes that were compared with the same references, in ms;
    /// `None` if that is unknown.
    pub agreement_ms: Option<f64>,
    /// The age of the last reference's sample, in seconds.
    pub since_reference_s: Option<i64>,
    /// The RTC's rate error from the calibration, in parts per billion.
    pub rtc_rate_ppb: Option<f64>,
    /// The chip that answers at the RTC's address, such as `DS3231`; also one that is not used.
    pub rtc_chip: Option<String>,
    /// Whether that is a DS3231 of which it is not known yet whether it is an SN or an M.
    pub rtc_may_be_ds3231m: bool,
    /// The RTC's temperature, in °C.
    pub rtc_temperature_celsius: Option<f64>,
}

/// The volume.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeStatus {
    /// In percent.
    pub percent: u8,
    /// The volume never exceeds this, in percent.
    pub maximum_percent: u8,
    /// The mixer's control and card; `None` if there is no mixer and the player sets the volume.
    pub mixer: Option<String>,
    /// In dB below full scale; none if it is silence (0 %), or if the mixer reports no decibels.
    pub db: Option<f64>,
}

/// Where the state is saved: session, position, volume and calibration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StateStatus {
    /// The state folder; empty if there is none.
    pub folder: String,
    /// What the folder is on.
    pub lies_on: LiesOn,
    /// Why nothing can be saved in the folder; none while it can.
    pub folder_trouble: Option<String>,
    /// The memory on the clock module.
    pub eeprom: EepromState,
    /// When the state was last written to it, in seconds since the Unix epoch; none if never.
    pub eeprom_saved_utc_s: Option<i64>,
    /// Why it is not used or cannot be written to.
    pub eeprom_trouble: Option<String>,
}

/// Whether there is a memory on the clock module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EepromState {
    /// It was not looked for, as there is no RTC.
    #[default]
    Unknown,
    /// There is none.
    Absent,
    /// There is another chip, or one with contents of its own: nothing is written to it.
    LeftAlone,
    /// The state is saved there, too.
    Used,
    /// A state from a later version.
    #[serde(other)]
    Other,
}

/// The state of a button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonState {
    /// Not pressed.
    #[default]
    Released,
    /// Pressed.
    Pressed,
    /// Pressed for so long that it is ignored as stuck.
    Stuck,
    /// Its pin cannot be used, as something else uses it.
    Unusable,
    /// A state from a later version.
    #[serde(other)]
    Other,
}

/// The state of every button.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ButtonStates {
    /// Volume up.
    pub volume_up: ButtonState,
    /// Volume down.
    pub volume_down: ButtonState,
    /// Start.
    pub start: ButtonState,
    /// Stop.
    pub stop: ButtonState,
}

/// Buttons, jumper, LED.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BoardStatus {
    /// What kind of board it is: `pi`, `simulated` or `none`.
    pub kind: String,
    /// The buttons; `None` if the board has no buttons or cannot be read.
    pub buttons: Option<ButtonStates>,
    /// Whether the jumper is fitted now.
    pub jumper: Option<bool>,
    /// Whether the LED is on; none without an LED.
    pub led: Option<bool>,
    /// Through what the pins are read and driven, `rppal` or `gpiocdev`; `None` without pins.
    pub backend: Option<String>,
    /// The pins that are left out, because something else uses them.
    pub unusable_pins: Vec<UnusablePinStatus>,
}

/// A pin that is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UnusablePinStatus {
    /// The GPIO number.
    pub gpio: u8,
    /// The key that sets it, such as `volume_down_gpio`.
    pub key: String,
    /// Who uses it, by the name that the kernel shows, empty if it shows none; `None` if it fails
    /// for another reason.
    pub user: Option<String>,
    /// What does not work and why, in words.
    pub message: String,
}

/// The sound card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DacStatus {
    pub name: String,
    /// Whether it is there and can be played on.
    pub present: bool,
    /// Its rate, in frames per second; 0 while it is not present.
    pub rate_hz: u32,
    /// How long a frame is in hardware of which its driver reports nothing, in ms, as far as that is
    /// known; the player allows for it.
    pub hardware_latency_ms: Option<f64>,
    /// Whether that is all of it.
    pub hardware_latency_complete: bool,
    /// How late its sound arrives beyond that, in ms: as configured, or as measured by ear.
    pub output_latency_ms: f64,
}

/// The playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaylistStatus {
    pub name: String,
    /// Boxes with the same fingerprint play the same thing.
    pub fingerprint: String,
    /// How many tracks it has.
    pub tracks: usize,
    /// How many of them are missing or broken, and so stay silent.
    pub silent_tracks: usize,
    /// The sum of its slots, in seconds.
    pub runtime_s: i64,
    /// Whether its files have changed since; `reload` or the next start takes over the change.
    pub changed: bool,
    /// The folder that it was taken from.
    pub folder: String,
    /// The other folders, and why they were not taken.
    pub passed_over: Vec<PassedOver>,
}

/// A USB stick.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StickStatus {
    /// What it is called.
    pub name: String,
    /// How many tracks it has, if it is the one to play.
    pub tracks: Option<usize>,
    /// Whether its playlist is the present one.
    pub taken: bool,
    /// Whether the next start, or `reload`, takes it.
    pub offered: bool,
    /// Why it is not the one to play, if it is not.
    pub trouble: Option<String>,
}
