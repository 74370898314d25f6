//! A playlist in few bytes, in parts, so that two boxes find out what differs.

use serde::{Deserialize, Serialize};

use super::BoxId;

/// A question for a part of a box's playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListQuestion {
    /// Who should answer.
    pub to: BoxId,
    /// A random number that the answer repeats.
    pub nonce: u64,
    /// The first track of the part, from 0.
    pub first: u32,
}

/// The answer: tracks from there on, as many as a datagram carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPart {
    /// Who asked.
    pub to: BoxId,
    /// The question's number.
    pub nonce: u64,
    /// The first track of the part, from 0.
    pub first: u32,
    /// How many tracks the whole list has.
    pub total: u32,
    /// The tracks.
    pub tracks: Vec<ListedTrack>,
}

/// A track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTrack {
    /// A hash of its entry in the playlist.
    pub name: u32,
    /// Its file's size in bytes.
    pub size_bytes: u64,
    /// Its length in ms; `None` if that is not known.
    pub length_ms: Option<u32>,
    /// A hash of what is in the file; `None` if it cannot be played.
    pub content: Option<u32>,
}
