//! Opens the sound card, keeps the feeder running on a thread of its own, and opens the card again when it goes away.
//!
//! The stream stays open and silent where nothing is to be played, so that the model of its clock is always settled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use jaudiosync_hw::clocks::{Clocks, NS_PER_S};
use jaudiosync_hw::dac::{Dac, DacError, DacStream};

use super::feeder::{Feeder, FeederEvent, FeederStats, Program};
use super::renderer::RingRenderer;
use super::ring::{Shared, channel};
use super::tone::Tone;
use crate::timekeeping::Timescale;
use crate::timekeeping::source::UtcSource;

/// How often the feeder looks around: a tenth of what it looks ahead.
const STEP: Duration = Duration::from_millis(40);

/// A device that went away is tried again after this long, twice as long each time, up to the last.
const REOPEN_FIRST: Duration = Duration::from_millis(100);
const REOPEN_LAST: Duration = Duration::from_secs(2);

/// A device that faded out is taken for silent after this long even if it does not say so.
const FADE_PATIENCE_NS: i64 = NS_PER_S;

/// What the engine tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The feeder has something to tell.
    Feeder(FeederEvent),
    /// Once a second: the numbers, and UTC in ns.
    Stats(FeederStats, i64),
    /// The sound card went away; it is looked for until it is back.
    DeviceLost(DacError),
    /// The sound card is back.
    DeviceBack,
    /// What was played has faded out, at this UTC in ns.
    Stopped(i64),
}

/// Where events go.
pub type Tell = Box<dyn Fn(Event) + Send>;

/// What is to be done about a device that cannot be opened at the start. Later it is waited for in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenMissing {
    /// Starting fails.
    Fail,
    /// It is told as lost, and waited for.
    Wait,
}

/// What the engine works with.
pub struct Outside {
    /// The sound card.
    pub dac: Box<dyn Dac>,
    /// The machine's clocks.
    pub clocks: Arc<dyn Clocks>,
    /// Who knows UTC.
    pub time: Arc<dyn UtcSource>,
    /// Where events go.
    pub tell: Tell,
    /// Called once on the feeder's thread when it begins: to ask for priority.
    pub on_thread: fn(),
}

enum Order {
    Play(Program),
    Stop,
}

/// A running player.
pub struct Engine {
    orders: Option<Sender<Order>>,
    shared: Arc<Shared>,
    steps: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Opens the device, silent at first.
    ///
    /// # Errors
    /// When the device cannot be opened now, unless it shall be waited for.
    pub fn start(outside: Outside, when_missing: WhenMissing) -> Result<Self, DacError> {
        let (orders, receiver) = mpsc::channel();
        let shared = Arc::new(Shared::default());
        let steps = Arc::new(AtomicU64::new(0));
        let player = Player {
            outside,
            program: None,
            shared: Arc::clone(&shared),
            steps: Arc::clone(&steps),
            next_stats_raw_ns: 0,
        };
        let output = match player.open() {
            Ok(output) => Some(output),
            Err(error) if when_missing == WhenMissing::Fail => return Err(error),
            Err(error) => {
                (player.outside.tell)(Event::DeviceLost(error));
                None
            }
        };
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || player.run(output, &receiver))
            .map_err(|error| DacError::Unavailable { name: "feeder".to_owned(), reason: error.to_string() })?;
        Ok(Self { orders: Some(orders), shared, steps, thread: Some(thread) })
    }

    /// Plays a program, after what plays now has faded out.
    pub fn play(&self, program: Program) {
        self.order(Order::Play(program));
    }

    /// Fades out; [`Event::Stopped`] tells when that is done.
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
        self.shared.volume.store(volume.clamp(0.0, 1.0).to_bits(), Ordering::Relaxed);
    }

    /// Sounds a short tone.
    pub fn sound(&self, tone: Tone) {
        self.shared.tone.store(tone.number(), Ordering::Relaxed);
    }

    /// How often the feeder has gone round, and how many buffers the sound card has taken: both go on for as long as
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

/// An open device and the feeder that belongs to it. The stream is dropped first, so the renderer never outlives it.
struct Output {
    stream: Box<dyn DacStream>,
    feeder: Feeder,
    faults: Receiver<DacError>,
}

struct Player {
    outside: Outside,
    program: Option<Arc<Program>>,
    shared: Arc<Shared>,
    steps: Arc<AtomicU64>,
    next_stats_raw_ns: i64,
}

