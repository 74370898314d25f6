//! What a box says of itself.

use serde::{Deserialize, Serialize};

use super::BoxId;
use crate::sound_check::number::{Numbered, Origin};
use crate::sound_check::schedule::BoxNumber;

/// What a box says of itself every second or so. It is discovery, status and time in one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beacon {
    /// The box's host name, or what is configured.
    pub name: String,
    /// When it was sent, by the group's time as the sender has it, in ns since the Unix epoch.
    pub sent_ns: i64,
    /// A number that changes whenever the sender's time jumps: what was measured before no longer
    /// holds.
    pub epoch: u32,
    /// Which group the sender is in; `None` while it has heard nobody.
    pub group: Option<u64>,
    /// How well it knows the time.
    pub time: TimeClaim,
    /// Whose time it follows, or that it leads.
    pub following: Following,
    /// What it plays.
    pub play: PlayClaim,
    /// Its volume in percent, 0 to 100; `None` if it does not say so.
    pub volume_percent: Option<u8>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
    /// The last beacon of everybody that it has heard within the last seconds: whoever is not in
    /// here is not heard by it. Two boxes that have received the same one compare their clocks by
    /// that.
    pub heard: Vec<HeardBeacon>,
    /// Its number in a sound check; `None` if it takes part in none.
    pub number: Option<NumberClaim>,
}

/// A box's number in a sound check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumberClaim {
    /// The number; other ones than 1 to 16 mean nothing.
    pub number: u8,
    /// Where it is from.
    pub origin: Origin,
}

impl From<Numbered> for NumberClaim {
    fn from(numbered: Numbered) -> Self {
        Self { number: numbered.number.get(), origin: numbered.origin }
    }
}

impl NumberClaim {
    /// Returns what it claims, or `None` if that means nothing.
    pub fn numbered(self) -> Option<Numbered> {
        BoxNumber::new(self.number).map(|number| Numbered { number, origin: self.origin })
    }
}

/// A beacon that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeardBeacon {
    /// The lower half of its sender's number.
    pub sender: u32,
    /// Its number.
    pub number: u32,
    /// How long before the beacon that reports it was sent it had come, in ns of the group's time.
    pub ago_ns: u64,
}

/// How well a box knows UTC by itself, without its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimeClaim {
    /// How far its UTC can be wrong, in µs; `None` while it knows nothing.
    pub utc_bound_us: Option<u32>,
    /// By how much its UTC is ahead of the group's time, in µs.
    pub ahead_us: i64,
    /// The age of its last reference, in s; `None` if it never had one.
    pub reference_age_s: Option<u32>,
}

/// Whose time a box follows: what it has heard of the leader, from the leader or by way of others.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Following {
    /// The box that leads, which may be the sender itself.
    pub leader: BoxId,
    /// A number that the leader raises every second: who has only an old one has lost the leader.
    pub pulse: u32,
    /// By way of how many boxes the sender follows it; 0 for the leader itself.
    pub hops: u8,
    /// The class of the leader's bound to UTC, as [`election`](crate::ride::group::election) ranks
    /// it.
    pub leader_class: u8,
    /// Since when the leader leads, in s of the group's time.
    pub leads_since_s: i64,
    /// How far the group's time can be from UTC, in µs; `None` while the leader does not know it.
    pub utc_bound_us: Option<u32>,
    /// How far the sender can be from the group, in ns: from the leader, and that from those that are
    /// out of reach.
    pub group_bound_ns: u32,
    /// How fast the leader moves the group's time towards UTC, in ppb.
    pub steering_ppb: i32,
    /// From this second of the group's time on.
    pub steering_from_s: i64,
}

/// What a box plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PlayClaim {
    /// The first half of the playlist's fingerprint; `None` without a playlist.
    pub fingerprint: Option<u64>,
    /// The anchor of the timetable, in s of UTC; `None` while it does not play.
    pub anchor_s: Option<i64>,
    /// The track, from 0; `None` while none plays.
    pub track: Option<u32>,
    /// The track with which the timetable began, from 0.
    pub first_track: u32,
    /// Whether the timetable repeats for ever.
    pub repeats: bool,
    /// When the command to the whole ride took effect that it has followed since, in s of UTC.
    /// `None` if a person at the box has decided otherwise since, or there was none.
    pub commanded_s: Option<i64>,
    /// Whether that command was to stop. A box that plays nothing can have been commanded to play,
    /// and have no playlist yet.
    pub is_commanded_to_stop: bool,
}

/// What can be wrong with a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// No sound card plays.
    NoSound,
    /// The RTC does not answer, or cannot be believed.
    NoRtc,
    /// A track is missing or damaged.
    BadTrack,
    /// The Pi had too little voltage.
    LowVoltage,
    /// The Pi is too hot.
    Hot,
    /// It does not agree with a neighbour on the time.
    Contradiction,
    /// Its state is not kept when its power is cut.
    StateIsLost,
}

impl Trouble {
    /// Returns it in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoSound => "no sound card",
            Self::NoRtc => "no RTC",
            Self::BadTrack => "a track is missing or broken",
            Self::LowVoltage => "too little voltage",
            Self::Hot => "too hot",
            Self::Contradiction => "another time than the others",
            Self::StateIsLost => "does not keep its state",
        }
    }
}
