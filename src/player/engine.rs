//! Runs the player's task on a thread of its own, and is what the rest of the program sees of the player.
//!
//! The stream stays open and silent where nothing is to be played, so that the model of its clock is always settled.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jaudiosync_hw::dac::DacError;
use jaudiosync_hw::priority::{RealtimeThread, ask_for_realtime};

use super::ring::Shared;
use super::task::{Order, Outside, PlayerTask, WhenMissing};
use super::tone::Tone;
use crate::worker::Worker;

/// A running player. Dropping it fades out first.
pub struct Engine {
    worker: Worker<Order>,
    shared: Arc<Shared>,
}

impl Engine {
    /// Opens the device, silent at first.
    ///
    /// # Errors
    /// When the device cannot be opened now, unless it shall be waited for.
    pub fn start(outside: Outside, when_missing: WhenMissing) -> Result<Self, DacError> {
        let shared = Arc::new(Shared::default());
        let task = PlayerTask::new(outside, Arc::clone(&shared), when_missing)?;
        let worker = Worker::start("feeder", task, || ask_for_realtime(RealtimeThread::Feeder))
            .map_err(|error| DacError::Unavailable { name: "feeder".to_owned(), reason: error.to_string() })?;
        Ok(Self { worker, shared })
    }

    /// Tells the player what to do.
    pub fn order(&self, order: Order) {
        self.worker.order(order);
    }

    /// What the sound card's thread sees at once: the volume of a card that has none of its own, and tones.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Sounds a short tone.
    pub fn sound(&self, tone: Tone) {
        self.shared.sound(tone);
    }

    /// Lets it fade out and end, and does not wait for that.
    pub fn dismiss(&self) {
        self.worker.dismiss();
    }

    /// The message of the panic that has ended it, if one has: it is silent for ever then.
    pub fn failure(&self) -> Option<&str> {
        self.worker.failure()
    }

    /// How often the player has gone round, and how many buffers the sound card has taken: both go on for as long as
    /// the player is alive and its card is there.
    pub fn progress(&self) -> (u64, u64) {
        (self.worker.progress(), self.shared.buffers.load(Ordering::Relaxed))
    }
}
