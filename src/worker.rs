//! Tasks on threads of their own: anything that may block (a disk, a sound card, a large playlist)
//! is sent to a task as a command and answered by a message, so that a button never has to wait.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::ending::{Hold, hold};
use crate::panics::message;

/// Work that is done step by step, by a worker's thread or by a test in virtual time.
pub trait Task: Send + 'static {
    /// What the task can be commanded to do.
    type Command: Send + 'static;

    /// Takes a command; the next step does it.
    fn command(&mut self, command: Self::Command);

    /// Does what is due, and returns how soon there is something to do again without a command.
    fn step(&mut self) -> Duration;

    /// Notes that no more commands will come.
    fn end(&mut self) {}

    /// Returns whether nothing is left to do after [`end`](Self::end).
    fn has_ended(&self) -> bool {
        true
    }
}

/// A thread that runs a task. Dropping it lets the task end first.
#[derive(Debug)]
pub struct Worker<Command> {
    letters: Sender<Letter<Command>>,
    steps: Arc<AtomicU64>,
    failure: Arc<OnceLock<String>>,
    hold: Weak<Hold>,
    thread: Option<JoinHandle<()>>,
}

/// Counts the steps of a worker. Clones share the count.
#[derive(Debug, Clone)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Returns how many steps the worker has made.
    pub fn steps(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is sent to the thread.
#[derive(Debug)]
enum Letter<Command> {
    Command(Command),
    /// No more commands will come.
    End,
}

impl<Command: Send + 'static> Worker<Command> {
    /// Starts the thread. `on_thread` is called on it once when it begins, to ask for priority.
    ///
    /// # Errors
    /// When no more threads can be started.
    pub fn start<T: Task<Command = Command>>(name: &str, mut task: T, on_thread: fn()) -> io::Result<Self> {
        let (letters, receiver) = mpsc::channel();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let failure = Arc::new(OnceLock::new());
        let failed = Arc::clone(&failure);
        let held = hold(name);
        let hold = Arc::downgrade(&held);
        let work = move || {
            on_thread();
            // The panic hook has logged it already, and `failure` reports it to callers. The task
            // itself does not run again.
            let done = catch_unwind(AssertUnwindSafe(|| run(&mut task, &receiver, &counted)));
            if let Err(panic) = done {
                let _ = failed.set(message(panic.as_ref()));
            }
            // A device that hangs may keep the task from being dropped.
            drop(task);
            drop(held);
        };
        let thread = Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { letters, steps, failure, hold, thread: Some(thread) })
    }

    /// Sends the task a command.
    pub fn command(&self, command: Command) {
        // A task that has panicked takes no commands; callers see that from `failure`.
        let _ = self.letters.send(Letter::Command(command));
    }

    /// Returns whether its thread runs: a task that has panicked does nothing more.
    pub fn is_alive(&self) -> bool {
        self.failure().is_none() && self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Returns the message of the panic that ended the task, if one did.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Returns how many steps it has made; the number grows while the task is alive.
    pub fn progress(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Returns a counter of its steps, for a watchdog.
    pub fn progress_counter(&self) -> Progress {
        Progress(Arc::clone(&self.steps))
    }
}

impl<Command> Worker<Command> {
    /// Asks the task to end and does not wait for it, so that several can end at the same time.
    /// Commands sent after that are ignored.
    pub fn dismiss(&self) {
        if let Some(hold) = self.hold.upgrade() {
            hold.ask();
        }
        let _ = self.letters.send(Letter::End);
    }
}

impl<Command> Drop for Worker<Command> {
    /// Waits until the task has ended. [`crate::ending`] limits how long that may take.
    fn drop(&mut self) {
        self.dismiss();
        if let Some(thread) = self.thread.take() {
            // The panic hook has logged a panic that happened while the task was dropped.
            let _ = thread.join();
        }
    }
}

fn run<T: Task>(task: &mut T, letters: &Receiver<Letter<T::Command>>, steps: &AtomicU64) {
    let mut wait = Duration::ZERO;
    let mut goes_on = true;
    while goes_on {
        let first = match letters.recv_timeout(wait) {
            Ok(letter) => Some(letter),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let is_due = first.is_none();
        let mut is_commanded = false;
        // What else has arrived may make the first command unnecessary.
        for letter in first.into_iter().chain(letters.try_iter()) {
            match letter {
                Letter::Command(command) => {
                    task.command(command);
                    is_commanded = true;
                }
                Letter::End => {
                    goes_on = false;
                    break;
                }
            }
        }
        if !(is_due || is_commanded) {
            break;
        }
        wait = task.step();
        steps.fetch_add(1, Ordering::Relaxed);
    }
    task.end();
    while !task.has_ended() {
        let wait = task.step();
        if !task.has_ended() {
            std::thread::sleep(wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds up its commands, and needs three steps to end.
    struct Sum {
        sum: Arc<AtomicU64>,
        steps_left: u32,
    }

    impl Task for Sum {
        type Command = u64;

        fn command(&mut self, command: u64) {
            self.sum.fetch_add(command, Ordering::Relaxed);
        }

        fn step(&mut self) -> Duration {
            self.steps_left = self.steps_left.saturating_sub(1);
            if self.steps_left == 0 { Duration::from_secs(3600) } else { Duration::ZERO }
        }

        fn end(&mut self) {
            self.steps_left = 3;
        }

        fn has_ended(&self) -> bool {
            self.steps_left == 0
        }
    }

    struct Clumsy;

    impl Task for Clumsy {
        type Command = ();

        fn command(&mut self, (): ()) {
            panic!("intended by the test");
        }

        fn step(&mut self) -> Duration {
            Duration::from_secs(3600)
        }
    }

    #[test]
    fn a_task_that_panics_is_seen() {
        let worker = Worker::start("clumsy", Clumsy, || {}).unwrap();
        assert!(worker.is_alive() && worker.failure().is_none());
        worker.command(());
        while worker.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(worker.failure(), Some("intended by the test"));
        // It accepts commands as before, and they have no effect.
        worker.command(());
    }

    #[test]
    fn commands_are_done_and_the_task_may_finish() {
        let sum = Arc::new(AtomicU64::new(0));
        let worker = Worker::start("sum", Sum { sum: Arc::clone(&sum), steps_left: 1 }, || {}).unwrap();
        for command in 1..=100 {
            worker.command(command);
        }
        drop(worker);
        assert_eq!(sum.load(Ordering::Relaxed), 5050);
    }

    #[test]
    fn dismissed_workers_end_at_the_same_time_and_ignore_later_commands() {
        let sums: Vec<Arc<AtomicU64>> = (0..3).map(|_| Arc::default()).collect();
        let task = |sum: &Arc<AtomicU64>| Sum { sum: Arc::clone(sum), steps_left: 1 };
        let workers: Vec<_> = sums.iter().map(|sum| Worker::start("sum", task(sum), || {}).unwrap()).collect();
        for worker in &workers {
            worker.command(1);
            worker.dismiss();
        }
        while workers.iter().any(Worker::is_alive) {
            std::thread::yield_now();
        }
        workers.iter().for_each(|worker| worker.command(1));
        drop(workers);
        assert!(sums.iter().all(|sum| sum.load(Ordering::Relaxed) == 1));
    }
}
