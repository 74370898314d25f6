//! Tasks on threads of their own: whatever may take its time (a disk, a card, a large playlist) is ordered from a task
//! and answers by a message, so that a button is never waited for.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::ending::{Hold, hold};
use crate::panics::message;

/// Work that is done step by step. A worker's thread does it, or a test in virtual time.
pub trait Task: Send + 'static {
    /// What the task can be told to do.
    type Order: Send + 'static;

    /// Takes an order; the next step does it.
    fn order(&mut self, order: Self::Order);

    /// Does what is due, and says how soon there is something to do again without an order.
    fn step(&mut self) -> Duration;

    /// No order will come any more.
    fn end(&mut self) {}

    /// Whether nothing more is to be done after [`end`](Self::end).
    fn has_ended(&self) -> bool {
        true
    }
}

/// A thread that does a task. Dropping it lets the task end first.
#[derive(Debug)]
pub struct Worker<Order> {
    letters: Sender<Letter<Order>>,
    steps: Arc<AtomicU64>,
    failure: Arc<OnceLock<String>>,
    hold: Weak<Hold>,
    thread: Option<JoinHandle<()>>,
}

/// Counts the steps of a worker. Clones count the same ones.
#[derive(Debug, Clone)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Returns how many steps the worker has made.
    pub fn steps(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the thread is sent.
#[derive(Debug)]
enum Letter<Order> {
    Order(Order),
    /// There will be no more.
    End,
}

impl<Order: Send + 'static> Worker<Order> {
    /// Starts the thread. `on_thread` is called on it once when it begins: to ask for priority.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start<T: Task<Order = Order>>(name: &str, mut task: T, on_thread: fn()) -> io::Result<Self> {
        let (letters, receiver) = mpsc::channel();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let failure = Arc::new(OnceLock::new());
        let failed = Arc::clone(&failure);
        let held = hold(name);
        let hold = Arc::downgrade(&held);
        let work = move || {
            on_thread();
            // The panic hook has told already; whoever asks is told again. Nothing of the task is looked at any more.
            let done = catch_unwind(AssertUnwindSafe(|| run(&mut task, &receiver, &counted)));
            if let Err(panic) = done {
                let _ = failed.set(message(panic.as_ref()));
            }
            // A device that hangs may keep it from being dropped.
            drop(task);
            drop(held);
        };
        let thread = Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { letters, steps, failure, hold, thread: Some(thread) })
    }

    /// Tells the task to do something.
    pub fn order(&self, order: Order) {
        // A task that has panicked takes no orders; whoever asks for its failure sees it.
        let _ = self.letters.send(Letter::Order(order));
    }

    /// Whether its thread runs: a task that has panicked does nothing any more.
    pub fn is_alive(&self) -> bool {
        self.failure().is_none() && self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// The message of the panic that has ended the task, if one has.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// How many steps it has made: it goes on for as long as the task is alive.
    pub fn progress(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Returns a counter of its steps for whoever watches over it.
    pub fn progress_counter(&self) -> Progress {
        Progress(Arc::clone(&self.steps))
    }
}

impl<Order> Worker<Order> {
    /// Lets the task end, and does not wait for it: several so end at the same time. No order is heeded any more.
    pub fn dismiss(&self) {
        if let Some(hold) = self.hold.upgrade() {
            hold.ask();
        }
        let _ = self.letters.send(Letter::End);
    }
}

impl<Order> Drop for Worker<Order> {
    /// Waits as long as the task takes. What bounds it is [`crate::ending`].
    fn drop(&mut self) {
        self.dismiss();
        if let Some(thread) = self.thread.take() {
            // Of a panic while the task was dropped the panic hook has told.
            let _ = thread.join();
        }
    }
}

fn run<T: Task>(task: &mut T, letters: &Receiver<Letter<T::Order>>, steps: &AtomicU64) {
    let mut wait = Duration::ZERO;
    let mut goes_on = true;
    while goes_on {
        let first = match letters.recv_timeout(wait) {
            Ok(letter) => Some(letter),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let is_due = first.is_none();
        let mut is_ordered = false;
        // What came meanwhile may make the first needless.
        for letter in first.into_iter().chain(letters.try_iter()) {
            match letter {
                Letter::Order(order) => {
                    task.order(order);
                    is_ordered = true;
                }
                Letter::End => {
                    goes_on = false;
                    break;
                }
            }
        }
        if !(is_due || is_ordered) {
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

    /// Adds up what it is told, and needs three steps to end.
    struct Sum {
        sum: Arc<AtomicU64>,
        steps_left: u32,
    }

    impl Task for Sum {
        type Order = u64;

        fn order(&mut self, order: u64) {
            self.sum.fetch_add(order, Ordering::Relaxed);
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
        type Order = ();

        fn order(&mut self, (): ()) {
            panic!("as is wanted");
        }

        fn step(&mut self) -> Duration {
            Duration::from_secs(3600)
        }
    }

    #[test]
    fn a_task_that_panics_is_seen() {
        let worker = Worker::start("clumsy", Clumsy, || {}).unwrap();
        assert!(worker.is_alive() && worker.failure().is_none());
        worker.order(());
        while worker.is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(worker.failure(), Some("as is wanted"));
        // It takes orders as before, and they come to nothing.
        worker.order(());
    }

    #[test]
    fn orders_are_done_and_the_task_may_finish() {
        let sum = Arc::new(AtomicU64::new(0));
        let worker = Worker::start("sum", Sum { sum: Arc::clone(&sum), steps_left: 1 }, || {}).unwrap();
        for order in 1..=100 {
            worker.order(order);
        }
        drop(worker);
        assert_eq!(sum.load(Ordering::Relaxed), 5050);
    }

    #[test]
    fn those_that_are_dismissed_end_at_the_same_time_and_heed_nothing_any_more() {
        let sums: Vec<Arc<AtomicU64>> = (0..3).map(|_| Arc::default()).collect();
        let task = |sum: &Arc<AtomicU64>| Sum { sum: Arc::clone(sum), steps_left: 1 };
        let workers: Vec<_> = sums.iter().map(|sum| Worker::start("sum", task(sum), || {}).unwrap()).collect();
        for worker in &workers {
            worker.order(1);
            worker.dismiss();
        }
        while workers.iter().any(Worker::is_alive) {
            std::thread::yield_now();
        }
        workers.iter().for_each(|worker| worker.order(1));
        drop(workers);
        assert!(sums.iter().all(|sum| sum.load(Ordering::Relaxed) == 1));
    }
}
