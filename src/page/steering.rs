//! What the page may know and do. The service decides how it is done.

use std::sync::Arc;

use serde::Serialize;

use super::orders::Request;
use crate::control::Status;

/// What the page is made of. Called from several threads at once.
pub trait Steering: Send + Sync {
    /// Returns the status of this box, and what it knows of the others.
    fn status(&self) -> Arc<Status>;

    /// Returns at most `most` tracks of the playlist, from number `from` on.
    fn tracks(&self, from: usize, most: usize) -> Tracks;

    /// Carries out an order, and returns what became of it on every box. It may take some seconds:
    /// the caller waits.
    fn carry_out(&self, request: Request) -> Vec<BoxOutcome>;
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
    /// The box's name.
    pub name: String,
    /// Whether it was carried out.
    pub ok: bool,
    /// What happens now, or why it was not carried out.
    pub message: String,
}
