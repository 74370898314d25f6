//! What the page may know and do. The service decides how it is done.

use std::sync::Arc;

use serde::Serialize;

use super::orders::Request;
use crate::control::Status;
use crate::control::protocol::RideDifferences;

/// What the page is made of. Called from several threads at once.
pub trait Steering: Send + Sync {
    /// Returns the status of this box, and what it knows of the others.
    fn status(&self) -> Arc<Status>;

    /// Returns at most `most` tracks of the playlist, from number `from` on.
    fn tracks(&self, from: usize, most: usize) -> Tracks;

    /// Carries out an order, and returns what became of it on every box. It may take some seconds:
    /// the caller waits.
    ///
    /// # Errors
    /// When it was not sent to any box: why, in words.
    fn carry_out(&self, request: Request) -> Result<Vec<BoxOutcome>, String>;

    /// Returns what differs between this box's playlist and another's, by that box's number or name.
    /// It may take some seconds: the caller waits.
    ///
    /// # Errors
    /// When that box does not say: why, in words.
    fn differences(&self, name: &str) -> Result<RideDifferences, String>;
}

/// A part of the playlist.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Tracks {
    /// The number of the first one, from 0.
    pub from: usize,
    /// Of which playlist it is.
    pub fingerprint: String,
    /// The tracks.
    pub tracks: Vec<ListedTrack>,
}

/// A track, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedTrack {
    /// Artist and title, or the file's name.
    pub title: String,
    /// Its length in whole seconds; `None` if it is unknown.
    pub length_s: Option<i64>,
    /// Whether it stays silent, as it is missing or broken.
    pub silent: bool,
}

/// What became of an order on a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoxOutcome {
    /// The box's number.
    pub id: String,
    /// The box's name.
    pub name: String,
    /// What became of it.
    pub outcome: OutcomeKind,
    /// When it is heard, in ms since the Unix epoch; `None` if it is not about to be.
    pub heard_from_ms: Option<i64>,
    /// The volume afterwards, in percent; `None` if it was not about that.
    pub volume: Option<u8>,
    /// By how much the order came too late to be done together with the others, in ms.
    pub late_ms: u16,
    /// Why it was not done, in words; empty if it was.
    pub words: String,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It was done.
    Done,
    /// It was not done.
    Refused,
    /// The box has not answered; it may have done it.
    NoAnswer,
}
