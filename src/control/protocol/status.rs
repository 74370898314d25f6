//! The status: what plays and where, how exactly, and what stands in the way.

use serde::{Deserialize, Serialize};

/// Everything that `jaudiosync status` shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The program's version.
    pub program_version: String,
    /// What plays and where.
    pub play: PlayStatus,
    /// How exactly it plays; none while nothing does.
    pub phase: Option<PhaseStatus>,
    /// The time, and what is known about it.
    pub time: TimeStatus,
    /// The volume.
    pub volume: VolumeStatus,
    /// Buttons, jumper, LED.
    pub board: BoardStatus,
    /// The sound card.
    pub dac: DacStatus,
    /// The playlist; none if it cannot be loaded.
    pub playlist: Option<PlaylistStatus>,
    /// What is wrong, in words that say what to do, the most important first.
    pub warnings: Vec<String>,
}

/// What a box is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayState {
    /// It waits for a start.
    #[default]
    Stopped,
    /// It will play as soon as there is a playlist.
    WaitingForPlaylist,
    /// It will play as soon as the time is trusted.
    WaitingForTime,
    /// It waits for the first slot.
    WaitingForSlot,
    /// A track is due and is not heard yet: it is being opened.
    Opening,
    /// A track plays.
    Playing,
    /// A track is due and cannot be played: its slot is silence.
    Silent,
    /// A track is due, and there is no sound card.
    WaitingForDevice,
    /// Between two tracks.
    Gap,
    /// The box is being switched off.
    ShuttingDown,
    /// A state of a later version.
    #[serde(other)]
    Other,
}

/// What plays and where.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlayStatus {
    /// What the box is doing.
    pub state: PlayState,
    /// Whether it is on the common timetable.
    pub common: bool,
    /// When the timetable began, in seconds since the Unix epoch; none while there is none.
    pub anchor_utc_s: Option<i64>,
    /// The track that plays.
    pub track: Option<TrackStatus>,
    /// The next slot.
    pub next: Option<NextSlot>,
    /// Where it was stopped, for `resume`.
    pub stopped_at: Option<TrackStatus>,
}

impl PlayStatus {
    /// A line that says what the box is doing, as systemd shows it.
    pub fn summary(&self) -> String {
        let next = self.next.as_ref().map_or(String::new(), |next| format!(", next {}", next.title));
        match (self.state, &self.track) {
            (PlayState::Playing, Some(track)) => format!("Plays track {}, {}", track.number, track.title),
            (PlayState::Opening, Some(track)) => format!("Opens track {}, {}", track.number, track.title),
            (PlayState::Opening, None) => "Opens a track".to_owned(),
            (PlayState::Silent, _) => "Silent: the track cannot be played".to_owned(),
            (PlayState::WaitingForDevice, _) => "Waits for the sound card".to_owned(),
            (PlayState::Playing | PlayState::Gap, _) => format!("Between two tracks{next}"),
            (PlayState::Stopped, _) => "Waits for a start".to_owned(),
            (PlayState::WaitingForPlaylist, _) => "Waits for the playlist".to_owned(),
            (PlayState::WaitingForTime, _) => "Waits for a trusted time".to_owned(),
            (PlayState::WaitingForSlot, _) => format!("Waits for its slot{next}"),
            (PlayState::ShuttingDown, _) => "Is being switched off".to_owned(),
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
    /// How far into it, in seconds.
    pub offset_s: f64,
    /// Its length in seconds; none if it is unknown.
    pub length_s: Option<f64>,
}

/// A slot to come.
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
    /// Presentation at the DAC minus timetable, in ms: positive is late.
    pub error_ms: f64,
    /// The bound of that error, in ms.
    pub bound_ms: f64,
    /// By how much faster than its own rate the track is read, in parts per million.
    pub speed_ppm: f64,
    /// Drop-outs of the sound card since the program began.
    pub drop_outs: u64,
}

/// What the time is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeState {
    /// Nothing tells the time.
    #[default]
    Unset,
    /// There is a time, and no reason to trust it.
    Untrusted,
    /// The RTC alone, since the last reference.
    Holdover,
    /// A reference tells it.
    Referenced,
    /// Another program keeps the system clock.
    System,
    /// A state of a later version.
    #[serde(other)]
    Other,
}

/// The time, and what is known about it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeStatus {
    /// What it is worth.
    pub state: TimeState,
    /// Where it comes from, in words.
    pub source: String,
    /// UTC when the status was made, in ns since the Unix epoch.
    pub utc_ns: i64,
    /// The bound of its error, in ms; none if it has none.
    pub error_bound_ms: Option<f64>,
    /// How long ago the last reference told it, in seconds.
    pub since_reference_s: Option<i64>,
    /// The RTC's rate error as it was calibrated, in parts per billion.
    pub rtc_rate_ppb: Option<f64>,
    /// The RTC's temperature, in °C.
    pub rtc_temperature_celsius: Option<f64>,
}

/// The volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeStatus {
    /// In percent.
    pub percent: u8,
    /// It never gets above this, in percent.
    pub maximum_percent: u8,
    /// The mixer's control and card; none if the player does it, as there is no mixer.
    pub mixer: Option<String>,
}

/// How a button is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ButtonState {
    /// Not pressed.
    #[default]
    Released,
    /// Pressed.
    Pressed,
    /// Pressed for so long that it is ignored.
    Stuck,
    /// A state of a later version.
    #[serde(other)]
    Other,
}

/// How each button is.
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
    /// The buttons; none if the board has none or cannot be read.
    pub buttons: Option<ButtonStates>,
    /// Whether the jumper is fitted, as it is now.
    pub jumper: Option<bool>,
    /// Whether the LED is on; none if there is none.
    pub led: Option<bool>,
}

/// The sound card.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DacStatus {
    /// Its name.
    pub name: String,
    /// Whether it takes sound.
    pub present: bool,
    /// Its rate, in frames a second; 0 while it takes none.
    pub rate_hz: u32,
}

/// The playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaylistStatus {
    /// Its name.
    pub name: String,
    /// Boxes with the same one play the same thing.
    pub fingerprint: String,
    /// How many tracks it has.
    pub tracks: usize,
    /// How many of them are missing or broken and stay silent.
    pub silent_tracks: usize,
    /// The sum of its slots, in seconds.
    pub runtime_s: i64,
    /// Whether its files have changed since; the change is taken over at the next start, or by `reload`.
    pub changed: bool,
}
