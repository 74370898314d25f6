//! The loader in virtual time: it does what it is ordered as soon as it is stepped, unless it is held up.

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
}

impl VirtualLoader {
    pub fn new() -> Self {
        Self { task: LoaderTask::default(), orders: Arc::default(), held_up_until_ns: i64::MIN }
    }

    pub fn order_loader(&self) -> OrderLoader {
        let orders = Arc::clone(&self.orders);
        Arc::new(move |order| orders.lock().unwrap().push_back(order))
    }

    /// Does all that there is to do.
    pub fn work(&mut self, now_ns: i64) {
        if now_ns < self.held_up_until_ns {
            return;
        }
        self.orders.lock().unwrap().drain(..).for_each(|order| self.task.order(order));
        while self.task.step() == Duration::ZERO {}
    }
}
