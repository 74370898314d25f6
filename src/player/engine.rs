//! Runs the player's tasks on threads of their own, and is what the rest of the program sees of the player.
//!
//! The stream stays open and silent where nothing is to be played, so that the model of its clock is always settled.

use crate::appliance::answer::Tone;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::{Dac, DacError};
use jaudiosync_hw::priority::{RealtimeThread, ask_for_realtime};

use super::loader::{LoaderTask, Order as LoaderOrder};
use super::ring::Shared;
use super::task::{Order, PlayerPorts, PlayerTask, Tell, WhenMissing};
use crate::timekeeping::published::UtcSource;
use crate::worker::Worker;

/// What a player is started with.
pub struct Parts {
    /// The sound card.
    pub dac: Box<dyn Dac>,
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// Who knows UTC.
    pub time: Arc<dyn UtcSource>,
    /// Where events go.
    pub tell: Tell,
}

/// A running player. Dropping it fades out first.
pub struct Engine {
    // The feeder goes first: it gives orders to the loader.
    feeder: Worker<Order>,
    loader: Arc<Worker<LoaderOrder>>,
    shared: Arc<Shared>,
}

impl Engine {
    /// Open the device, silent at first.
    ///
    /// # Errors
    /// When the device cannot be opened now, unless it is to be waited for.
    pub fn start(parts: Parts, when_missing: WhenMissing) -> Result<Self, DacError> {
        let no_thread = |name: &str| {
            let name = name.to_owned();
            move |error: std::io::Error| DacError::Unavailable { name, reason: error.to_string() }
        };
        let loader = Arc::new(Worker::start("loader", LoaderTask::default(), || {}).map_err(no_thread("loader"))?);
        let shared = Arc::new(Shared::default());
        let Parts { dac, clocks, time, tell } = parts;
        // Sending allocates a little and may wait for a lock that the loader holds for some instructions: harmless on
        // the feeder's thread, which is 400 ms ahead of the audio callback. The callback itself sends nothing.
        let order_loader = {
            let loader = Arc::clone(&loader);
            Arc::new(move |order| loader.order(order))
        };
        let outside = PlayerPorts { dac, clocks, time, tell, order_loader };
        let task = PlayerTask::new(outside, Arc::clone(&shared), when_missing)?;
        let feeder = Worker::start("feeder", task, || ask_for_realtime(RealtimeThread::Feeder));
        Ok(Self { feeder: feeder.map_err(no_thread("feeder"))?, loader, shared })
    }

    /// Order the player to do something.
    pub fn order(&self, order: Order) {
        self.feeder.order(order);
    }

    /// Return what the sound card's thread sees at once: the volume of a card that has none of its own, and tones.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Sound a short tone.
    pub fn sound(&self, tone: Tone) {
        self.shared.sound(tone);
    }

    /// Let it fade out and end, without waiting for that.
    pub fn dismiss(&self) {
        self.feeder.dismiss();
    }

    /// Return the message of the panic that has ended it, if one has: it is silent for ever then.
    pub fn failure(&self) -> Option<&str> {
        self.feeder.failure().or_else(|| self.loader.failure())
    }

    /// Return how many steps the player has done, and how many buffers the sound card has taken: both go on for as long
    /// as the player is alive and its card is there.
    pub fn progress(&self) -> (u64, u64) {
        (self.feeder.progress(), self.shared.buffers.load(Ordering::Relaxed))
    }
}
