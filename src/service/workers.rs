//! The workers of a service: started in one place, watched, and asked to end at the same time.

use std::io;
use std::sync::{Arc, Weak};

use crate::worker::{Task, Worker};

/// The workers that the conductor sends commands to. The conductor owns them; this only watches
/// whether they are alive.
#[derive(Default)]
pub(super) struct Workers(Vec<(&'static str, Weak<dyn Watched>)>);

/// A worker with any type of commands.
trait Watched: Send + Sync {
    /// Returns why it no longer works, if so.
    fn death(&self) -> Option<String>;
    fn dismiss(&self);
}

impl<Command: Send + 'static> Watched for Worker<Command> {
    fn death(&self) -> Option<String> {
        (!self.is_alive()).then(|| self.failure().unwrap_or("its thread has ended").to_owned())
    }

    fn dismiss(&self) {
        self.dismiss();
    }
}

impl Workers {
    /// Starts a worker, and returns what sends it commands.
    pub(super) fn start<T: Task>(
        &mut self,
        name: &'static str,
        task: T,
    ) -> io::Result<Box<dyn FnMut(T::Command) + Send>> {
        self.start_with(name, task, || {})
    }

    /// Does the same, with a function that is called on the thread when it begins.
    pub(super) fn start_with<T: Task>(
        &mut self,
        name: &'static str,
        task: T,
        on_thread: fn(),
    ) -> io::Result<Box<dyn FnMut(T::Command) + Send>> {
        let worker = Arc::new(Worker::start(name, task, on_thread)?);
        let watched: Weak<Worker<T::Command>> = Arc::downgrade(&worker);
        self.0.push((name, watched));
        Ok(Box::new(move |command| worker.command(command)))
    }

    /// Returns a worker that has panicked, and why.
    pub(super) fn dead(&self) -> Option<(&'static str, String)> {
        self.0.iter().find_map(|(name, worker)| Some((*name, worker.upgrade()?.death()?)))
    }

    /// Asks all to end, and does not wait for them.
    pub(super) fn dismiss(&self) {
        self.0.iter().filter_map(|(_, worker)| worker.upgrade()).for_each(|worker| worker.dismiss());
    }
}
