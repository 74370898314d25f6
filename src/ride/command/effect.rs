//! What the box has to do at an instant, as the ride's thread hands it to the rest of the service.

use std::sync::mpsc::Sender;

use jaudiosync_time::{Instant, Raw, Utc};

use super::action::Action;
use super::outcome::Outcome;
use crate::ride::message::CommandId;

/// Something to do at an instant.
#[derive(Debug, Clone)]
pub struct Effect {
    /// What.
    pub action: Action,
    /// Whether the whole ride was commanded that, and not only some boxes of it.
    pub is_for_all: bool,
    /// The instant, in the time that the boxes have in common: the same for all.
    pub at: Instant<Utc>,
    /// The same by the raw clock, as well as the ride's thread knows it. It counts where the time
    /// by which this box plays is quite another one.
    pub at_raw: Instant<Raw>,
    /// When the command took effect that the box follows by this; earlier than `at` if it has
    /// missed that.
    pub commanded_s: i64,
    /// The command's number and where its outcome goes; `None` if nobody waits for it.
    pub answer: Option<(CommandId, Sender<Answered>)>,
}

/// What came of a command.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Its number.
    pub id: CommandId,
    /// What came of it.
    pub outcome: Outcome,
}

/// Where effects go. It must not wait.
pub type Effects = Box<dyn FnMut(Effect) + Send>;

impl Effect {
    /// Reports what came of it.
    pub fn answer(&self, outcome: Outcome) {
        if let Some((id, answered)) = &self.answer {
            // The ride's thread has ended.
            let _ = answered.send(Answered { id: *id, outcome });
        }
    }
}
