//! The part of the status that is about the other boxes of the ride.

use serde::{Deserialize, Serialize};

/// The other boxes, as far as they are heard.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RideStatus {
    /// This box's number, which it makes up at every start: 16 hexadecimal digits; empty if it
    /// hears nobody.
    pub id: String,
    /// What this box is called.
    pub name: String,
    /// Whom it follows.
    pub role: RideRole,
    /// The name of the box that leads, which may be this one; `None` while it is alone.
    pub leader: Option<String>,
    /// How far this box can be from the others of its group, or from what they have kept since they
    /// were last heard, in ms; `None` if it has met nobody.
    pub group_bound_ms: Option<f64>,
    /// The neighbours, by name.
    pub neighbours: Vec<NeighbourStatus>,
    /// Messages that were refused since the start.
    pub refused: RefusedStatus,
    /// The network's interfaces on which others can be heard.
    pub interfaces: Vec<String>,
    /// Whether most others exclude what this box says of UTC.
    pub excluded: bool,
    /// Why nothing could be sent the last time; `None` while sending works.
    pub trouble: Option<String>,
    /// What is wrong, and what to do about it.
    pub warnings: Vec<String>,
}

/// Whom a box follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RideRole {
    /// Nobody is heard.
    #[default]
    Alone,
    /// The others follow it.
    Leads,
    /// It follows another.
    Follows,
    /// A role from a later version.
    #[serde(other)]
    Other,
}

/// Another box.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct NeighbourStatus {
    /// Its number, which it makes up at every start: 16 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// How long ago it was heard, in s.
    pub silent_for_s: f64,
    /// Whether it hears this box.
    pub hears_this: bool,
    /// By how much its time is ahead of this box's, in ms; `None` until it was measured.
    pub ahead_ms: Option<f64>,
    /// How far that can be wrong, in ms.
    pub ahead_bound_ms: Option<f64>,
    /// The shortest round trip so far, in ms.
    pub round_trip_ms: Option<f64>,
    /// Whether it goes by the same group's time.
    pub in_group: bool,
    /// Whether it leads.
    pub leads: bool,
    /// How far its own UTC can be wrong, in ms; `None` while it knows nothing.
    pub utc_bound_ms: Option<f64>,
    /// How long ago its last reference was heard, in s.
    pub reference_age_s: Option<u32>,
    /// Whether it plays.
    pub plays: bool,
    /// The track that it plays, from 0.
    pub track: Option<u32>,
    /// Whether it is on the same timetable; `None` if either does not play.
    pub same_timetable: Option<bool>,
    /// Whether its playlist is the same; `None` if either has none.
    pub same_playlist: Option<bool>,
    /// Its volume in percent.
    pub volume_percent: Option<u8>,
    /// Whether it has lately been heard only where it addressed this box alone: what it sends to
    /// all does not come through.
    pub unicast_only: bool,
    /// Its number in a sound check.
    pub box_number: Option<u8>,
    /// What the others make of what it says of UTC.
    pub utc_standing: UtcStanding,
    /// What is wrong with it.
    pub warnings: Vec<String>,
}

/// What the boxes of a group make of what one of them says of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UtcStanding {
    /// It may be right.
    #[default]
    Agrees,
    /// It and this box contradict each other, and nobody else can say which of them is right.
    Contradicted,
    /// Most others exclude it.
    Excluded,
    /// A verdict from a later version.
    #[serde(other)]
    Other,
}

/// Messages that were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RefusedStatus {
    /// Damaged, or signed with another key.
    pub signature: u64,
    /// Of another version of the program.
    pub version: u64,
    /// Heard before, or of a box that has not shown that it is there.
    pub old: u64,
    /// Too many at once.
    pub flood: u64,
    /// Not a message of this program.
    pub foreign: u64,
}
