//! What boxes of a ride send each other, and how it is written: a datagram is a header, the
//! contents in `postcard`'s format, and a signature. Pure: no socket, no clock.
//!
//! - `beacon` is what every box says of itself every second or so;
//! - `exchange` is a question for the time and its answer;
//! - `command` is what boxes are commanded to do, and what they answer;
//! - `list` is a playlist in parts;
//! - `envelope` is the bytes around them.
//!
//! All sizes are bounded by the datagram; numbers may be anything that their types hold, and
//! whoever uses them saturates.

mod beacon;
mod command;
mod envelope;
mod exchange;
mod list;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use beacon::{Beacon, Following, HeardBeacon, NumberClaim, PlayClaim, TimeClaim, Trouble};
pub use command::{CommandId, Order, Reply};
pub use envelope::{MAX_DATAGRAM_BYTES, Refused, VERSION, can_be_message, open, seal};
pub use exchange::{Answer, Question};
pub use list::{ListPart, ListQuestion, ListedTrack};

/// Which box it is: a random number that a box makes up at every start. A number that
/// were kept would be the same on two cards that were copied from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BoxId(pub u64);

/// Which run of a box's program it is: a random number that is made at every start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunId(pub u64);

impl BoxId {
    /// Returns the lower half, which is enough to distinguish the boxes of a ride.
    pub fn short(self) -> u32 {
        self.0 as u32
    }
}

impl fmt::Display for BoxId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who sends it.
    pub sender: BoxId,
    /// In which of its runs.
    pub run: RunId,
    /// How many messages the sender has sent before in this run.
    pub number: u32,
    /// What it says.
    pub content: Content,
}

/// What a message says. New kinds are added at the end: the place is the kind's number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Content {
    /// What the sender says of itself, to all.
    Beacon(Box<Beacon>),
    /// A question for the time, to one box.
    Question(Question),
    /// Its answer.
    Answer(Answer),
    /// A command to some boxes.
    Order(Order),
    /// What a box answers to that.
    Reply(Reply),
    /// A question for a part of a box's playlist.
    ListQuestion(ListQuestion),
    /// Its answer.
    ListPart(ListPart),
}

#[cfg(test)]
mod tests;
