//! What differs between the playlists of two boxes: one asks the other for its list, part by part,
//! when a person wants to know. Pure.
//!
//! - [`OwnTrack`] is a track as it is listed; [`part`] answers a question;
//! - [`Lists`] is a box's part in all of it; [`Asking`] asks for a whole list; [`compare`] finds
//!   what differs.

mod asking;
mod compare;
mod desk;

use crc32fast::hash;

pub use asking::{Asked, Asking};
pub use compare::{Differences, compare};
pub use desk::Lists;

use super::message::{BoxId, ListPart, ListQuestion, ListedTrack};

/// Tracks of a part: what a datagram carries, at up to 27 bytes each and 80 around them.
const TRACKS_OF_A_PART: usize = 40;

/// Longer lists are compared up to here.
pub const MOST_TRACKS: usize = 5_000;

/// A track of this box's playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTrack {
    /// Its entry in the playlist, fit to be shown.
    pub entry: String,
    /// What others get of it.
    pub listed: ListedTrack,
}

impl OwnTrack {
    /// Returns a track: its entry, its file's size, its length in s, and the hash of its contents.
    pub fn new(entry: &str, size_bytes: u64, length_s: Option<f64>, content: Option<&str>) -> Self {
        let listed = ListedTrack {
            name: hash(entry.as_bytes()),
            size_bytes,
            length_ms: length_s.map(|length_s| (length_s * 1000.0).round().clamp(0.0, f64::from(u32::MAX)) as u32),
            content: content.map(|content| hash(content.as_bytes())),
        };
        Self { entry: entry.to_owned(), listed }
    }
}

/// Returns the answer to a question.
pub fn part(own: &[OwnTrack], sender: BoxId, question: &ListQuestion) -> ListPart {
    let own = &own[..own.len().min(MOST_TRACKS)];
    let first = question.first as usize;
    let tracks = own.iter().skip(first).take(TRACKS_OF_A_PART).map(|track| track.listed).collect();
    let total = u32::try_from(own.len()).unwrap_or(u32::MAX);
    ListPart { to: sender, nonce: question.nonce, first: question.first, total, tracks }
}
