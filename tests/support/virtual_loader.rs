//! The loader in virtual time: it carries out its commands as soon as it is stepped, unless it is
//! held up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jaudiosync::player::loader::{LoaderCommand, LoaderTask, SendToLoader};
use jaudiosync::worker::Task;
use jaudiosync_time::{Instant, Raw};

pub struct VirtualLoader {
    task: LoaderTask,
    commands: Arc<Mutex<VecDeque<LoaderCommand>>>,
    /// Until this reading of the raw clock it waits for a file that does not answer.
    pub held_up_until: Instant<Raw>,
    /// How many tracks were sent back to be dropped.
    pub dropped: usize,
}

impl VirtualLoader {
    pub fn new() -> Self {
        Self { task: LoaderTask::default(), commands: Arc::default(), held_up_until: Instant::MIN, dropped: 0 }
    }

    pub fn send_to_loader(&self) -> SendToLoader {
        let commands = Arc::clone(&self.commands);
        Arc::new(move |command| commands.lock().unwrap().push_back(command))
    }

    /// Does all pending work.
    pub fn work(&mut self, now: Instant<Raw>) {
        if now < self.held_up_until {
            return;
        }
        for command in self.commands.lock().unwrap().drain(..) {
            self.dropped += usize::from(matches!(command, LoaderCommand::Drop(_)));
            self.task.command(command);
        }
        while self.task.step() == Duration::ZERO {}
    }
}
