//! The flight recorder's thread, and what the service passes to it.

use std::path::Path;
use std::sync::Arc;

use jaudiosync_hw::clocks::MachineClocks;
use jaudiosync_hw::eeprom::RECORDER;
use jaudiosync_time::{Instant, Raw};

use super::conductor::Ending;
use crate::control::Status;
use crate::host::{Health, Machine};
use crate::recorder::{BootId, End, Notes, Recorder, RecorderCommand, ShortMemory, last_end, recording_folder};
use crate::storage::StatePlace;
use crate::timekeeping::clock_module::SharedModule;
use crate::timekeeping::status::{Estimate, TimeState};
use crate::worker::Worker;

/// A recording under way. Dropping it writes what is not written yet.
///
/// It is not among the threads that the watchdog asks for: a recorder that fails, or hangs in a
/// disk, is no reason to interrupt the music.
pub(super) struct Recording {
    worker: Option<Worker<RecorderCommand>>,
    /// How far the worker was at the last status.
    progress: Option<u64>,
}

impl Recording {
    /// Starts to record in the state folder, and where that forgets also on the clock module.
    /// It reads how the machine is every 10 s, and notes that in `health`.
    pub(super) fn start(
        place: Option<&StatePlace>,
        notes: Notes,
        module: Arc<SharedModule>,
        health: Arc<Health>,
    ) -> Self {
        let machine = Machine::below(Path::new("/"));
        let forgets = place.is_none_or(|place| place.lies_on.forgets());
        let folder = place.map(recording_folder);
        let mut task = Recorder::new(folder, notes, Arc::new(MachineClocks), machine, BootId::current(), last_end())
            .noting(health);
        if forgets {
            task = task.and_in(Box::new(OnModule(module)));
        }
        let worker = Worker::start("recorder", task, || {});
        let worker = worker.inspect_err(|error| log::warn!("nothing is recorded: {error}")).ok();
        Self { worker, progress: None }
    }

    /// Passes on a status; drops it if the last one has not been taken in yet.
    pub(super) fn see(&mut self, at: Instant<Raw>, time: Estimate, status: Arc<Status>) {
        let Some(worker) = &self.worker else { return };
        let progress = worker.progress();
        if self.progress == Some(progress) {
            return;
        }
        self.progress = Some(progress);
        let utc = (time.state != TimeState::Unset).then(|| time.utc.apply(at));
        worker.command(RecorderCommand::Seen { at, utc, status });
    }

    /// Records that the service has ended, and how.
    pub(super) fn ended(&self, ending: Ending) {
        let how = match ending {
            Ending::Asked => End::Asked,
            Ending::PowerOff => End::PowerOff,
        };
        self.worker.iter().for_each(|worker| worker.command(RecorderCommand::Ended(how)));
    }

    /// Asks it to write what it has, and does not wait.
    pub(super) fn dismiss(&self) {
        self.worker.iter().for_each(Worker::dismiss);
    }
}

/// The recorder's part of the memory on the clock module.
struct OnModule(Arc<SharedModule>);

impl ShortMemory for OnModule {
    fn contents(&self) -> Option<Vec<u8>> {
        self.0.recorder_part()
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        let begin = u16::try_from(at).ok().and_then(|at| RECORDER.start.checked_add(at));
        if let Some(begin) = begin.filter(|begin| usize::from(*begin) + bytes.len() <= RECORDER.end.into()) {
            self.0.write(begin, bytes);
        }
    }
}
