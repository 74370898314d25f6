//! The loader in virtual time: it carries out its commands as soon as it is stepped, unless it is
//! held up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jaudiosync::player::loader::{LoaderTask, Order, OrderLoader};
use jaudiosync::worker::Task;

pub struct VirtualLoader {
    task: LoaderTask,
    orders: Arc<Mutex<VecDeque<Order>>>,
    /// Until this reading of the raw clock it waits for a file that does not answer.
    pub held_up_until_ns: i64,
    /// How many tracks were sent back to be dropped.
    pub dropped: usize,
}

impl VirtualLoader {
    pub fn new() -> Self {
        Self { task: LoaderTask::default(), orders: Arc::default(), held_up_until_ns: i64::MIN, dropped: 0 }
    }

    pub fn order_loader(&self) -> OrderLoader {
        let orders = Arc::clone(&self.orders);
        Arc::new(move |order| orders.lock().unwrap().push_back(order))
    }

    /// Does all pending work.
    pub fn work(&mut self, now_ns: i64) {
        if now_ns < self.held_up_until_ns {
            return;
        }
        for order in self.orders.lock().unwrap().drain(..) {
            self.dropped += usize::from(matches!(order, Order::Drop(_)));
            self.task.order(order);
        }
        while self.task.step() == Duration::ZERO {}
    }
}
