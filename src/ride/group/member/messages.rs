//! What goes out, what a box says of itself besides the time, and what it refuses.

use crate::ride::message::{Message, NumberClaim, PlayClaim, Trouble};

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<P> {
    /// To everybody.
    All,
    /// To one box.
    One(P),
}

/// A message to be signed and sent at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing<P> {
    /// Where to.
    pub to: To<P>,
    /// The message.
    pub message: Message,
}

/// What a box says of itself besides the time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Presence {
    /// Its name.
    pub name: String,
    /// What it plays.
    pub play: PlayClaim,
    /// Its volume in percent.
    pub volume_percent: Option<u8>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
    /// Its number in a sound check.
    pub number: Option<NumberClaim>,
}

/// What was refused since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// Messages that had come before.
    pub old: u64,
    /// Messages of boxes that have not answered yet.
    pub unproven: u64,
    /// Answers that nobody had asked for.
    pub unasked: u64,
}
