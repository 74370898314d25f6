//! Runs the player's tasks on threads of their own, and is the part of the player that the rest of
//! the program uses. What the tasks do is not decided here.
//!
//! The stream stays open and silent while nothing is to be played, so that the model of its clock
//! is always settled.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jaudiosync_hw::clocks::Clocks;
use jaudiosync_hw::dac::{Dac, DacError};
use jaudiosync_hw::priority::{RealtimeThread, ask_for_realtime};

use super::loader::{LoaderCommand, LoaderTask};
use super::ring::Shared;
use super::task::{PlayerCommand, PlayerPorts, PlayerTask, ReportEvent, WhenMissing};
use crate::appliance::answer::Tone;
use crate::timekeeping::published::UtcSource;
use crate::worker::Worker;

/// What a player is started with.
pub struct Parts {
    /// The sound card.
    pub dac: Box<dyn Dac>,
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// The source of UTC.
    pub time: Arc<dyn UtcSource>,
    /// Where events go.
    pub report: ReportEvent,
}

/// A running player. Dropping it fades out first.
pub struct Engine {
    // The feeder is dropped first, because it sends commands to the loader.
    feeder: Worker<PlayerCommand>,
    loader: Arc<Worker<LoaderCommand>>,
    shared: Arc<Shared>,
}

impl Engine {
    /// Opens the device, silent at first.
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
        let Parts { dac, clocks, time, report } = parts;
        // Sending allocates a little and may wait for a lock that the loader holds for a few
        // instructions: harmless on the feeder's thread, which is 400 ms ahead of the audio
        // callback. The callback itself sends nothing.
        let send_to_loader = {
            let loader = Arc::clone(&loader);
            Arc::new(move |command| loader.command(command))
        };
        let ports = PlayerPorts { dac, clocks, time, report, send_to_loader };
        let task = PlayerTask::new(ports, Arc::clone(&shared), when_missing)?;
        let feeder = Worker::start("feeder", task, || ask_for_realtime(RealtimeThread::Feeder));
        Ok(Self { feeder: feeder.map_err(no_thread("feeder"))?, loader, shared })
    }

    /// Sends the player a command.
    pub fn command(&self, command: PlayerCommand) {
        self.feeder.command(command);
    }

    /// Returns the state that acts on the sound card's thread at once: the volume of a card that
    /// has none of its own, and tones.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Sounds a short tone.
    pub fn sound(&self, tone: Tone) {
        self.shared.sound(tone);
    }

    /// Asks it to fade out and end, without waiting for that.
    pub fn dismiss(&self) {
        self.feeder.dismiss();
    }

    /// Returns the message of the panic that ended it, if one did: it is silent for ever then.
    pub fn failure(&self) -> Option<&str> {
        self.feeder.failure().or_else(|| self.loader.failure())
    }

    /// Returns how many steps the player has done, and how many buffers the sound card has taken.
    /// Both numbers grow while the player is alive and its card is there.
    pub fn progress(&self) -> (u64, u64) {
        (self.feeder.progress(), self.shared.buffers.load(Ordering::Relaxed))
    }
}
