//! A command to boxes, and what each of them answers. What a command is, and what came of it, are
//! bytes of their own, so that a box of another version can say that it does not know them.

use serde::{Deserialize, Serialize};

use super::BoxId;

/// The number of a command: random, so that an answer to it cannot have been recorded before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CommandId(pub u64);

/// A command, as it is sent again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Its number.
    pub id: CommandId,
    /// When it takes effect, by the group's time as the sender has it, in ns since the Unix epoch.
    pub at_ns: i64,
    /// Who has to do it and has not answered yet. A box makes up its number at every start: what
    /// was sent to an earlier run of it does nothing.
    pub to: Vec<BoxId>,
    /// Whether the whole ride is meant, and not only these boxes: whoever was out of reach may
    /// take it over later.
    pub is_for_all: bool,
    /// [`Action`](crate::ride::command::Action) in `postcard`'s format.
    pub action: Vec<u8>,
}

/// A box's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Who sent the command.
    pub to: BoxId,
    /// The command's number.
    pub id: CommandId,
    /// [`Outcome`](crate::ride::command::Outcome) in `postcard`'s format; empty while the box has
    /// the command and its instant has not come.
    pub outcome: Vec<u8>,
}
