//! A question for the time and its answer: four stamps, as in NTP (RFC 5905, section 8).

use serde::{Deserialize, Serialize};

use super::BoxId;

/// A question for the time. When it was sent only the asker needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Who should answer.
    pub to: BoxId,
    /// A random number that the answer repeats.
    pub nonce: u64,
}

/// The answer to a question, by the group's time of who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who asked.
    pub to: BoxId,
    /// The question's number.
    pub nonce: u64,
    /// The group's time when the question came, in ns since the Unix epoch.
    pub received_ns: i64,
    /// The group's time when this answer was sent.
    pub sent_ns: i64,
    /// The sender's epoch, as in its beacons.
    pub epoch: u32,
}