impl Player {
    fn open(&self) -> Result<Output, DacError> {
        let (fault_sender, faults) = mpsc::channel();
        let (feeder_ends, renderer_ends) = channel(Arc::clone(&self.shared));
        let make_renderer = Box::new(move |format| -> Box<dyn jaudiosync_hw::dac::Renderer> {
            Box::new(RingRenderer::new(renderer_ends, format))
        });
        let stream = self.outside.dac.open(make_renderer, fault_sender)?;
        let feeder = Feeder::new(self.program.clone(), feeder_ends, stream.format().rate_hz);
        Ok(Output { stream, feeder, faults })
    }

    fn run(mut self, mut output: Option<Output>, orders: &Receiver<Order>) {
        (self.outside.on_thread)();
        let mut reopen_after = REOPEN_FIRST;
        let mut wait = if output.is_some() { Duration::ZERO } else { reopen_after };
        loop {
            let order = match orders.recv_timeout(wait) {
                Ok(order) => Some(order),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => {
                    self.fade_out(&mut output);
                    drop(output.map(|output| output.stream));
                    return;
                }
            };
            wait = STEP;
            match order {
                Some(Order::Stop) => {
                    self.fade_out(&mut output);
                    let now_raw_ns = self.outside.clocks.raw_ns();
                    (self.outside.tell)(Event::Stopped(self.timescale().utc_ns(now_raw_ns)));
                }
                Some(Order::Play(program)) => {
                    self.fade_out(&mut output);
                    self.program = Some(Arc::new(program));
                    if let Some(output) = &mut output {
                        output.feeder.set_program(self.program.clone());
                    }
                }
                None => {}
            }
            self.steps.fetch_add(1, Ordering::Relaxed);
            if let Some(playing) = &mut output {
                if self.step(&mut playing.feeder) {
                    reopen_after = REOPEN_FIRST;
                }
                if let Ok(fault) = playing.faults.try_recv() {
                    output = None;
                    (self.outside.tell)(Event::DeviceLost(fault));
                    wait = reopen_after;
                }
            } else {
                match self.open() {
                    Ok(opened) => {
                        output = Some(opened);
                        (self.outside.tell)(Event::DeviceBack);
                    }
                    Err(error) => {
                        log::debug!("{error}");
                        reopen_after = (reopen_after * 2).min(REOPEN_LAST);
                        wait = reopen_after;
                    }
                }
            }
        }
    }

    /// One round of the feeder. Says whether the device has told its timing, and so works.
    fn step(&mut self, feeder: &mut Feeder) -> bool {
        let timescale = self.timescale();
        for event in feeder.step(self.outside.clocks.raw_ns(), &timescale) {
            (self.outside.tell)(Event::Feeder(event));
        }
        let stats = feeder.stats();
        self.outside.time.allow_steps(stats.playing.is_none());
        self.tell_stats(stats, &timescale);
        stats.phase_sigma_ns.is_finite()
    }

    fn timescale(&self) -> Timescale {
        self.outside.time.estimate().timescale
    }

    /// Once a second, on whole seconds of UTC, so that the lines of several boxes can be laid side by side.
    fn tell_stats(&mut self, stats: FeederStats, timescale: &Timescale) {
        let now_raw_ns = self.outside.clocks.raw_ns();
        if now_raw_ns < self.next_stats_raw_ns {
            return;
        }
        let utc_ns = timescale.utc_ns(now_raw_ns);
        let next_utc_ns = (utc_ns.div_euclid(NS_PER_S) + 1) * NS_PER_S;
        // A step of UTC must not silence the statistics.
        self.next_stats_raw_ns = timescale.raw_ns(next_utc_ns).min(now_raw_ns.saturating_add(2 * NS_PER_S));
        (self.outside.tell)(Event::Stats(stats, utc_ns));
    }

    /// Lets the renderer fade out and waits until the last sound has left the device; then there is no program.
    fn fade_out(&mut self, output: &mut Option<Output>) {
        if self.program.take().is_some()
            && let Some(output) = output
        {
            self.shared.silent_from_frame.store(0, Ordering::Release);
            self.shared.fade_out.store(true, Ordering::Release);
            let given_up_raw_ns = self.outside.clocks.raw_ns() + FADE_PATIENCE_NS;
            loop {
                let now_raw_ns = self.outside.clocks.raw_ns();
                output.feeder.step(now_raw_ns, &self.timescale());
                let silent_from = self.shared.silent_from_frame.load(Ordering::Acquire);
                let is_silent = silent_from > 0 && output.feeder.heard_raw_ns(silent_from) < now_raw_ns;
                if is_silent || now_raw_ns > given_up_raw_ns {
                    break;
                }
                // There is no event to wait for: a device does not tell when a frame is heard.
                std::thread::sleep(Duration::from_millis(2));
            }
            output.feeder.set_program(None);
            self.shared.fade_out.store(false, Ordering::Release);
        }
        self.outside.time.allow_steps(true);
    }
}
