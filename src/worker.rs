//! Tasks on threads of their own: whatever may take its time (a disk, a card, a large playlist) is ordered from a task and
//! answers by a message, so that a button is never waited for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

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
    orders: Option<Sender<Order>>,
    steps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl<Order: Send + 'static> Worker<Order> {
    /// Starts the thread. `on_thread` is called on it once when it begins: to ask for priority.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub fn start<T: Task<Order = Order>>(name: &str, mut task: T, on_thread: fn()) -> io::Result<Self> {
        let (orders, receiver) = mpsc::channel();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&steps);
        let work = move || {
            on_thread();
            run(&mut task, &receiver, &counted);
        };
        let thread = Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(Self { orders: Some(orders), steps, thread: Some(thread) })
    }

    /// Tells the task to do something.
    pub fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A task that has panicked takes no orders; the panic hook has told, and whoever asks `is_alive` sees it.
            let _ = orders.send(order);
        }
    }

    /// Whether its thread runs: a task that has panicked does nothing any more.
    pub fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// How many steps it has made: it goes on for as long as the task is alive.
    pub fn progress(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }
}

impl<Order> Drop for Worker<Order> {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed by the panic hook.
            let _ = thread.join();
        }
    }
}

fn run<T: Task>(task: &mut T, orders: &Receiver<T::Order>, steps: &AtomicU64) {
    let mut wait = Duration::ZERO;
    loop {
        match orders.recv_timeout(wait) {
            Ok(order) => {
                task.order(order);
                // What came meanwhile may make the first needless.
                orders.try_iter().for_each(|order| task.order(order));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
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
        assert!(worker.is_alive());
        worker.order(());
        while worker.is_alive() {
            std::thread::yield_now();
        }
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
}
