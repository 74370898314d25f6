//! Runs the player's task on a thread of its own, and is what the rest of the program sees of the player.
//!
//! The stream stays open and silent where nothing is to be played, so that the model of its clock is always settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use jaudiosync_hw::dac::DacError;

use super::feeder::Program;
use super::ring::Shared;
use super::task::{Order, Outside, PlayerTask, WhenMissing};
use super::tone::Tone;

/// A running player.
pub struct Engine {
    orders: Option<Sender<Order>>,
    shared: Arc<Shared>,
    steps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens the device, silent at first. `on_thread` is called once on the player's thread when it begins: to ask for
    /// priority.
    ///
    /// # Errors
    /// When the device cannot be opened now, unless it shall be waited for.
    pub fn start(outside: Outside, when_missing: WhenMissing, on_thread: fn()) -> Result<Self, DacError> {
        let (orders, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let steps = Arc::new(AtomicU64::new(0));
        let task = PlayerTask::new(outside, Arc::clone(&shared), when_missing)?;
        let counted = Arc::clone(&steps);
        let work = move || {
            on_thread();
            run(task, &receiver, &counted);
        };
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(work)
            .map_err(|error| DacError::Unavailable { name: "feeder".to_owned(), reason: error.to_string() })?;
        Ok(Self { orders: Some(orders), shared, steps, thread: Some(thread) })
    }

    /// Plays a program, after what plays now has faded out.
    pub fn play(&self, program: Program) {
        self.order(Order::Play(program));
    }

    /// Fades out; [`Event::Stopped`](super::task::Event::Stopped) tells when that is done.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // A player that has ended by itself needs no telling.
            let _ = orders.send(order);
        }
    }

    /// The volume as a factor, 0 to 1, for a sound card that has no control of its own.
    pub fn set_volume(&self, volume: f32) {
        self.shared.set_volume(volume);
    }

    /// Sounds a short tone.
    pub fn sound(&self, tone: Tone) {
        self.shared.sound(tone);
    }

    /// How often the player has gone round, and how many buffers the sound card has taken: both go on for as long as
    /// the player is alive and its card is there.
    pub fn progress(&self) -> (u64, u64) {
        (self.steps.load(Ordering::Relaxed), self.shared.buffers.load(Ordering::Relaxed))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was already printed by the panic hook.
            let _ = thread.join();
        }
    }
}

fn run(mut task: PlayerTask, orders: &Receiver<Order>, steps: &AtomicU64) {
    let mut wait = Duration::ZERO;
    loop {
        match orders.recv_timeout(wait) {
            Ok(order) => task.order(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        wait = task.step();
        steps.fetch_add(1, Ordering::Relaxed);
    }
    task.order(Order::Stop);
    while task.is_fading() {
        std::thread::sleep(task.step());
    }
}
